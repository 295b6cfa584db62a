// SPDX-License-Identifier: Apache-2.0
// MMX: 64-bit vectors in the significands of the x87 registers, computed in the low half of an SSE register. Each instruction marks all registers as in use and sets TOP to 0.
// SDM vol. 3, "Effect of MMX Instructions on MMX State, x87 FPU State".
#include "cpu/exec/vector/mmx.h"

#include <nmmintrin.h>

#include <algorithm>
#include <map>

#include "cpu/exec/vector/mxcsr.h"
#include "cpu/exec/vector/packed.h"
#include "cpu/exec/x87.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

constexpr u16 top_field = 0x3800;

// #MF before the instruction when an x87 exception is pending; then the registers belong to MMX.
Event enter_mmx(Core& core) {
    if (const auto event = x87::pending(core)) return event;
    core.s.x87.status = static_cast<u16>(core.s.x87.status & ~top_field);
    core.s.x87.valid = 0xff;
    return {};
}

u64 mmx_value(const Core& core, u8 number) {
    u64 value;
    __builtin_memcpy(&value, core.s.x87.reg[number & 7], 8);
    return value;
}
void set_mmx(Core& core, u8 number, u64 value) {
    u8* const reg = core.s.x87.reg[number & 7];
    __builtin_memcpy(reg, &value, 8);
    std::fill_n(reg + 8, 2, u8{0xff});
}

__m128i low_vector(u64 value) { return _mm_cvtsi64_si128(static_cast<i64>(value)); }
u64 low_of(__m128i value) { return static_cast<u64>(_mm_cvtsi128_si64(value)); }

// Where in the operands the parts of an instruction are.
template <class T>
arch::Outcome<u64> mmx_source(Core& core, const MicroOp& op) {
    if (!op.memory()) return mmx_value(core, op.src);
    const auto value = core.read<T>(op);
    return value ? arch::Outcome<u64>{u64{value.value}} : arch::Outcome<u64>{value.event};
}

// dst = f(dst, source), with memory before the state changes: a fault leaves x87 as it was.
template <Binary f, class T = u64>
Event binary(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    const auto source = mmx_source<T>(core, op);
    if (!source) return source.event;
    static_cast<void>(enter_mmx(core));
    set_mmx(core, op.dst, low_of(f(low_vector(mmx_value(core, op.dst)), low_vector(source.value))));
    return {};
}

// The upper halves of what interleaving the lower ones of 128 bits gives.
template <Binary f>
__m128i upper(__m128i a, __m128i b) { return _mm_srli_si128(f(a, b), 8); }
// Both operands side by side in one register: pack and horizontal instructions.
template <__m128i (*f)(__m128i, __m128i)>
__m128i together(__m128i a, __m128i b) { return f(_mm_unpacklo_epi64(a, b), _mm_setzero_si128()); }
__m128i pshufb_half(__m128i a, __m128i b) { return _mm_shuffle_epi8(a, _mm_and_si128(b, _mm_set1_epi8(static_cast<char>(0x87)))); }

template <Binary f>
Event shift(Core& core, const MicroOp& op) {
    if ((op.flags & MicroOp::has_immediate) == 0) return binary<f>(core, op);
    if (const auto event = enter_mmx(core)) return event;
    set_mmx(core, op.dst, low_of(f(low_vector(mmx_value(core, op.dst)), low_vector(op.imm & 0xff))));
    return {};
}

// ---- by an immediate ---------------------------------------------------------------------------------------------------------------

using WithImmediate = u64 (*)(u64, u64, unsigned);
template <WithImmediate f>
Event immediate(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    const auto source = mmx_source<u64>(core, op);
    if (!source) return source.event;
    static_cast<void>(enter_mmx(core));
    set_mmx(core, op.dst, f(mmx_value(core, op.dst), source.value, static_cast<unsigned>(op.imm & 0xff)));
    return {};
}
u64 pshufw(u64, u64 b, unsigned control) {
    u64 result = 0;
    for (unsigned i = 0; i < 4; ++i) result |= (b >> 16 * (control >> 2 * i & 3) & 0xffff) << 16 * i;
    return result;
}
u64 palignr(u64 a, u64 b, unsigned bytes) {
    const u128 both = u128{a} << 64 | b;
    return bytes >= 16 ? 0 : static_cast<u64>(both >> 8 * bytes);
}

