// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "cpu/isa/encoding.h"
#include "differential/mnemonics.h"
#include "differential/random.h"

namespace vtsim::differential {

using cpu::isa::Encoding;
using cpu::isa::is_vex;

// Size of code by default, as the code segment gives it, with what is special to real-address mode.
enum class CodeSize : u8 { real16, protected16, protected32, long64 };

// All the encodings of every instruction in the table, as Zydis decodes them.
using Encodings = std::map<ZydisMnemonic, std::vector<Encoding>>;
[[nodiscard]] const Encodings& encodings(CodeSize size = CodeSize::long64);

[[nodiscard]] const ZydisDecoder& decoder(CodeSize size = CodeSize::long64);

// Writes the prefixes that belong to the encoding, random ones of REX where there are any, and its opcode; then ModRM, with random operands. Both return the end.
// A memory operand of the encoding stands for all of them, but for those with a vector as their index, which ModRM.rm = 4 demands.
u8* emit_opcode(Random& random, const Encoding& e, CodeSize size, u8* at);
u8* emit_modrm(Random& random, const Encoding& e, u8* at);

}  // namespace vtsim::differential
