// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "differential/mnemonics.h"

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

// All the encodings of every instruction in the table, as Zydis decodes them.
using Encodings = std::map<ZydisMnemonic, std::vector<Encoding>>;
[[nodiscard]] const Encodings& encodings();

[[nodiscard]] const ZydisDecoder& decoder();

}  // namespace vtsim::differential
