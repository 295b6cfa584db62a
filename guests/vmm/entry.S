// SPDX-License-Identifier: Apache-2.0
// u64 enter_guest(Vcpu*): runs the guest until its next VM exit. 0 after an exit, 1 if VMLAUNCH or VMRESUME failed.

#define RAX 0
#define RCX 8
#define RDX 16
#define RBX 24
#define RBP 40
#define RSI 48
#define RDI 56
#define R8 64
#define R9 72
#define R10 80
#define R11 88
#define R12 96
#define R13 104
#define R14 112
#define R15 120
#define HOST_RSP 128
#define LAUNCHED 136

#define FIELD_HOST_RSP 0x6c14

    .text
    .globl enter_guest
enter_guest:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    push    %rdi
    cmp     %rsp, HOST_RSP(%rdi)            // VMWRITE costs more than this comparison
    je      1f
    mov     %rsp, HOST_RSP(%rdi)
    mov     $FIELD_HOST_RSP, %eax
    vmwrite %rsp, %rax
1:  cmpq    $0, LAUNCHED(%rdi)
    mov     RAX(%rdi), %rax
    mov     RCX(%rdi), %rcx
    mov     RDX(%rdi), %rdx
    mov     RBX(%rdi), %rbx
    mov     RBP(%rdi), %rbp
    mov     RSI(%rdi), %rsi
    mov     R8(%rdi), %r8
    mov     R9(%rdi), %r9
    mov     R10(%rdi), %r10
    mov     R11(%rdi), %r11
    mov     R12(%rdi), %r12
    mov     R13(%rdi), %r13
    mov     R14(%rdi), %r14
    mov     R15(%rdi), %r15
    mov     RDI(%rdi), %rdi
    jne     2f
    vmlaunch
    jmp     entry_failed
2:  vmresume
entry_failed:
    pop     %rdi
    mov     $1, %eax
    jmp     leave

    .globl vm_exit
vm_exit:                                    // HOST_RIP
    push    %rdi
    mov     8(%rsp), %rdi
    mov     %rax, RAX(%rdi)
    mov     %rcx, RCX(%rdi)
    mov     %rdx, RDX(%rdi)
    mov     %rbx, RBX(%rdi)
    mov     %rbp, RBP(%rdi)
    mov     %rsi, RSI(%rdi)
    mov     %r8, R8(%rdi)
    mov     %r9, R9(%rdi)
    mov     %r10, R10(%rdi)
    mov     %r11, R11(%rdi)
    mov     %r12, R12(%rdi)
    mov     %r13, R13(%rdi)
    mov     %r14, R14(%rdi)
    mov     %r15, R15(%rdi)
    pop     RDI(%rdi)                       // the address is computed before RSP moves: RDI is the base, not RSP
    add     $8, %rsp
    movq    $1, LAUNCHED(%rdi)
    xor     %eax, %eax
leave:
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

    .section .note.GNU-stack, "", @progbits
