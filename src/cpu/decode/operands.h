// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu {

// The number by which exec/ knows a register: GPRs by encoding (8-bit ones as byte offset into the register file), all others within their class.
[[nodiscard]] u8 register_number(ZydisRegister reg);

// Fills the generic fields of a micro-op: registers, memory operand, immediate, width, prefixes.
void fill_operands(const Decoded& decoded, MicroOp& op);

}  // namespace vtsim::cpu
