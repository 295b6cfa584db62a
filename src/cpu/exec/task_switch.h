// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/core.h"
#include "vmx/exit/exit_details.h"

namespace vtsim::cpu {

// A task switch through a TSS or task gate. In VMX non-root operation it is a VM exit after the checks of the selector; IA-32e mode has none (#GP).
[[nodiscard]] arch::Event switch_task(Core& core, u16 selector, vmx::TaskSwitchSource source, u8 instruction_length, u32 ext = 0, bool has_error_code = false, u32 error_code = 0);
// IRET with NT set: back to the task whose selector stands in the current TSS.
[[nodiscard]] arch::Event return_from_task(Core& core, u8 instruction_length);

}  // namespace vtsim::cpu
