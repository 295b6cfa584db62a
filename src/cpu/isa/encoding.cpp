// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa/encoding.h"

#include <array>

namespace vtsim::cpu::isa {
namespace {

using Map = Encoding::Map;

constexpr unsigned vex_map(Map map) { return map == Map::vex_0f ? 1 : map == Map::vex_f38 ? 2 : 3; }
constexpr unsigned vex_pp(u8 prefix) { return prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0; }

struct Instruction {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

// Zeroes follow: displacement and immediates; as a SIB byte, RAX twice.
bool decode(const ZydisDecoder& decoder, Encoding& e, u8 vvvv, Instruction& instruction) {
    std::array<u8, 24> bytes{};
    u8* at = emit(e, {.vvvv = vvvv}, bytes.data());
    *at = e.modrm;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &instruction.decoded, instruction.operands))) return false;
    // A prefix byte as "opcode" leads to another encoding; the encoding's own opcode must be the one that was decoded.
    if (instruction.decoded.opcode != e.opcode) return false;
    e.has_modrm = (instruction.decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    return true;
}

// Gathers want three different registers.
bool decode(const ZydisDecoder& decoder, Encoding& e, Instruction& instruction) { return decode(decoder, e, 0, instruction) || (is_vex(e.map) && decode(decoder, e, 5, instruction)); }

void visit_forms(const ZydisDecoder& decoder, Encoding e, const Visit& visit) {
    Instruction instruction;
    e.modrm = 0;
    if (decode(decoder, e, instruction) && !e.has_modrm) return visit(e, instruction.decoded, instruction.operands);
    for (unsigned modrm = 0; modrm < 256; ++modrm) {
        const bool registers = modrm >= 0xc0, memory = (modrm & 0xc7) == 0 || (modrm & 0xc7) == 4;
        e.modrm = static_cast<u8>(modrm);
        if ((registers || memory) && decode(decoder, e, instruction)) visit(e, instruction.decoded, instruction.operands);
    }
}

bool is_prefix(const ZydisDecoder& decoder, Map map, unsigned opcode) {
    if (map != Map::one_byte) return map == Map::two_bytes && (opcode == 0x38 || opcode == 0x3a);
    const bool code64 = decoder.machine_mode == ZYDIS_MACHINE_MODE_LONG_64;
    switch (opcode) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3: case 0x0f: return true;
        case 0xc4: case 0xc5: case 0x62: return code64;         // LES, LDS and BOUND with a memory operand
        default: return code64 && opcode >= 0x40 && opcode < 0x50;
    }
}

struct Prefixes {
    u8 prefix;
    bool operand_size;
};
constexpr Prefixes legacy_prefixes[] = {{0, false}, {0x66, false}, {0xf2, false}, {0xf3, false}, {0xf2, true}, {0xf3, true}};

}  // namespace

u8* emit(const Encoding& e, const Extension& extension, u8* at) {
    if (is_vex(e.map)) {
        *at++ = 0xc4;
        *at++ = static_cast<u8>((7 ^ extension.vex_rxb) << 5 | vex_map(e.map));
        *at++ = static_cast<u8>((e.wide ? 0x80 : 0) | (15 ^ extension.vvvv) << 3 | (e.wide_vector ? 4 : 0) | vex_pp(e.prefix));
    } else {
        if (e.operand_size) *at++ = 0x66;
        if (e.prefix != 0) *at++ = e.prefix;
        if (e.wide || extension.rex != 0) *at++ = static_cast<u8>(0x40 | extension.rex | (e.wide ? 8 : 0));
        if (e.map != Map::one_byte) *at++ = 0x0f;
        if (e.map == Map::f38) *at++ = 0x38;
        if (e.map == Map::f3a) *at++ = 0x3a;
    }
    *at++ = e.opcode;
    return at;
}

void for_each_encoding(const ZydisDecoder& decoder, const Visit& visit) {
    const bool code64 = decoder.machine_mode == ZYDIS_MACHINE_MODE_LONG_64;
    for (const auto map : {Map::one_byte, Map::two_bytes, Map::f38, Map::f3a, Map::vex_0f, Map::vex_f38, Map::vex_f3a})
        for (const auto& [prefix, operand_size] : legacy_prefixes)
            for (unsigned opcode = 0; opcode < 256; ++opcode)
                for (const bool wide : {false, true})
                    for (const bool wide_vector : {false, true}) {
                        if (is_prefix(decoder, map, opcode)) continue;
                        if (is_vex(map) ? operand_size : (wide_vector || (wide && !code64))) continue;
                        visit_forms(decoder, {map, prefix, operand_size, static_cast<u8>(opcode), 0, false, wide, wide_vector}, visit);
                    }
}

}  // namespace vtsim::cpu::isa
