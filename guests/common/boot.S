// SPDX-License-Identifier: Apache-2.0
// From the multiboot entry (32-bit protected mode, paging off) to 64-bit mode with the first 4 GiB mapped one to one.

#define MULTIBOOT_HEADER_MAGIC 0x1badb002
#define MULTIBOOT_HEADER_FLAGS 3            /* modules on page boundaries, memory information wanted */

#define PRESENT_WRITE 0x3
#define PRESENT_WRITE_LARGE 0x83
#define STACK_BYTES 0x10000

    .section .multiboot, "a"
    .balign 4
    .long MULTIBOOT_HEADER_MAGIC
    .long MULTIBOOT_HEADER_FLAGS
    .long -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_HEADER_FLAGS)

    .section .text.boot, "ax"
    .code32
    .globl _start
_start:
    cld
    mov     $boot_stack_top, %esp
    mov     %eax, %edi                      // both arguments of guest_main survive in the registers it expects them in
    mov     %ebx, %esi

    movl    $boot_pdpt + PRESENT_WRITE, boot_pml4
    mov     $boot_pdpt, %eax
    mov     $boot_pd + PRESENT_WRITE, %edx
    mov     $4, %ecx
1:  mov     %edx, (%eax)
    add     $8, %eax
    add     $0x1000, %edx
    loop    1b

    mov     $boot_pd, %eax
    mov     $PRESENT_WRITE_LARGE, %edx      // 2,048 PDEs of 2 MiB
    mov     $2048, %ecx
2:  mov     %edx, (%eax)
    add     $8, %eax
    add     $0x200000, %edx
    loop    2b

    mov     $start64, %ebp

    // From protected mode without paging to 64-bit mode, on at EBP; changes EAX, ECX and EDX.
    // SDM vol. 3, "Initializing IA-32e Mode": PAE and CR3 first, then EFER.LME, then CR0.PG.
    .globl to_64_bit_mode
to_64_bit_mode:
    mov     %cr4, %eax
    or      $0x620, %eax                    // PAE, OSFXSR, OSXMMEXCPT
    mov     %eax, %cr4
    mov     $boot_pml4, %eax
    mov     %eax, %cr3
    mov     $0xc0000080, %ecx               // IA32_EFER
    rdmsr
    or      $0x100, %eax                    // LME
    wrmsr
    mov     %cr0, %eax
    and     $~0x6000000c, %eax              // CD, NW, EM and TS off: caches and SSE are usable
    or      $0x80010002, %eax               // PG, WP, MP
    mov     %eax, %cr0
    lgdt    boot_gdt_pointer
    ljmp    $8, $1f

    .code64
1:
    mov     $16, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    mov     %ebp, %ebp                      // the upper halves are undefined after the change of mode
    jmp     *%rbp

start64:
    mov     $boot_stack_top, %rsp
    mov     %edi, %edi
    mov     %esi, %esi
    call    guest_main
3:  cli
    hlt
    jmp     3b

    .section .rodata
    .balign 8
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                // 64-bit code
    .quad 0x00cf93000000ffff                // data
    .quad 0x00cf9b000000ffff                // 32-bit code, for processors that come from real mode
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt

    .bss
    .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
    .skip STACK_BYTES
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
