// SPDX-License-Identifier: Apache-2.0
// Packed integers and logic, lane by lane: SSE2, SSSE3, SSE4.1, SSE4.2 and their AVX and AVX2 forms.
#include <nmmintrin.h>

#include <algorithm>

#include "cpu/exec/vector/operands.h"
#include "cpu/exec/vector/packed.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// ---- shifts -----------------------------------------------------------------------------------------------------------------

// The count, one for all elements, is the low half of an XMM register or of 16 bytes of memory, or an immediate.
template <Binary f>
struct Shift {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        __m128i count;
        u8 first = op.src;
        if ((op.flags & MicroOp::has_immediate) != 0) {
            count = _mm_cvtsi32_si128(static_cast<int>(op.imm & 0xff));
            first = encoding == Encoding::legacy ? op.dst : op.aux;         // written as destination, source, immediate
        } else {
            const auto b = second_source<16, encoding == Encoding::legacy>(core, op);
            if (!b) return b.event;
            count = b.value.lo;
        }
        const __m128i lo = f(low_half(core, first), count);
        if constexpr (encoding == Encoding::vex256) set_result<encoding>(core, op.dst, lo, f(high_half(core, first), count));
        else set_result<encoding>(core, op.dst, lo);
        return {};
    }
};

// PSLLDQ, PSRLDQ: each half by bytes.
template <bool left>
__m128i shift_bytes(__m128i value, unsigned count) {
    u128 bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return vector_of(count > 15 ? u128{0} : left ? bits << (8 * count) : bits >> (8 * count));
}
template <bool left>
struct ShiftBytes {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto count = static_cast<unsigned>(op.imm & 0xff);
        const u8 from = encoding == Encoding::legacy ? op.dst : op.aux;
        const __m128i lo = shift_bytes<left>(low_half(core, from), count);
        if constexpr (encoding == Encoding::vex256) set_result<encoding>(core, op.dst, lo, shift_bytes<left>(high_half(core, from), count));
        else set_result<encoding>(core, op.dst, lo);
        return {};
    }
};

// A count for each element: VPSLLVD and relatives.
enum class Direction : u8 { left, right, arithmetic };
template <class T, Direction direction>
__m128i shift_variable(__m128i a, __m128i counts) {
    constexpr unsigned elements = 16 / sizeof(T), bits = 8 * sizeof(T);
    T values[elements], by[elements];
    __builtin_memcpy(values, &a, 16);
    __builtin_memcpy(by, &counts, 16);
    for (unsigned i = 0; i < elements; ++i) {
        if constexpr (direction == Direction::arithmetic) {
            using Signed = std::make_signed_t<T>;
            values[i] = static_cast<T>(static_cast<Signed>(values[i]) >> std::min<T>(by[i], bits - 1));
        } else {
            values[i] = by[i] >= bits ? T{0} : direction == Direction::left ? static_cast<T>(values[i] << by[i]) : static_cast<T>(values[i] >> by[i]);
        }
    }
    __m128i result;
    __builtin_memcpy(&result, values, 16);
    return result;
}

// ---- tests ------------------------------------------------------------------------------------------------------------------

// PTEST, VTESTPS, VTESTPD: ZF for first AND second, CF for NOT first AND second, of the bits in `mask` of each element.
template <u64 mask>
struct Test {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
        if (!b) return b.event;
        const __m128i bits = _mm_set1_epi64x(static_cast<i64>(mask));
        __m128i both = _mm_and_si128(low_half(core, op.dst), b.value.lo), only = _mm_andnot_si128(low_half(core, op.dst), b.value.lo);
        if constexpr (encoding == Encoding::vex256) {
            both = _mm_or_si128(both, _mm_and_si128(high_half(core, op.dst), b.value.hi));
            only = _mm_or_si128(only, _mm_andnot_si128(high_half(core, op.dst), b.value.hi));
        }
        namespace flag = arch::rflags;
        core.s.write_rflags((core.s.rflags & ~flag::status) | (_mm_testz_si128(both, bits) != 0 ? flag::zf : 0) | (_mm_testz_si128(only, bits) != 0 ? flag::cf : 0));
        return {};
    }
};

