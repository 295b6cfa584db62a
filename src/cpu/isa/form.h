// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <string>

namespace vtsim::cpu::isa {

// An instruction's form as the manuals write it: "add r32, m32", "shl r8, cl", "vpgatherdd xmm, vm32, xmm". Operand sizes in bits; registers by class but for those
// that the opcode fixes; prefixes like LOCK and REP do not make a form of their own.
[[nodiscard]] std::string form_of(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands);

}  // namespace vtsim::cpu::isa
