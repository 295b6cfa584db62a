// SPDX-License-Identifier: Apache-2.0
#include "common/descriptors.h"

#include <iterator>

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

struct alignas(16) Tables {
    u8 ring0_stack[8192], emergency_stack[8192];
    u64 gdt[9];
    TaskState task;
};
Tables first;

constexpr u64 segments[] = {
    0,
    0x00af9b000000ffff,  // kernel code, L = 1
    0x00cf93000000ffff,  // kernel data
    0x00cffb000000ffff,  // user code of SYSRET to 32-bit mode
    0x00cff3000000ffff,  // user data
    0x00affb000000ffff,  // user code, L = 1
    0x00cff3000000ffff,  // user data of SYSEXIT
};

constexpr u64 available_task_state = 0x89;  // type and present bit

void load(Tables& tables) {
    u64* const gdt = tables.gdt;
    for (unsigned i = 0; i < std::size(segments); ++i) gdt[i] = segments[i];
    tables.task = {};
    tables.task.rsp[0] = reinterpret_cast<u64>(tables.ring0_stack + sizeof tables.ring0_stack);
    tables.task.ist[double_fault_stack - 1] = reinterpret_cast<u64>(tables.emergency_stack + sizeof tables.emergency_stack);
    tables.task.io_map_base = sizeof tables.task;
    const u64 base = reinterpret_cast<u64>(&tables.task);
    gdt[task_state / 8] = task_state_limit | (base & 0xffffff) << 16 | available_task_state << 40 | (base >> 24 & 0xff) << 56;
    gdt[task_state / 8 + 1] = base >> 32;

    const DescriptorTablePointer pointer{sizeof tables.gdt - 1, reinterpret_cast<u64>(gdt)};
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

}  // namespace

const std::size_t descriptor_bytes = sizeof(Tables);

void load_descriptors() { load(first); }
void load_descriptors(void* memory) { load(*static_cast<Tables*>(memory)); }

u64 task_state_base() {
    const u64* const descriptor = reinterpret_cast<const u64*>(read_gdtr().base + task_state);
    return (descriptor[0] >> 16 & 0xffffff) | (descriptor[0] >> 56) << 24 | descriptor[1] << 32;
}

u64 ring0_stack_top() { return reinterpret_cast<u64>(first.ring0_stack + sizeof first.ring0_stack); }

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