// PMOVMSKB, MOVMSKPS, MOVMSKPD: the top bits of the elements.
template <unsigned (*top_bits)(__m128i), unsigned elements>
struct MoveMask {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        u32 mask = top_bits(low_half(core, op.aux));
        if constexpr (encoding == Encoding::vex256) mask |= top_bits(high_half(core, op.aux)) << elements;
        core.set_reg<u32>(op.dst, mask);
        return {};
    }
};
unsigned top_of_bytes(__m128i v) { return static_cast<unsigned>(_mm_movemask_epi8(v)); }
unsigned top_of_singles(__m128i v) { return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(v))); }
unsigned top_of_doubles(__m128i v) { return static_cast<unsigned>(_mm_movemask_pd(_mm_castsi128_pd(v))); }

#define VTSIM_BOTH(NAME, name) VTSIM_VECTOR_ROWS(NAME, Lanewise<name>)
constexpr Row rows[] = {
    VTSIM_BOTH(PADDB, paddb), VTSIM_BOTH(PADDW, paddw), VTSIM_BOTH(PADDD, paddd), VTSIM_BOTH(PADDQ, paddq),
    VTSIM_BOTH(PSUBB, psubb), VTSIM_BOTH(PSUBW, psubw), VTSIM_BOTH(PSUBD, psubd), VTSIM_BOTH(PSUBQ, psubq),
    VTSIM_BOTH(PADDSB, paddsb), VTSIM_BOTH(PADDSW, paddsw), VTSIM_BOTH(PADDUSB, paddusb), VTSIM_BOTH(PADDUSW, paddusw),
    VTSIM_BOTH(PSUBSB, psubsb), VTSIM_BOTH(PSUBSW, psubsw), VTSIM_BOTH(PSUBUSB, psubusb), VTSIM_BOTH(PSUBUSW, psubusw),
    VTSIM_BOTH(PMULLW, pmullw), VTSIM_BOTH(PMULHW, pmulhw), VTSIM_BOTH(PMULHUW, pmulhuw), VTSIM_BOTH(PMULUDQ, pmuludq),
    VTSIM_BOTH(PMULDQ, pmuldq), VTSIM_BOTH(PMULLD, pmulld), VTSIM_BOTH(PMULHRSW, pmulhrsw), VTSIM_BOTH(PMADDUBSW, pmaddubsw),
    VTSIM_BOTH(PMADDWD, pmaddwd), VTSIM_BOTH(PSADBW, psadbw), VTSIM_BOTH(PAVGB, pavgb), VTSIM_BOTH(PAVGW, pavgw),
    VTSIM_BOTH(PMAXSW, pmaxsw), VTSIM_BOTH(PMINSW, pminsw), VTSIM_BOTH(PMAXUB, pmaxub), VTSIM_BOTH(PMINUB, pminub),
    VTSIM_BOTH(PMAXSB, pmaxsb), VTSIM_BOTH(PMINSB, pminsb), VTSIM_BOTH(PMAXUW, pmaxuw), VTSIM_BOTH(PMINUW, pminuw),
    VTSIM_BOTH(PMAXSD, pmaxsd), VTSIM_BOTH(PMINSD, pminsd), VTSIM_BOTH(PMAXUD, pmaxud), VTSIM_BOTH(PMINUD, pminud),
    VTSIM_BOTH(PAND, pand), VTSIM_BOTH(PANDN, pandn), VTSIM_BOTH(POR, por), VTSIM_BOTH(PXOR, pxor),
    VTSIM_BOTH(ANDPS, pand), VTSIM_BOTH(ANDPD, pand), VTSIM_BOTH(ANDNPS, pandn), VTSIM_BOTH(ANDNPD, pandn),
    VTSIM_BOTH(ORPS, por), VTSIM_BOTH(ORPD, por), VTSIM_BOTH(XORPS, pxor), VTSIM_BOTH(XORPD, pxor),
    VTSIM_BOTH(PCMPEQB, pcmpeqb), VTSIM_BOTH(PCMPEQW, pcmpeqw), VTSIM_BOTH(PCMPEQD, pcmpeqd), VTSIM_BOTH(PCMPEQQ, pcmpeqq),
    VTSIM_BOTH(PCMPGTB, pcmpgtb), VTSIM_BOTH(PCMPGTW, pcmpgtw), VTSIM_BOTH(PCMPGTD, pcmpgtd), VTSIM_BOTH(PCMPGTQ, pcmpgtq),
    VTSIM_BOTH(PSIGNB, psignb), VTSIM_BOTH(PSIGNW, psignw), VTSIM_BOTH(PSIGND, psignd), VTSIM_BOTH(PABSB, pabsb), VTSIM_BOTH(PABSW, pabsw), VTSIM_BOTH(PABSD, pabsd),
    VTSIM_BOTH(PHADDW, phaddw), VTSIM_BOTH(PHADDD, phaddd), VTSIM_BOTH(PHADDSW, phaddsw), VTSIM_BOTH(PHSUBW, phsubw), VTSIM_BOTH(PHSUBD, phsubd), VTSIM_BOTH(PHSUBSW, phsubsw),
    VTSIM_VECTOR_ROWS(PSLLW, Shift<psllw>), VTSIM_VECTOR_ROWS(PSLLD, Shift<pslld>), VTSIM_VECTOR_ROWS(PSLLQ, Shift<psllq>), VTSIM_VECTOR_ROWS(PSRLW, Shift<psrlw>),
    VTSIM_VECTOR_ROWS(PSRLD, Shift<psrld>), VTSIM_VECTOR_ROWS(PSRLQ, Shift<psrlq>), VTSIM_VECTOR_ROWS(PSRAW, Shift<psraw>), VTSIM_VECTOR_ROWS(PSRAD, Shift<psrad>),
    VTSIM_VECTOR_ROWS(PSLLDQ, ShiftBytes<true>), VTSIM_VECTOR_ROWS(PSRLDQ, ShiftBytes<false>),
    vex_row<Lanewise<shift_variable<u32, Direction::left>>>(ZYDIS_MNEMONIC_VPSLLVD), vex_row<Lanewise<shift_variable<u64, Direction::left>>>(ZYDIS_MNEMONIC_VPSLLVQ),
    vex_row<Lanewise<shift_variable<u32, Direction::right>>>(ZYDIS_MNEMONIC_VPSRLVD), vex_row<Lanewise<shift_variable<u64, Direction::right>>>(ZYDIS_MNEMONIC_VPSRLVQ),
    vex_row<Lanewise<shift_variable<u32, Direction::arithmetic>>>(ZYDIS_MNEMONIC_VPSRAVD),
    VTSIM_VECTOR_ROWS(PTEST, Test<~u64{0}>), vex_row<Test<0x8000'0000'8000'0000>>(ZYDIS_MNEMONIC_VTESTPS), vex_row<Test<u64{1} << 63>>(ZYDIS_MNEMONIC_VTESTPD),
    VTSIM_VECTOR_ROWS(PMOVMSKB, MoveMask<top_of_bytes, 16>), VTSIM_VECTOR_ROWS(MOVMSKPS, MoveMask<top_of_singles, 4>), VTSIM_VECTOR_ROWS(MOVMSKPD, MoveMask<top_of_doubles, 2>),
};
#undef VTSIM_BOTH

}  // namespace

std::span<const Row> vector_integer_rows() { return rows; }

}  // namespace vtsim::cpu::exec
