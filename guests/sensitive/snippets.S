// SPDX-License-Identifier: Apache-2.0
// One snippet for each instruction under test. A snippet begins with all registers 0 (DS and ES: flat, open to ring 3) and ends in INT END_VECTOR;
// what it leaves in the registers, the arithmetic flags and `output` is what it has seen. It touches nothing else of the program.
#include "layout.h"

#define KERNEL_DATA 0x10
#define OPERAND_OTHER_GDTR operands
#define OPERAND_OTHER_IDTR operands + 10
#define OPERAND_OTHER_CR3 operands + 24
#define OPERAND_OWN_CODE operands + 32
#define OPERAND_INVPCID operands + 40
#define OPERAND_VMX_REGION operands + 56

#define CR0_OTHER 0x80010013                /* TS clear, as the program's own form has it set: world.cpp */
#define CR4_OTHER 0x40660                   /* MCE set */
#define MSR_KERNEL_GS_BASE 0xc0000102
#define INTEL_MONITOR_LINE 64

    .section .rodata.snippets, "a"
    .balign 8
    .globl snippets, snippets_end
snippets:

// Opens a snippet: its row in the table, and its label in a code section of the width.
.macro snippet name, bits=32, needs=0
    .pushsection .rodata.snippets
    .long   1f, 2f, \bits, \needs
    .pushsection .rodata
2:  .asciz  "\name"
    .popsection
    .popsection
    .code\bits
    .balign 16
1:
.endm
.macro end
    int     $END_VECTOR
.endm

    .text
    .balign 4096

// ---- nothing of the machine's: control rows -------------------------------------------------------------------------------------
    snippet "NOP"
    nop
    end
    snippet "ADD"
    mov     $40, %eax
    add     $2, %eax
    end
    snippet "PUSH DS"
    push    %ds
    pop     %eax
    end
    snippet "ARPL"
    mov     $KERNEL_DATA, %eax
    mov     $3, %ebx
    arpl    %bx, %ax
    end
    snippet "BOUND (in range)"
    mov     $1, %eax
    bound   %eax, bounds
    end
    snippet "BOUND (out of range)"
    mov     $9, %eax
    bound   %eax, bounds
    end
    snippet "INTO"
    mov     $0x7f, %al
    add     $1, %al
    into
    end
    snippet "UD2"
    ud2
    end
    snippet "RSM"
    rsm
    end
    snippet "PAUSE"
    pause
    end
    snippet "RDRAND"
    rdrand  %eax
    end
    snippet "RDSEED"
    rdseed  %eax
    end

// ---- registers of the system ----------------------------------------------------------------------------------------------------
    snippet "SGDT"
    sgdt    output
    end
    snippet "SIDT"
    sidt    output
    end
    snippet "SLDT"
    sldt    %eax
    end
    snippet "STR"
    str     %eax
    end
    snippet "SMSW"
    smsw    %eax
    end
    snippet "SGDT (CR4.UMIP=1)", 32, NEEDS_UMIP
    sgdt    output
    end
    snippet "SIDT (CR4.UMIP=1)", 32, NEEDS_UMIP
    sidt    output
    end
    snippet "SLDT (CR4.UMIP=1)", 32, NEEDS_UMIP
    sldt    %eax
    end
    snippet "STR (CR4.UMIP=1)", 32, NEEDS_UMIP
    str     %eax
    end
    snippet "SMSW (CR4.UMIP=1)", 32, NEEDS_UMIP
    smsw    %eax
    end
    snippet "PUSHF"
    pushf
    pop     %eax
    and     $0x3200, %eax                   // IF and IOPL: the others have rows of their own in any program
    end
    snippet "POPF"
    pushl   $FLAGS_OTHER
    popf
    end
    snippet "LGDT"
    lgdt    OPERAND_OTHER_GDTR
    end
    snippet "LIDT"
    lidt    OPERAND_OTHER_IDTR
    end
    snippet "LLDT"
    mov     $SELECTOR_OTHER_LDT, %eax
    lldt    %ax
    end
    snippet "LTR"
    mov     $SELECTOR_OTHER_TSS, %eax
    ltr     %ax
    end
    snippet "LMSW"
    mov     $(CR0_OTHER & 0xffff), %eax
    lmsw    %ax
    end
    snippet "CLTS"
    clts
    end
    snippet "MOV from CR0"
    mov     %cr0, %eax
    end
    snippet "MOV to CR0"
    mov     $CR0_OTHER, %eax
    mov     %eax, %cr0
    end
    snippet "MOV from CR2"
    mov     %cr2, %eax
    end
    snippet "MOV to CR2"
    mov     $0x5a5000, %eax
    mov     %eax, %cr2
    end
    snippet "MOV from CR3"
    mov     %cr3, %eax
    end
    snippet "MOV to CR3"
    mov     OPERAND_OTHER_CR3, %eax
    mov     %eax, %cr3
    end
    snippet "MOV from CR4"
    mov     %cr4, %eax
    end
    snippet "MOV to CR4"
    mov     $CR4_OTHER, %eax
    mov     %eax, %cr4
    end
    snippet "MOV from CR8", 64
    mov     %cr8, %rax
    end
    snippet "MOV to CR8", 64
    mov     $1, %eax
    mov     %rax, %cr8
    end
    snippet "MOV from DR0"
    mov     %dr0, %eax
    end
    snippet "MOV to DR0"
    mov     $0x5a5000, %eax
    mov     %eax, %dr0
    end
    snippet "RDMSR"
    mov     $MSR_KERNEL_GS_BASE, %ecx
    rdmsr
    end
    snippet "WRMSR"
    mov     $MSR_KERNEL_GS_BASE, %ecx
    mov     $0x5a5000, %eax
    wrmsr
    end
    snippet "SWAPGS", 64
    swapgs
    end
    snippet "RDFSBASE", 64, NEEDS_FSGSBASE
    rdfsbase %rax
    end
    snippet "WRGSBASE", 64, NEEDS_FSGSBASE
    mov     $0x5a5000, %eax
    wrgsbase %rax
    end
    snippet "XGETBV", 32, NEEDS_OSXSAVE
    xgetbv
    end
    snippet "XSETBV", 32, NEEDS_OSXSAVE
    mov     $3, %eax
    xsetbv
    end

