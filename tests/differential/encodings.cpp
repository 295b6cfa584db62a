// SPDX-License-Identifier: Apache-2.0
#include "differential/encodings.h"

#include <array>

namespace vtsim::differential {
namespace {

using Map = Encoding::Map;
unsigned assemble(const Encoding& e, unsigned vvvv, u8* bytes) {
    u8* at = bytes;
    if (is_vex(e.map)) {
        const unsigned pp = e.prefix == 0x66 ? 1 : e.prefix == 0xf3 ? 2 : e.prefix == 0xf2 ? 3 : 0;
        *at++ = 0xc4;
        *at++ = static_cast<u8>(0xe0 | vex_map(e.map));
        *at++ = static_cast<u8>((e.wide ? 0x80 : 0) | vvvv << 3 | (e.wide_vector ? 4 : 0) | pp);
    } else {
        if (e.prefix != 0) *at++ = e.prefix;
        if (e.wide) *at++ = 0x48;
        if (e.map != Map::one_byte) *at++ = 0x0f;
        if (e.map == Map::f38) *at++ = 0x38;
        if (e.map == Map::f3a) *at++ = 0x3a;
    }
    *at++ = e.opcode;
    *at++ = e.modrm;
    for (int i = 0; i < 12; ++i) *at++ = 0;
    return static_cast<unsigned>(at - bytes);
}

// Whether the encoding belongs to the table; tells whether it has a ModRM byte.
bool decode(const ZydisDecoder& with, Encoding& e, ZydisMnemonic& mnemonic) {
    u8 bytes[24];
    const auto decodes = [&](unsigned vvvv, ZydisDecodedInstruction& instruction) {
        const unsigned length = assemble(e, vvvv, bytes);
        return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&with, nullptr, bytes, length, &instruction));
    };
    ZydisDecodedInstruction instruction;
    // Gathers want three different registers.
    if (!decodes(15, instruction) && !(is_vex(e.map) && decodes(10, instruction))) return false;
    // A prefix byte as "opcode" leads to another encoding; the encoding's own opcode must be the one that was decoded.
    if (instruction.opcode != e.opcode || find_mnemonic(instruction.mnemonic) == nullptr) return false;
    mnemonic = instruction.mnemonic;
    e.has_modrm = (instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    return true;
}

void enumerate(const ZydisDecoder& with, Encodings& all, Encoding e) {
    ZydisMnemonic mnemonic;
    e.modrm = 0;
    if (decode(with, e, mnemonic) && !e.has_modrm) {
        all[mnemonic].push_back(e);
        return;
    }
    for (unsigned modrm = 0; modrm < 256; ++modrm) {
        if (modrm >= 0xc0 || (modrm & 0xc7) == 0) {
            e.modrm = static_cast<u8>(modrm);
            if (decode(with, e, mnemonic)) all[mnemonic].push_back(e);
        }
    }
}

bool is_prefix(Map map, unsigned opcode, CodeSize size) {
    if (map != Map::one_byte) return map == Map::two_bytes && (opcode == 0x38 || opcode == 0x3a);
    switch (opcode) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3: case 0x0f: return true;
        case 0xc4: case 0xc5: case 0x62: return size == CodeSize::long64;         // else LES, LDS, BOUND
        default: return size == CodeSize::long64 && opcode >= 0x40 && opcode < 0x50;
    }
}

// REX, VEX.W and VEX.L outside 64-bit mode: VEX belongs to the host's comparison alone.
bool exists(Map map, unsigned opcode, bool wide, bool wide_vector, CodeSize size) {
    if (is_prefix(map, opcode, size) || (wide_vector && !is_vex(map))) return false;
    return size == CodeSize::long64 || (!wide && !is_vex(map));
}

Encodings enumerate_all(CodeSize size) {
    Encodings all;
    for (const auto map : {Map::one_byte, Map::two_bytes, Map::f38, Map::f3a, Map::vex_0f, Map::vex_f38, Map::vex_f3a})
        for (const unsigned prefix : {0U, 0x66U, 0xf2U, 0xf3U})
            for (unsigned opcode = 0; opcode < 256; ++opcode)
                for (const bool wide : {false, true})
                    for (const bool wide_vector : {false, true})
                        if (exists(map, opcode, wide, wide_vector, size)) enumerate(decoder(size), all, {map, static_cast<u8>(prefix), static_cast<u8>(opcode), 0, false, wide, wide_vector});
    return all;
}

ZydisDecoder make_decoder(ZydisMachineMode mode, ZydisStackWidth stack) {
    ZydisDecoder made;
    ZydisDecoderInit(&made, mode, stack);
    for (const auto extension : {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET}) ZydisDecoderEnableMode(&made, extension, ZYAN_FALSE);
    return made;
}

}  // namespace

const ZydisDecoder& decoder(CodeSize size) {
    static const ZydisDecoder decoders[] = {
        make_decoder(ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16),
        make_decoder(ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16),
        make_decoder(ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32),
        make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64),
    };
    return decoders[static_cast<unsigned>(size)];
}

const Encodings& encodings(CodeSize size) {
    static std::array<Encodings, 4> all;
    auto& wanted = all[static_cast<unsigned>(size)];
    if (wanted.empty()) wanted = enumerate_all(size);
    return wanted;
}

u8* emit_modrm(Random& random, const Encoding& e, u8* at) {
    if (e.modrm >= 0xc0) {
        *at++ = e.modrm;
        return at;
    }
    const u64 mod = random.below(3), rm = random.below(8);
    *at++ = static_cast<u8>(mod << 6 | (e.modrm & 0x38) | rm);
    if (rm == 4) *at++ = static_cast<u8>(random.bits());
    return at;
}

u8* emit_opcode(Random& random, const Encoding& e, CodeSize size, u8* at) {
    if (is_vex(e.map)) {
        const unsigned pp = e.prefix == 0x66 ? 1 : e.prefix == 0xf3 ? 2 : e.prefix == 0xf2 ? 3 : 0;
        *at++ = 0xc4;
        *at++ = static_cast<u8>(random.below(8) << 5 | vex_map(e.map));
        // Few instructions with one source would be found without vvvv = 1111 as often as any other.
        *at++ = static_cast<u8>((e.wide ? 0x80 : 0) | (random.percent(30) ? 15 : random.below(16)) << 3 | (e.wide_vector ? 4 : 0) | pp);
    } else {
        if (e.prefix != 0) *at++ = e.prefix;
        if (random.percent(3)) *at++ = 0xf0;
        if (size == CodeSize::long64 && (e.wide || random.percent(50))) *at++ = static_cast<u8>(0x40 | (e.wide ? 8 : 0) | random.below(8));
        if (e.map != Map::one_byte) *at++ = 0x0f;
        if (e.map == Map::f38) *at++ = 0x38;
        if (e.map == Map::f3a) *at++ = 0x3a;
    }
    *at++ = e.opcode;
    return at;
}

}  // namespace vtsim::differential
