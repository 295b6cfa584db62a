// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu::exec {

std::span<const Row> segment_rows();       // segment_load.cpp
std::span<const Row> fast_call_rows();     // fast_call.cpp: SYSCALL, SYSRET, SYSENTER, SYSEXIT
std::span<const Row> interrupt_rows();     // interrupt.cpp: INT n, INT3, INT1, INTO, IRET, BOUND
// An instruction form that raises #UD.
bool build_undefined(Built& op);

}  // namespace vtsim::cpu::exec
