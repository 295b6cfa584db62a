// SPDX-License-Identifier: Apache-2.0
// void call_with_way_back(void (*body)(u64), u64 argument): an interrupt handler that returns to way_back with RSP taken from
// way_back_stack ends the body, as a longjmp would: take_way_back in way_back.cpp.

    .text
    .globl call_with_way_back, way_back
call_with_way_back:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    sub     $8, %rsp
    mov     %rsp, way_back_stack(%rip)
    mov     %rdi, %rax
    mov     %rsi, %rdi
    call    *%rax
way_back:
    add     $8, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

    .bss
    .balign 8
    .globl way_back_stack
way_back_stack: .skip 8

    .section .note.GNU-stack, "", @progbits
