// SPDX-License-Identifier: Apache-2.0
// What the processor's VMX can do, and VMX operation itself. SDM vol. 3, appendix "VMX Capability Reporting Facility".
#pragma once
#include "common/memory.h"
#include "common/types.h"

namespace guest {

enum class Controls { pin, primary, secondary, exit, entry };

// The value for a set of controls: `wanted` must be settable, else the machine ends with a message; `optional` is set where the
// processor has it; what the processor demands is added.
u32 choose_controls(Controls set, u32 wanted, u32 optional = 0);

enum EptCapability : u64 {
    ept_levels_4 = 1u << 6,
    ept_write_back = 1u << 14,
    ept_pages_2m = 1u << 16,
    ept_pages_1g = 1u << 17,
    ept_accessed_dirty = 1u << 21,
    invept_single = 1u << 25,
    invept_all = 1u << 26,
    invvpid_single = u64{1} << 41,
    invvpid_all = u64{1} << 42,
};
u64 ept_capabilities();  // 0 without EPT

u64 cr0_fixed_ones();  // bits that must be 1 in VMX operation
u64 cr4_fixed_ones();
u32 vmcs_revision();

bool has_xsave();           // then CR4.OSXSAVE is set in VMX operation
u64 xcr0_supported();

void enter_vmx_operation(MemoryPool& memory);  // CR0, CR4, IA32_FEATURE_CONTROL, VMXON; ends the machine with a message where VMX is missing or locked out

}  // namespace guest
