// SPDX-License-Identifier: Apache-2.0
// What a started processor executes first: in real mode at a page below 1 MiB, where these bytes have been copied to.

    .text
    .globl start_up_begin, start_up_end
    .code16
start_up_begin:
    cli
    cld
    mov     %cs, %ax
    mov     %ax, %ds
    lgdtl   start_up_gdt_pointer - start_up_begin
    mov     %cr0, %eax
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $0x18, $start_up_32             // the VMM's own image from here on
start_up_gdt_pointer:
    .word   0x1f
    .long   boot_gdt
start_up_end:

    .code32
start_up_32:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     $start_up_64, %ebp
    jmp     to_64_bit_mode

    .code64
start_up_64:
    mov     start_up_stack, %rsp
    mov     start_up_number, %edi
    call    started
1:  cli
    hlt
    jmp     1b

    .section .note.GNU-stack, "", @progbits