// ---- moves -------------------------------------------------------------------------------------------------------------------------

// MOVD and MOVQ from a general register or memory, and to one.
template <class T>
Event from_general(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    T value = static_cast<T>(core.s.gpr[op.src]);
    if (op.memory()) {
        const auto loaded = core.read<T>(op);
        if (!loaded) return loaded.event;
        value = loaded.value;
    }
    static_cast<void>(enter_mmx(core));
    set_mmx(core, op.dst, value);
    return {};
}
template <class T>
Event to_general(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    const T value = static_cast<T>(mmx_value(core, op.src));
    if (op.memory())
        if (const auto event = core.write<T>(op, value)) return event;
    static_cast<void>(enter_mmx(core));
    if (!op.memory()) core.set_reg<T>(op.dst, value);
    return {};
}
Event move_registers(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;
    set_mmx(core, op.dst, mmx_value(core, op.src));
    return {};
}
Event movq2dq(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;
    set_low_half(core, op.dst, low_vector(mmx_value(core, op.src)));
    return {};
}
Event movdq2q(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;
    set_mmx(core, op.dst, core.s.vector[op.src].q[0]);
    return {};
}
Event pmovmskb(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;
    core.set_reg<u32>(op.dst, static_cast<u32>(_mm_movemask_epi8(low_vector(mmx_value(core, op.src)))));
    return {};
}
Event pextrw(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;
    core.set_reg<u32>(op.dst, static_cast<u16>(mmx_value(core, op.src) >> 16 * (op.imm & 3)));
    return {};
}
Event pinsrw(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    u16 word = static_cast<u16>(core.s.gpr[op.src]);
    if (op.memory()) {
        const auto loaded = core.read<u16>(op);
        if (!loaded) return loaded.event;
        word = loaded.value;
    }
    static_cast<void>(enter_mmx(core));
    const unsigned at = 16 * static_cast<unsigned>(op.imm & 3);
    set_mmx(core, op.dst, (mmx_value(core, op.dst) & ~(u64{0xffff} << at)) | u64{word} << at);
    return {};
}

// Bytes whose mask has its top bit set go to DS:rDI (or another segment).
Event maskmovq(Core& core, const MicroOp& op) {
    if (const auto event = enter_mmx(core)) return event;           // a fault comes after it
    const auto linear = core.linear(op, 8, true);
    if (!linear) return linear.event;
    if (const auto event = core.probe_write(linear.value, 8)) return event;
    const u64 data = mmx_value(core, op.dst), mask = mmx_value(core, op.src);
    for (unsigned i = 0; i < 8; ++i)
        if ((mask >> (8 * i + 7) & 1) != 0)
            if (const auto event = core.write_linear<u8>(linear.value + i, static_cast<u8>(data >> 8 * i))) return event;
    return {};
}
bool build_maskmovq(const Decoded& decoded, Built& op) {
    const auto segment = std::ranges::find_if(std::span{decoded.operands, decoded.instruction.operand_count}, [](const auto& operand) { return operand.type == ZYDIS_OPERAND_TYPE_MEMORY; })->mem.segment;
    op.shape = static_cast<u8>((op.shape & ~MicroOp::Segment::mask) | MicroOp::Segment::set(0, static_cast<u64>(ZydisRegisterGetId(segment))));
    op.base = arch::rdi;
    return build_body<maskmovq, Flow::next>(decoded, op);
}

template <class T>
bool build_move(const Decoded& decoded, Built& op) {
    const auto is = [&](unsigned i, ZydisRegisterClass wanted) { return decoded.is_register(i) && ZydisRegisterGetClass(decoded.operand(i).reg.value) == wanted; };
    if (is(0, ZYDIS_REGCLASS_MMX) && is(1, ZYDIS_REGCLASS_MMX)) return build_body<move_registers, Flow::next>(decoded, op);
    return is(0, ZYDIS_REGCLASS_MMX) ? build_body<from_general<T>, Flow::next>(decoded, op) : build_body<to_general<T>, Flow::next>(decoded, op);
}

