// SPDX-License-Identifier: Apache-2.0
// From the kernel to a program in ring 3, from there to the kernel by SYSCALL, and back for good.

#define USER_DATA 0x23
#define USER_CODE 0x2b
#define USER_FLAGS 0x202                        /* IF */

    .text
// u64 enter_user_mode(const UserStart&): returns when somebody calls leave_user_mode, with what it is given.
    .globl enter_user_mode, leave_user_mode
enter_user_mode:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, way_back_rsp(%rip)
    pushq   $USER_DATA
    pushq   8(%rdi)
    pushq   $USER_FLAGS
    pushq   $USER_CODE
    pushq   (%rdi)
    mov     16(%rdi), %rax
    mov     32(%rdi), %rsi
    mov     40(%rdi), %rdx
    mov     48(%rdi), %rcx
    mov     24(%rdi), %rdi
    iretq

leave_user_mode:
    mov     %rdi, %rax
    mov     way_back_rsp(%rip), %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

// SDM vol. 2, "SYSCALL": RIP is in RCX, RFLAGS in R11, RSP still the program's. As in Linux, RAX is the number and then the result,
// and all other registers but these two keep their values.
    .globl system_call_entry
system_call_entry:
    mov     %rsp, user_rsp(%rip)
    mov     system_call_stack(%rip), %rsp
    push    user_rsp(%rip)
    push    %rcx
    push    %r11
    push    %rdi
    push    %rsi
    push    %rdx
    push    %r8
    push    %r9
    push    %r10
    sub     $8, %rsp
    mov     %rax, %rcx
    call    dispatch_system_call
    add     $8, %rsp
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdx
    pop     %rsi
    pop     %rdi
    pop     %r11
    pop     %rcx
    pop     %rsp
    sysretq

// The first instructions of every program: RAX is its address, its result the exit status.
    .section .user_text, "ax"
    .globl user_start
user_start:
    call    *%rax
    mov     %rax, %rdi
    xor     %eax, %eax                          // exit
    syscall

    .bss
    .balign 8
    .globl system_call_stack
system_call_stack: .skip 8
way_back_rsp: .skip 8
user_rsp: .skip 8

    .section .note.GNU-stack, "", @progbits
