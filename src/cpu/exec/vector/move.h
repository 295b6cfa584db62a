// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu::exec {

inline constexpr u32 mxcsr_mask = 0xffff;      // bits of MXCSR that there are: DAZ is one of them

// MOVSD and CMPSD with vector operands share their mnemonics with the string instructions. CR0 and CR4 are looked at here, as the row is theirs.
bool build_sse_scalar_double(const Decoded& decoded, Built& op);
bool build_movsd(const Decoded& decoded, Built& op);        // move.cpp
bool build_cmpsd(const Decoded& decoded, Built& op);        // arithmetic.cpp

}  // namespace vtsim::cpu::exec