// ---- the protection system ------------------------------------------------------------------------------------------------------
// Each asks about a segment of ring 0 and about one that is open to all.
    snippet "LAR"
    mov     $KERNEL_DATA, %ebx
    lar     %ebx, %eax
    mov     $SELECTOR_PROBE_DATA, %ebx
    lar     %ebx, %ecx
    end
    snippet "LSL"
    mov     $KERNEL_DATA, %ebx
    lsl     %ebx, %eax
    mov     $SELECTOR_PROBE_DATA, %ebx
    lsl     %ebx, %ecx
    end
    snippet "VERR"
    mov     $KERNEL_DATA, %ebx
    verr    %bx
    setz    %al
    mov     $SELECTOR_PROBE_DATA, %ebx
    verr    %bx
    setz    %cl
    end
    snippet "VERW"
    mov     $KERNEL_DATA, %ebx
    verw    %bx
    setz    %al
    mov     $SELECTOR_PROBE_DATA, %ebx
    verw    %bx
    setz    %cl
    end
    snippet "PUSH CS"
    push    %cs
    pop     %eax
    end
    snippet "PUSH SS"
    push    %ss
    pop     %eax
    end
    snippet "MOV from CS"
    mov     %cs, %eax
    end
    snippet "MOV to DS"
    mov     $(SELECTOR_PROBE_DATA + 3), %ecx
    mov     %ecx, %ds
    mov     %ds:0, %eax
    end
    snippet "MOV to DS (DPL 0)"
    mov     $KERNEL_DATA, %ecx
    mov     %ecx, %ds
    end
    snippet "POP DS"
    pushl   $(SELECTOR_PROBE_DATA + 3)
    pop     %ds
    mov     %ds:0, %eax
    end
    snippet "POP DS (DPL 0)"
    pushl   $KERNEL_DATA
    pop     %ds
    end
    snippet "LDS"
    lds     probe_pointer, %ecx
    mov     %ds:(%ecx), %eax
    end
    snippet "LES"
    les     probe_pointer, %ecx
    mov     %es:(%ecx), %eax
    end
    snippet "CALL far"
    lcall   $SELECTOR_PROBE_CODE, $call_landing
    snippet "JMP far"
    ljmp    $SELECTOR_PROBE_CODE, $landing
    snippet "RET far"
    pushl   OPERAND_OWN_CODE
    pushl   $landing
    lret
    snippet "INT n"
    int     $SERVICE_VECTOR
    end
    snippet "INT n (DPL 0)"
    int     $RING0_SERVICE_VECTOR
    end
    snippet "IRET"
    pushl   $FLAGS_OTHER
    push    %cs
    pushl   $3f
    iret
3:  end

// ---- interrupts, input and output -----------------------------------------------------------------------------------------------
    snippet "CLI", 32, NEEDS_INTERRUPTS
    cli
    end
    snippet "STI"
    sti
    nop                                     // no interrupt comes before the end of this one
    end
    snippet "IN"
    in      $PORT, %al
    end
    snippet "OUT"
    mov     $PORT_OTHER_VALUE, %al
    out     %al, $PORT
    end
    snippet "INS"
    mov     $output, %edi
    mov     $PORT, %edx
    insb
    end
    snippet "OUTS"
    mov     $port_other_value, %esi
    mov     $PORT, %edx
    outsb
    end
    snippet "HLT", 32, NEEDS_TIMER
    hlt
    end
    snippet "MONITOR"
    mov     $output, %eax
    monitor
    end
    snippet "MWAIT", 32, NEEDS_TIMER
    mwait
    end