// ---- conversions -------------------------------------------------------------------------------------------------------------------

[[gnu::noinline]] __m128i cvtpi2ps(__m128i a, __m128i b) { return _mm_castps_si128(_mm_movelh_ps(_mm_cvtepi32_ps(b), _mm_movehl_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(a)))); }
[[gnu::noinline]] __m128i cvtpi2pd(__m128i, __m128i b) { return _mm_castpd_si128(_mm_cvtepi32_pd(b)); }
[[gnu::noinline]] __m128i cvtps2pi(__m128i, __m128i b) { return _mm_cvtps_epi32(_mm_castsi128_ps(_mm_move_epi64(b))); }
[[gnu::noinline]] __m128i cvttps2pi(__m128i, __m128i b) { return _mm_cvttps_epi32(_mm_castsi128_ps(_mm_move_epi64(b))); }
[[gnu::noinline]] __m128i cvtpd2pi(__m128i, __m128i b) { return _mm_cvtpd_epi32(_mm_castsi128_pd(b)); }
[[gnu::noinline]] __m128i cvttpd2pi(__m128i, __m128i b) { return _mm_cvttpd_epi32(_mm_castsi128_pd(b)); }

// To XMM. Only a register source touches the MMX state for CVTPI2PD.
template <Binary f, bool memory_keeps_x87>
Event from_mmx(Core& core, const MicroOp& op) {
    const bool enters = !op.memory() || !memory_keeps_x87;
    if (enters)
        if (const auto event = x87::pending(core)) return event;
    const auto source = mmx_source<u64>(core, op);
    if (!source) return source.event;
    if (enters) static_cast<void>(enter_mmx(core));
    const __m128i a = low_half(core, op.dst);
    const auto result = under_guest_mxcsr<Tiny::never, Encoding::vex128>(core, [&] { return Value{f(a, low_vector(source.value)), _mm_setzero_si128()}; });
    if (result) set_low_half(core, op.dst, result.value.lo);
    return result.event;
}
template <Binary f, unsigned bytes>
Event to_mmx(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    MicroOp source = op;
    source.aux = op.src;
    const auto b = second_source<bytes, bytes == 16>(core, source);
    if (!b) return b.event;
    static_cast<void>(enter_mmx(core));          // #XM comes after it
    const auto result = under_guest_mxcsr<Tiny::never, Encoding::vex128>(core, [&] { return Value{f(b.value.lo, b.value.lo), _mm_setzero_si128()}; });
    if (!result) return result.event;
    set_mmx(core, op.dst, low_of(result.value.lo));
    return {};
}

Event emms(Core& core, const MicroOp&) {
    if (const auto event = x87::pending(core)) return event;
    core.s.x87.status = static_cast<u16>(core.s.x87.status & ~top_field);
    core.s.x87.valid = 0;
    return {};
}

template <Body body>
bool build(const Decoded& decoded, Built& op) { return build_body<body, Flow::next>(decoded, op); }

