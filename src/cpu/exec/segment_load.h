// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/events/descriptor.h"

namespace vtsim::cpu {

// Loads a data segment register or SS as MOV, POP and LxS do, in the current mode, with all checks. SDM vol. 3, "Segment Loading Instructions in IA-32e Mode", "Type Checking".
// CS is loaded by far transfers only. The decode mode is brought up to date.
[[nodiscard]] arch::Event load_segment(Core& core, arch::SegmentRegister number, u16 selector);

// After a return to an outer privilege level: data segment registers that the new level may not use become null. SDM vol. 3, "Returning from a Called Procedure".
void drop_inner_segments(Core& core, unsigned cpl);

// The flat code and stack segments of SYSCALL, SYSRET, SYSENTER, SYSEXIT.
[[nodiscard]] arch::Segment flat_code(u16 selector, unsigned dpl, bool long_mode);
[[nodiscard]] arch::Segment flat_stack(u16 selector, unsigned dpl);

}  // namespace vtsim::cpu
