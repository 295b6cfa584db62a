// SPDX-License-Identifier: Apache-2.0
#include "common/descriptors.h"

namespace guest {
namespace {

// SDM vol. 3, "64-Bit TSS Format".
struct [[gnu::packed]] TaskState {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};
static_assert(sizeof(TaskState) == task_state_limit + 1);

alignas(16) u8 ring0_stack[8192];
alignas(16) u8 emergency_stack[8192];
TaskState task;

u64 gdt[9] = {
    0,
    0x00af9b000000ffff,  // kernel code, L = 1
    0x00cf93000000ffff,  // kernel data
    0x00cffb000000ffff,  // user code of SYSRET to 32-bit mode
    0x00cff3000000ffff,  // user data
    0x00affb000000ffff,  // user code, L = 1
    0x00cff3000000ffff,  // user data of SYSEXIT
};

constexpr u64 available_task_state = 0x89;  // type and present bit

}  // namespace

void load_descriptors() {
    task.rsp[0] = ring0_stack_top();
    task.ist[double_fault_stack - 1] = reinterpret_cast<u64>(emergency_stack + sizeof emergency_stack);
    task.io_map_base = sizeof task;
    const u64 base = task_state_base();
    gdt[task_state / 8] = task_state_limit | (base & 0xffffff) << 16 | available_task_state << 40 | (base >> 24 & 0xff) << 56;
    gdt[task_state / 8 + 1] = base >> 32;

    const DescriptorTablePointer pointer{sizeof gdt - 1, reinterpret_cast<u64>(gdt)};
    asm volatile(
        "lgdt %0\n\t"
        "pushq %1\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "lretq\n"
        "1:\tmov %2, %%ds\n\t"
        "mov %2, %%es\n\t"
        "mov %2, %%ss\n\t"
        "ltr %w3" ::"m"(pointer),
        "i"(kernel_code), "r"(kernel_data), "r"(task_state)
        : "rax", "memory");
}

u64 task_state_base() { return reinterpret_cast<u64>(&task); }

u64 ring0_stack_top() { return reinterpret_cast<u64>(ring0_stack + sizeof ring0_stack); }

DescriptorTablePointer read_gdtr() {
    DescriptorTablePointer pointer;
    asm volatile("sgdt %0" : "=m"(pointer));
    return pointer;
}

DescriptorTablePointer read_idtr() {
    DescriptorTablePointer pointer;
    asm volatile("sidt %0" : "=m"(pointer));
    return pointer;
}

}  // namespace guest
