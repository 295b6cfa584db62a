// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "differential/mnemonics.h"
#include "differential/random.h"

namespace vtsim::differential {

// How an opcode is reached. Of the operands it fixes what decides about the instruction: ModRM.reg, the kind of ModRM.rm and, between registers, its number.
struct Encoding {
    enum class Map : u8 { one_byte, two_bytes, f38, f3a, vex_0f, vex_f38, vex_f3a } map;
    u8 prefix;                         // 0, 66H, F2H or F3H; VEX.pp
    u8 opcode;
    u8 modrm;
    bool has_modrm, wide;              // REX.W, VEX.W
    bool wide_vector;                  // VEX.L
};

constexpr bool is_vex(Encoding::Map map) { return map == Encoding::Map::vex_0f || map == Encoding::Map::vex_f38 || map == Encoding::Map::vex_f3a; }
constexpr unsigned vex_map(Encoding::Map map) { return map == Encoding::Map::vex_0f ? 1 : map == Encoding::Map::vex_f38 ? 2 : 3; }

// Size of code by default, as the code segment gives it, with what is special to real-address mode.
enum class CodeSize : u8 { real16, protected16, protected32, long64 };

// All the encodings of every instruction in the table, as Zydis decodes them.
using Encodings = std::map<ZydisMnemonic, std::vector<Encoding>>;
[[nodiscard]] const Encodings& encodings(CodeSize size = CodeSize::long64);

[[nodiscard]] const ZydisDecoder& decoder(CodeSize size = CodeSize::long64);

// Writes the prefixes that belong to the encoding, random ones of REX where there are any, and its opcode; then ModRM, with random operands. Both return the end.
u8* emit_opcode(Random& random, const Encoding& e, CodeSize size, u8* at);
u8* emit_modrm(Random& random, const Encoding& e, u8* at);

}  // namespace vtsim::differential
