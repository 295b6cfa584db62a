// SPDX-License-Identifier: Apache-2.0
// u32 footprint_blocks(u32 value, u32 blocks): runs the first `blocks` of 7,200 blocks, about 50,000 instructions. No two are
// alike: constants and the tested bit come from the block's number, and four forms take turns.

#define BLOCKS 7200

    .text
    .balign 64
    .globl footprint_blocks
footprint_blocks:
    mov     %edi, %eax
    mov     %esi, %ecx
    .set    number, 0
    .rept   BLOCKS
    .set    constant, (number * 0x9e3779b1 + 0x7f4a7c15) & 0x7fffffff
    imul    $(constant | 0x40000001), %eax, %eax
    .if     (number & 3) == 0
    xor     $(constant ^ 0x55555555), %eax
    .elseif (number & 3) == 1
    add     $(constant ^ 0x33333333), %eax
    .elseif (number & 3) == 2
    lea     0x12345678 ^ (constant & 0xffffff)(%rax, %rax, 4), %eax
    .else
    ror     $((number >> 2) % 31 + 1), %eax
    .endif
    test    $(0x10000 << (number % 15)), %eax
    jz      1f
    sub     $(constant >> 3), %eax
1:  dec     %ecx
    jz      footprint_done
    .set    number, number + 1
    .endr
footprint_done:
    ret

    .section .rodata
    .globl footprint_block_count
    .balign 4
footprint_block_count:
    .long BLOCKS

    .section .note.GNU-stack, "", @progbits
