// SPDX-License-Identifier: Apache-2.0
// One stub of 16 bytes for each vector: it makes all frames alike. SDM vol. 3, "Exception and Interrupt Reference", says which
// vectors push an error code: 8, 10-14, 17, 21, 29, 30.

    .text
    .balign 16
    .globl interrupt_stubs
interrupt_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .ifeq (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) | (vector == 21) | (vector == 29) | (vector == 30)
    pushq   $0
    .endif
    pushq   $vector
    jmp     interrupt_common
    .set vector, vector + 1
    .endr

interrupt_common:
    push    %rax
    push    %rbx
    push    %rcx
    push    %rdx
    push    %rsi
    push    %rdi
    push    %rbp
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    cld
    mov     %rsp, %rdi
    call    dispatch_interrupt
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rbp
    pop     %rdi
    pop     %rsi
    pop     %rdx
    pop     %rcx
    pop     %rbx
    pop     %rax
    add     $16, %rsp                       // vector and error code
    iretq

    .section .note.GNU-stack, "", @progbits
