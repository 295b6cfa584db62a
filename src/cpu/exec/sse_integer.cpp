// SPDX-License-Identifier: Apache-2.0
// Packed integers and logic of SSE2.
#include "cpu/exec/sse.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

template <Binary f>
constexpr Row binary(ZydisMnemonic mnemonic) {
    return row<sse_binary<f>, Flow::next, Needs::sse>(mnemonic);
}

#define VTSIM_SSE(name, intrinsic) \
    __m128i name(__m128i a, __m128i b) { return intrinsic(a, b); }
VTSIM_SSE(paddb, _mm_add_epi8) VTSIM_SSE(paddw, _mm_add_epi16) VTSIM_SSE(paddd, _mm_add_epi32) VTSIM_SSE(paddq, _mm_add_epi64)
VTSIM_SSE(psubb, _mm_sub_epi8) VTSIM_SSE(psubw, _mm_sub_epi16) VTSIM_SSE(psubd, _mm_sub_epi32) VTSIM_SSE(psubq, _mm_sub_epi64)
VTSIM_SSE(paddsb, _mm_adds_epi8) VTSIM_SSE(paddsw, _mm_adds_epi16) VTSIM_SSE(paddusb, _mm_adds_epu8) VTSIM_SSE(paddusw, _mm_adds_epu16)
VTSIM_SSE(psubsb, _mm_subs_epi8) VTSIM_SSE(psubsw, _mm_subs_epi16) VTSIM_SSE(psubusb, _mm_subs_epu8) VTSIM_SSE(psubusw, _mm_subs_epu16)
VTSIM_SSE(pmullw, _mm_mullo_epi16) VTSIM_SSE(pmulhw, _mm_mulhi_epi16) VTSIM_SSE(pmulhuw, _mm_mulhi_epu16) VTSIM_SSE(pmuludq, _mm_mul_epu32)
VTSIM_SSE(pmaddwd, _mm_madd_epi16) VTSIM_SSE(psadbw, _mm_sad_epu8) VTSIM_SSE(pavgb, _mm_avg_epu8) VTSIM_SSE(pavgw, _mm_avg_epu16)
VTSIM_SSE(pmaxsw, _mm_max_epi16) VTSIM_SSE(pminsw, _mm_min_epi16) VTSIM_SSE(pmaxub, _mm_max_epu8) VTSIM_SSE(pminub, _mm_min_epu8)
VTSIM_SSE(pand, _mm_and_si128) VTSIM_SSE(pandn, _mm_andnot_si128) VTSIM_SSE(por, _mm_or_si128) VTSIM_SSE(pxor, _mm_xor_si128)
VTSIM_SSE(pcmpeqb, _mm_cmpeq_epi8) VTSIM_SSE(pcmpeqw, _mm_cmpeq_epi16) VTSIM_SSE(pcmpeqd, _mm_cmpeq_epi32)
VTSIM_SSE(pcmpgtb, _mm_cmpgt_epi8) VTSIM_SSE(pcmpgtw, _mm_cmpgt_epi16) VTSIM_SSE(pcmpgtd, _mm_cmpgt_epi32)
VTSIM_SSE(punpcklbw, _mm_unpacklo_epi8) VTSIM_SSE(punpcklwd, _mm_unpacklo_epi16) VTSIM_SSE(punpckldq, _mm_unpacklo_epi32) VTSIM_SSE(punpcklqdq, _mm_unpacklo_epi64)
VTSIM_SSE(punpckhbw, _mm_unpackhi_epi8) VTSIM_SSE(punpckhwd, _mm_unpackhi_epi16) VTSIM_SSE(punpckhdq, _mm_unpackhi_epi32) VTSIM_SSE(punpckhqdq, _mm_unpackhi_epi64)
VTSIM_SSE(packsswb, _mm_packs_epi16) VTSIM_SSE(packssdw, _mm_packs_epi32) VTSIM_SSE(packuswb, _mm_packus_epi16)
VTSIM_SSE(psllw, _mm_sll_epi16) VTSIM_SSE(pslld, _mm_sll_epi32) VTSIM_SSE(psllq, _mm_sll_epi64)
VTSIM_SSE(psrlw, _mm_srl_epi16) VTSIM_SSE(psrld, _mm_srl_epi32) VTSIM_SSE(psrlq, _mm_srl_epi64)
VTSIM_SSE(psraw, _mm_sra_epi16) VTSIM_SSE(psrad, _mm_sra_epi32)
#undef VTSIM_SSE

// Shifts take their count from an XMM register, memory, or an immediate.
template <Binary f>
Event shift(Core& core, const MicroOp& op) {
    if ((op.flags & MicroOp::has_immediate) != 0) {
        set_xmm(core, op.dst, f(xmm(core, op.dst), _mm_cvtsi32_si128(static_cast<int>(op.imm & 0xff))));
        return {};
    }
    return sse_binary<f>(core, op);
}

