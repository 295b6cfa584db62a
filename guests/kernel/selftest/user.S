// SPDX-License-Identifier: Apache-2.0
// Ring 3 code, on a page of its own, and the two fast ways into ring 0. Every program ends in INT 0x80.

    .text
    .balign 4096
    .globl user_page, user_interrupt, user_syscall, user_sysenter, user_privileged, user_reads_kernel
user_page:
user_interrupt:
    mov     $0x55, %eax
    int     $0x80

user_syscall:                               // RDI: number of round trips
    xor     %eax, %eax
1:  syscall                                 // the kernel adds one to RAX, its CS goes to R8
    dec     %rdi
    jnz     1b
    int     $0x80

user_sysenter:
    xor     %eax, %eax
2:  lea     3f(%rip), %rdx
    mov     %rsp, %rcx
    sysenter                                // as above, CS to R9
3:  dec     %rdi
    jnz     2b
    int     $0x80

user_privileged:
    cli
    int     $0x80

user_reads_kernel:                          // RDI: address
    mov     (%rdi), %rax
    int     $0x80
    .balign 4096

// Both entries keep to registers: the stack is still ring 3's.
    .globl syscall_entry, sysenter_entry
syscall_entry:
    mov     %cs, %r8d
    inc     %rax
    sysretq

sysenter_entry:
    mov     %cs, %r9d
    inc     %rax
    sysexitq

// void enter_user(u64 rip, u64 rsp, u64 argument, u64 code_selector, u64 stack_selector)
    .globl enter_user
enter_user:
    push    %r8
    push    %rsi
    push    $2                              // RFLAGS: IF = 0, IOPL = 0
    push    %rcx
    push    %rdi
    mov     %rdx, %rdi
    iretq

    .section .note.GNU-stack, "", @progbits