// ---- fast system calls ----------------------------------------------------------------------------------------------------------
    snippet "SYSENTER"
    sysenter
    snippet "SYSEXIT"
    mov     $snippet_stack_top, %ecx
    mov     $landing, %edx
    sysexit
    snippet "SYSCALL", 64
    syscall
    snippet "SYSRET", 64
    mov     $landing64, %ecx
    mov     $2, %r11d
    sysretq

// ---- time, identity, caches -----------------------------------------------------------------------------------------------------
    snippet "RDTSC"
    rdtsc
    end
    snippet "RDTSC (CR4.TSD=1)", 32, NEEDS_TSD
    rdtsc
    end
    snippet "RDTSCP"
    rdtscp
    end
    snippet "RDPMC"
    rdpmc
    end
    snippet "RDPMC (CR4.PCE=1)", 32, NEEDS_PCE
    rdpmc
    end
    snippet "CPUID"
    mov     $1, %eax
    cpuid
    end
    snippet "INVLPG"
    invlpg  output
    end
    snippet "INVPCID"
    mov     $2, %eax                        // all contexts
    invpcid OPERAND_INVPCID, %eax
    end
    snippet "WBINVD"
    wbinvd
    end
    snippet "INVD"                          // the program writes caches back just before: native.cpp
    invd
    end

// ---- VMX: in root operation, where there is VMX ---------------------------------------------------------------------------------
    snippet "VMCALL", 64, NEEDS_VMX_ROOT
    vmcall
    end
    snippet "VMXON", 64, NEEDS_VMX_ROOT
    vmxon   OPERAND_VMX_REGION
    end
    snippet "VMPTRST", 64, NEEDS_VMX_ROOT
    vmptrst output
    end
    snippet "VMREAD", 64, NEEDS_VMX_ROOT
    mov     $0x681e, %ecx                   // guest RIP
    vmread  %rcx, %rax
    end

// ---- where control goes ---------------------------------------------------------------------------------------------------------
    .code32
    .balign 64
landing:
    mov     $1, %esi
    end
    .org    landing + LANDING_DISTANCE
    mov     $2, %esi
    end
    .balign 64
call_landing:
    mov     $1, %esi
    jmp     4f
    .org    call_landing + LANDING_DISTANCE
    mov     $2, %esi
4:  pop     %ecx                            // the return address: EIP and CS
    pop     %edx
    mov     $0, %ecx
    end

    .code64
landing64:
    end

    .globl sysenter_entry, other_sysenter_entry, syscall_entry, other_syscall_entry
sysenter_entry:
    mov     $1, %esi
    end
other_sysenter_entry:
    mov     $2, %esi
    end
syscall_entry:
    mov     $1, %esi
    xor     %r11d, %r11d                    // RFLAGS and RIP of the caller
    end
other_syscall_entry:
    mov     $2, %esi
    xor     %r11d, %r11d
    end

    .section .rodata.snippets
snippets_end:

    .section .rodata
    .balign 8
bounds: .long 0, 8
probe_pointer:
    .long   0
    .word   SELECTOR_PROBE_DATA + 3
port_other_value:
    .byte   PORT_OTHER_VALUE
    .balign 64
    .globl probe_data, other_probe_data
probe_data: .quad 0x11111111
    .org    probe_data + LANDING_DISTANCE
other_probe_data: .quad 0x22222222
    .org    probe_data + 2 * LANDING_DISTANCE

    .bss
    .balign 64
    .globl operands, output, snippet_stack_top, entry_stack_top
operands: .skip 64
    .balign 64
output: .skip INTEL_MONITOR_LINE
    .balign 4096
    .skip   4096
snippet_stack_top:
    .skip   4096
entry_stack_top:

// void enter_ring(const RingFrame&): to the ring of its selectors with all registers 0. An interrupt's handler ends what runs there.
    .text
    .globl enter_ring
enter_ring:
    pushq   32(%rdi)                        // SS, RSP, RFLAGS, CS, RIP
    pushq   24(%rdi)
    pushq   16(%rdi)
    pushq   8(%rdi)
    pushq   (%rdi)
    mov     $0x23, %eax                     // data, open to ring 3
    mov     %eax, %ds
    mov     %eax, %es
    xor     %eax, %eax
    xor     %ebx, %ebx
    xor     %ecx, %ecx
    xor     %edx, %edx
    xor     %esi, %esi
    xor     %edi, %edi
    xor     %ebp, %ebp
    xor     %r8d, %r8d
    xor     %r9d, %r9d
    xor     %r10d, %r10d
    xor     %r11d, %r11d
    xor     %r12d, %r12d
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
    iretq

    .section .note.GNU-stack, "", @progbits