// PSLLDQ, PSRLDQ: by bytes.
template <bool left>
Event shift_bytes(Core& core, const MicroOp& op) {
    const auto count = static_cast<unsigned>(op.imm & 0xff);
    u128 value;
    __builtin_memcpy(&value, &core.s.vector[op.dst], sizeof value);
    value = count > 15 ? u128{0} : left ? value << (8 * count) : value >> (8 * count);
    set_xmm(core, op.dst, vector_of(value));
    return {};
}

enum class Shuffle : u8 { doublewords, low_words, high_words };
template <Shuffle kind>
Event shuffle(Core& core, const MicroOp& op) {
    const auto operand = second_operand<16>(core, op);
    if (!operand) return operand.event;
    arch::VectorRegister from{}, to{};
    from.x[0] = operand.value;
    to.x[0] = operand.value;
    for (unsigned i = 0; i < 4; ++i) {
        const auto selected = static_cast<unsigned>(op.imm >> (2 * i) & 3);
        if constexpr (kind == Shuffle::doublewords) to.d[i] = from.d[selected];
        else if constexpr (kind == Shuffle::low_words) to.w[i] = from.w[selected];
        else to.w[4 + i] = from.w[4 + selected];
    }
    set_xmm(core, op.dst, vector_of(to.x[0]));
    return {};
}

Event pextrw(Core& core, const MicroOp& op) {
    core.set_reg<u32>(op.dst, core.s.vector[op.src].w[op.imm & 7]);
    return {};
}

// The form that stores to memory is SSE4.1's, as all of map 0F3A.
bool build_pextrw(const Decoded& decoded, Built& op) {
    return decoded.instruction.opcode_map == ZYDIS_OPCODE_MAP_0F && build_body<pextrw, Flow::next>(decoded, op);
}

Event pinsrw(Core& core, const MicroOp& op) {
    u16 value;
    if (op.memory()) {
        const auto loaded = core.read<u16>(op);
        if (!loaded) return loaded.event;
        value = loaded.value;
    } else {
        value = static_cast<u16>(core.s.gpr[op.src]);
    }
    core.s.vector[op.dst].w[op.imm & 7] = value;
    return {};
}

Event pmovmskb(Core& core, const MicroOp& op) {
    core.set_reg<u32>(op.dst, static_cast<u32>(_mm_movemask_epi8(xmm(core, op.src))));
    return {};
}

template <Body body>
constexpr Row sse_row(ZydisMnemonic mnemonic) {
    return row<body, Flow::next, Needs::sse>(mnemonic);
}

