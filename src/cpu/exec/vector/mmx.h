// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu::exec {

// The forms with MMX registers, most of which share their mnemonics with SSE2: the decoder asks here first. False: there is no such instruction.
bool build_mmx(const Decoded& decoded, Built& op);

// EMMS and the instructions that only MMX has.
std::span<const Row> mmx_rows();

}  // namespace vtsim::cpu::exec
