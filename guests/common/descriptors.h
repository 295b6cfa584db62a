// SPDX-License-Identifier: Apache-2.0
// GDT and TSS of a 64-bit system, in the order that SYSRET and SYSEXIT ask for.
#pragma once
#include "common/types.h"

namespace guest {

// SDM vol. 2, "SYSRET" and "SYSEXIT": with IA32_STAR[63:48] = 0x18, SYSRET loads SS = 0x20 and CS = 0x28;
// with IA32_SYSENTER_CS = 8, SYSEXIT loads CS = 0x28 and SS = 0x30.
enum Selector : u16 {
    kernel_code = 0x08,
    kernel_data = 0x10,
    user_code_32 = 0x18,
    user_data = 0x20,
    user_code = 0x28,
    user_data_sysexit = 0x30,
    task_state = 0x38,
};
constexpr u16 ring3 = 3;
constexpr u16 task_state_limit = 0x67;
constexpr u8 double_fault_stack = 1;  // number in the interrupt stack table

struct [[gnu::packed]] DescriptorTablePointer {
    u16 limit;
    u64 base;
};

void load_descriptors();                // the first processor's
// Another processor's own GDT and TSS, with their stacks: `descriptor_bytes` bytes of memory, aligned to 16.
void load_descriptors(void* memory);
extern const std::size_t descriptor_bytes;
u64 task_state_base();                  // of the processor that asks
u64 ring0_stack_top();                  // where the first processor begins to push when an interrupt leaves ring 3
DescriptorTablePointer read_gdtr();
DescriptorTablePointer read_idtr();

}  // namespace guest