const std::map<ZydisMnemonic, Build>& shared_mnemonics() {
#define M(NAME, ...) {ZYDIS_MNEMONIC_##NAME, &build<__VA_ARGS__>}
#define B(NAME, name) M(NAME, binary<name>)
    static const std::map<ZydisMnemonic, Build> table{
        B(PADDB, paddb), B(PADDW, paddw), B(PADDD, paddd), B(PADDQ, paddq), B(PSUBB, psubb), B(PSUBW, psubw), B(PSUBD, psubd), B(PSUBQ, psubq), B(PADDSB, paddsb), B(PADDSW, paddsw),
        B(PADDUSB, paddusb), B(PADDUSW, paddusw), B(PSUBSB, psubsb), B(PSUBSW, psubsw), B(PSUBUSB, psubusb), B(PSUBUSW, psubusw), B(PMULLW, pmullw), B(PMULHW, pmulhw), B(PMULHUW, pmulhuw),
        B(PMULUDQ, pmuludq), B(PMULHRSW, pmulhrsw), B(PMADDUBSW, pmaddubsw), B(PMADDWD, pmaddwd), B(PSADBW, psadbw), B(PAVGB, pavgb), B(PAVGW, pavgw), B(PMAXSW, pmaxsw), B(PMINSW, pminsw),
        B(PMAXUB, pmaxub), B(PMINUB, pminub), B(PAND, pand), B(PANDN, pandn), B(POR, por), B(PXOR, pxor), B(PCMPEQB, pcmpeqb), B(PCMPEQW, pcmpeqw), B(PCMPEQD, pcmpeqd), B(PCMPGTB, pcmpgtb),
        B(PCMPGTW, pcmpgtw), B(PCMPGTD, pcmpgtd), B(PSIGNB, psignb), B(PSIGNW, psignw), B(PSIGND, psignd), B(PABSB, pabsb), B(PABSW, pabsw), B(PABSD, pabsd), B(PSHUFB, pshufb_half),
        M(PUNPCKLBW, binary<punpcklbw, u32>), M(PUNPCKLWD, binary<punpcklwd, u32>), M(PUNPCKLDQ, binary<punpckldq, u32>),
        B(PUNPCKHBW, upper<punpcklbw>), B(PUNPCKHWD, upper<punpcklwd>), B(PUNPCKHDQ, upper<punpckldq>),
        B(PACKSSWB, together<packsswb>), B(PACKSSDW, together<packssdw>), B(PACKUSWB, together<packuswb>), B(PHADDW, together<phaddw>), B(PHADDD, together<phaddd>), B(PHADDSW, together<phaddsw>),
        B(PHSUBW, together<phsubw>), B(PHSUBD, together<phsubd>), B(PHSUBSW, together<phsubsw>),
        M(PSLLW, shift<psllw>), M(PSLLD, shift<pslld>), M(PSLLQ, shift<psllq>), M(PSRLW, shift<psrlw>), M(PSRLD, shift<psrld>), M(PSRLQ, shift<psrlq>), M(PSRAW, shift<psraw>), M(PSRAD, shift<psrad>),
        M(PALIGNR, immediate<palignr>), M(PEXTRW, pextrw), M(PINSRW, pinsrw), M(PMOVMSKB, pmovmskb),
        {ZYDIS_MNEMONIC_MOVD, &build_move<u32>}, {ZYDIS_MNEMONIC_MOVQ, &build_move<u64>},
    };
#undef M
#undef B
    return table;
}

template <Body body>
constexpr Row own(ZydisMnemonic mnemonic) { return row<body, Flow::next, Needs::mmx>(mnemonic); }

constexpr Row rows[] = {
    own<emms>(ZYDIS_MNEMONIC_EMMS), own<immediate<pshufw>>(ZYDIS_MNEMONIC_PSHUFW), own<to_general<u64>>(ZYDIS_MNEMONIC_MOVNTQ), {ZYDIS_MNEMONIC_MASKMOVQ, &build_maskmovq, Flow::next, Needs::mmx},
    own<movq2dq>(ZYDIS_MNEMONIC_MOVQ2DQ), own<movdq2q>(ZYDIS_MNEMONIC_MOVDQ2Q), own<from_mmx<cvtpi2ps, false>>(ZYDIS_MNEMONIC_CVTPI2PS), own<from_mmx<cvtpi2pd, true>>(ZYDIS_MNEMONIC_CVTPI2PD),
    own<to_mmx<cvtps2pi, 8>>(ZYDIS_MNEMONIC_CVTPS2PI), own<to_mmx<cvttps2pi, 8>>(ZYDIS_MNEMONIC_CVTTPS2PI), own<to_mmx<cvtpd2pi, 16>>(ZYDIS_MNEMONIC_CVTPD2PI), own<to_mmx<cvttpd2pi, 16>>(ZYDIS_MNEMONIC_CVTTPD2PI),
};

}  // namespace

bool build_mmx(const Decoded& decoded, Built& op) {
    const auto found = shared_mnemonics().find(decoded.instruction.mnemonic);
    return found != shared_mnemonics().end() && found->second(decoded, op);
}

std::span<const Row> mmx_rows() { return rows; }

}  // namespace vtsim::cpu::exec
