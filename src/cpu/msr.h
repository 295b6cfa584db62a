// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/core.h"

// The MSRs of the processor. SDM vol. 4. Which exist follows from the features; an MSR that does not exist, and a reserved bit that is set, raise #GP(0).
namespace vtsim::cpu {

// RDMSR and WRMSR at CPL 0, without VM exits. WRMSR leaves all derived state of the core right.
[[nodiscard]] arch::Outcome<u64> read_msr(Core& core, u32 number);
[[nodiscard]] arch::Event write_msr(Core& core, u32 number, u64 value);

}  // namespace vtsim::cpu
