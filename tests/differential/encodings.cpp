// SPDX-License-Identifier: Apache-2.0
#include "differential/encodings.h"

#include <algorithm>
#include <array>

#include "cpu/decode/required_features.h"

namespace vtsim::differential {
namespace {

Encodings enumerate_all(CodeSize size) {
    Encodings all;
    cpu::isa::for_each_encoding(decoder(size), [&](const Encoding& e, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
        const bool vector_index = std::any_of(operands, operands + instruction.operand_count_visible, [](const auto& operand) {
            return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB;
        });
        const bool twice = e.has_modrm && e.modrm < 0xc0 && (e.modrm & 7) == 4 && !vector_index;
        // VEX belongs to the host's comparison alone.
        if (twice || !cpu::instruction_set(instruction).known || find_mnemonic(instruction.mnemonic) == nullptr || (is_vex(e.map) && size != CodeSize::long64)) return;
        all[instruction.mnemonic].push_back(e);
    });
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
    const u64 mod = random.below(3), rm = (e.modrm & 7) == 4 ? 4 : random.below(8);
    *at++ = static_cast<u8>(mod << 6 | (e.modrm & 0x38) | rm);
    if (rm == 4) *at++ = static_cast<u8>(random.bits());
    return at;
}

u8* emit_opcode(Random& random, const Encoding& e, CodeSize size, u8* at) {
    if (!is_vex(e.map) && random.percent(3)) *at++ = 0xf0;
    // Few instructions with one source would be found without vvvv = 1111 as often as any other.
    const auto rex = static_cast<u8>(size == CodeSize::long64 && random.percent(50) ? 0x40 | random.below(8) : 0);
    return cpu::isa::emit(e, {.rex = rex, .vex_rxb = static_cast<u8>(random.below(8)), .vvvv = static_cast<u8>(random.percent(30) ? 0 : random.below(16))}, at);
}

}  // namespace vtsim::differential