constexpr Row rows[] = {
    binary<paddb>(ZYDIS_MNEMONIC_PADDB), binary<paddw>(ZYDIS_MNEMONIC_PADDW), binary<paddd>(ZYDIS_MNEMONIC_PADDD), binary<paddq>(ZYDIS_MNEMONIC_PADDQ),
    binary<psubb>(ZYDIS_MNEMONIC_PSUBB), binary<psubw>(ZYDIS_MNEMONIC_PSUBW), binary<psubd>(ZYDIS_MNEMONIC_PSUBD), binary<psubq>(ZYDIS_MNEMONIC_PSUBQ),
    binary<paddsb>(ZYDIS_MNEMONIC_PADDSB), binary<paddsw>(ZYDIS_MNEMONIC_PADDSW), binary<paddusb>(ZYDIS_MNEMONIC_PADDUSB), binary<paddusw>(ZYDIS_MNEMONIC_PADDUSW),
    binary<psubsb>(ZYDIS_MNEMONIC_PSUBSB), binary<psubsw>(ZYDIS_MNEMONIC_PSUBSW), binary<psubusb>(ZYDIS_MNEMONIC_PSUBUSB), binary<psubusw>(ZYDIS_MNEMONIC_PSUBUSW),
    binary<pmullw>(ZYDIS_MNEMONIC_PMULLW), binary<pmulhw>(ZYDIS_MNEMONIC_PMULHW), binary<pmulhuw>(ZYDIS_MNEMONIC_PMULHUW), binary<pmuludq>(ZYDIS_MNEMONIC_PMULUDQ),
    binary<pmaddwd>(ZYDIS_MNEMONIC_PMADDWD), binary<psadbw>(ZYDIS_MNEMONIC_PSADBW), binary<pavgb>(ZYDIS_MNEMONIC_PAVGB), binary<pavgw>(ZYDIS_MNEMONIC_PAVGW),
    binary<pmaxsw>(ZYDIS_MNEMONIC_PMAXSW), binary<pminsw>(ZYDIS_MNEMONIC_PMINSW), binary<pmaxub>(ZYDIS_MNEMONIC_PMAXUB), binary<pminub>(ZYDIS_MNEMONIC_PMINUB),
    binary<pand>(ZYDIS_MNEMONIC_PAND), binary<pandn>(ZYDIS_MNEMONIC_PANDN), binary<por>(ZYDIS_MNEMONIC_POR), binary<pxor>(ZYDIS_MNEMONIC_PXOR),
    binary<pand>(ZYDIS_MNEMONIC_ANDPS), binary<pandn>(ZYDIS_MNEMONIC_ANDNPS), binary<por>(ZYDIS_MNEMONIC_ORPS), binary<pxor>(ZYDIS_MNEMONIC_XORPS),
    binary<pand>(ZYDIS_MNEMONIC_ANDPD), binary<pandn>(ZYDIS_MNEMONIC_ANDNPD), binary<por>(ZYDIS_MNEMONIC_ORPD), binary<pxor>(ZYDIS_MNEMONIC_XORPD),
    binary<pcmpeqb>(ZYDIS_MNEMONIC_PCMPEQB), binary<pcmpeqw>(ZYDIS_MNEMONIC_PCMPEQW), binary<pcmpeqd>(ZYDIS_MNEMONIC_PCMPEQD),
    binary<pcmpgtb>(ZYDIS_MNEMONIC_PCMPGTB), binary<pcmpgtw>(ZYDIS_MNEMONIC_PCMPGTW), binary<pcmpgtd>(ZYDIS_MNEMONIC_PCMPGTD),
    binary<punpcklbw>(ZYDIS_MNEMONIC_PUNPCKLBW), binary<punpcklwd>(ZYDIS_MNEMONIC_PUNPCKLWD), binary<punpckldq>(ZYDIS_MNEMONIC_PUNPCKLDQ), binary<punpcklqdq>(ZYDIS_MNEMONIC_PUNPCKLQDQ),
    binary<punpckhbw>(ZYDIS_MNEMONIC_PUNPCKHBW), binary<punpckhwd>(ZYDIS_MNEMONIC_PUNPCKHWD), binary<punpckhdq>(ZYDIS_MNEMONIC_PUNPCKHDQ), binary<punpckhqdq>(ZYDIS_MNEMONIC_PUNPCKHQDQ),
    binary<punpckldq>(ZYDIS_MNEMONIC_UNPCKLPS), binary<punpckhdq>(ZYDIS_MNEMONIC_UNPCKHPS), binary<punpcklqdq>(ZYDIS_MNEMONIC_UNPCKLPD), binary<punpckhqdq>(ZYDIS_MNEMONIC_UNPCKHPD),
    binary<packsswb>(ZYDIS_MNEMONIC_PACKSSWB), binary<packssdw>(ZYDIS_MNEMONIC_PACKSSDW), binary<packuswb>(ZYDIS_MNEMONIC_PACKUSWB),
    sse_row<shift<psllw>>(ZYDIS_MNEMONIC_PSLLW), sse_row<shift<pslld>>(ZYDIS_MNEMONIC_PSLLD), sse_row<shift<psllq>>(ZYDIS_MNEMONIC_PSLLQ),
    sse_row<shift<psrlw>>(ZYDIS_MNEMONIC_PSRLW), sse_row<shift<psrld>>(ZYDIS_MNEMONIC_PSRLD), sse_row<shift<psrlq>>(ZYDIS_MNEMONIC_PSRLQ),
    sse_row<shift<psraw>>(ZYDIS_MNEMONIC_PSRAW), sse_row<shift<psrad>>(ZYDIS_MNEMONIC_PSRAD),
    sse_row<shift_bytes<true>>(ZYDIS_MNEMONIC_PSLLDQ), sse_row<shift_bytes<false>>(ZYDIS_MNEMONIC_PSRLDQ),
    sse_row<shuffle<Shuffle::doublewords>>(ZYDIS_MNEMONIC_PSHUFD), sse_row<shuffle<Shuffle::low_words>>(ZYDIS_MNEMONIC_PSHUFLW),
    sse_row<shuffle<Shuffle::high_words>>(ZYDIS_MNEMONIC_PSHUFHW),
    {ZYDIS_MNEMONIC_PEXTRW, &build_pextrw, Flow::next, Needs::sse}, sse_row<pinsrw>(ZYDIS_MNEMONIC_PINSRW), sse_row<pmovmskb>(ZYDIS_MNEMONIC_PMOVMSKB),
};

}  // namespace

std::span<const Row> sse_integer_rows() { return rows; }

}  // namespace vtsim::cpu::exec
