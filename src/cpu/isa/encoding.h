// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <functional>

#include "base/types.h"

namespace vtsim::cpu::isa {

// How an opcode is reached. Of the operands it fixes what decides about the instruction: ModRM.reg, the kind of ModRM.rm and, between registers, its number.
struct Encoding {
    enum class Map : u8 { one_byte, two_bytes, f38, f3a, vex_0f, vex_f38, vex_f3a } map;
    u8 prefix;                         // 0, 66H, F2H or F3H; VEX.pp
    bool operand_size;                 // 66H beside F2H or F3H
    u8 opcode;
    u8 modrm;
    bool has_modrm, wide;              // REX.W, VEX.W
    bool wide_vector;                  // VEX.L
};

constexpr bool is_vex(Encoding::Map map) { return map == Encoding::Map::vex_0f || map == Encoding::Map::vex_f38 || map == Encoding::Map::vex_f3a; }

// What an encoding leaves open before its ModRM byte: REX (0: none but for REX.W; else 40H to 47H), and R, X, B and vvvv of VEX, not inverted.
struct Extension {
    u8 rex = 0;
    u8 vex_rxb = 0, vvvv = 0;
};

// Writes prefixes and opcode; returns where the ModRM byte or the immediate comes.
u8* emit(const Encoding& encoding, const Extension& extension, u8* at);

// Calls `visit` for every encoding that `decoder` knows, EVEX and XOP apart, with one instruction that it is the encoding of.
using Visit = std::function<void(const Encoding& encoding, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands)>;
void for_each_encoding(const ZydisDecoder& decoder, const Visit& visit);

}  // namespace vtsim::cpu::isa
