// SPDX-License-Identifier: Apache-2.0
// Instructions that move elements: interleave, pack, shuffle, blend, extend, insert, extract, broadcast, permute.
#include <smmintrin.h>

#include <algorithm>
#include <array>

#include "cpu/exec/vector/lanes.h"
#include "cpu/exec/vector/operands.h"
#include "cpu/exec/vector/packed.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
using arch::VectorRegister;

__m128i movsldup(__m128i, __m128i b) { return _mm_shuffle_epi32(b, 0xa0); }
__m128i movshdup(__m128i, __m128i b) { return _mm_shuffle_epi32(b, 0xf5); }

// MOVDDUP: the even doubles twice; of memory, 8 bytes do for one pair.
struct DuplicateDouble {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<encoding == Encoding::vex256 ? 32 : 8, false>(core, op);
        if (b) set_result<encoding>(core, op.dst, _mm_unpacklo_epi64(b.value.lo, b.value.lo), encoding == Encoding::vex256 ? _mm_unpacklo_epi64(b.value.hi, b.value.hi) : _mm_setzero_si128());
        return b.event;
    }
};

// ---- by an immediate ----------------------------------------------------------------------------------------------------------

__m128i pshufd(__m128i, __m128i b, unsigned immediate) {
    const auto from = lanes_of<u32>(b);
    std::array<u32, 4> to;
    for (unsigned i = 0; i < 4; ++i) to[i] = from[immediate >> (2 * i) & 3];
    return vector_of_lanes(to);
}
template <unsigned first>
__m128i pshufw(__m128i, __m128i b, unsigned immediate) {
    const auto from = lanes_of<u16>(b);
    auto to = from;
    for (unsigned i = 0; i < 4; ++i) to[first + i] = from[first + (immediate >> (2 * i) & 3)];
    return vector_of_lanes(to);
}
__m128i shufps(__m128i a, __m128i b, unsigned immediate) {
    const auto x = lanes_of<u32>(a), y = lanes_of<u32>(b);
    std::array<u32, 4> to;
    for (unsigned i = 0; i < 4; ++i) to[i] = (i < 2 ? x : y)[immediate >> (2 * i) & 3];
    return vector_of_lanes(to);
}
__m128i shufpd(__m128i a, __m128i b, unsigned immediate) {
    const auto x = lanes_of<u64>(a), y = lanes_of<u64>(b);
    return vector_of_lanes(std::array<u64, 2>{x[immediate & 1], y[immediate >> 1 & 1]});
}
__m128i permilpd(__m128i, __m128i b, unsigned immediate) {
    const auto from = lanes_of<u64>(b);
    return vector_of_lanes(std::array<u64, 2>{from[immediate & 1], from[immediate >> 1 & 1]});
}
__m128i palignr(__m128i a, __m128i b, unsigned immediate) {
    u8 both[48] = {};
    __builtin_memcpy(both, &b, 16);
    __builtin_memcpy(both + 16, &a, 16);
    __m128i result;
    __builtin_memcpy(&result, both + std::min(immediate, 32U), 16);
    return result;
}
template <class T>
__m128i blend(__m128i a, __m128i b, unsigned immediate) {
    auto x = lanes_of<T>(a);
    const auto y = lanes_of<T>(b);
    for (unsigned i = 0; i < x.size(); ++i)
        if ((immediate >> i & 1) != 0) x[i] = y[i];
    return vector_of_lanes(x);
}

// VPERMILPS, VPERMILPD by a register of selectors.
__m128i permilps_variable(__m128i a, __m128i control) {
    const auto from = lanes_of<u32>(a), by = lanes_of<u32>(control);
    std::array<u32, 4> to;
    for (unsigned i = 0; i < 4; ++i) to[i] = from[by[i] & 3];
    return vector_of_lanes(to);
}
__m128i permilpd_variable(__m128i a, __m128i control) {
    const auto from = lanes_of<u64>(a), by = lanes_of<u64>(control);
    return vector_of_lanes(std::array<u64, 2>{from[by[0] >> 1 & 1], from[by[1] >> 1 & 1]});
}
// A row for VPERMILPx: the immediate form has one source.
template <Immediate immediate, unsigned high_shift, Binary variable>
struct PermuteInLane {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        return (op.flags & MicroOp::has_immediate) != 0 ? lanewise_immediate<immediate, high_shift, encoding>(core, op) : lanewise<variable, encoding>(core, op);
    }
};

// ---- by a mask register -------------------------------------------------------------------------------------------------------

template <class T>
__m128i blend_by(__m128i a, __m128i b, __m128i mask) {
    auto x = lanes_of<T>(a);
    const auto y = lanes_of<T>(b), m = lanes_of<T>(mask);
    for (unsigned i = 0; i < x.size(); ++i)
        if (m[i] >> (8 * sizeof(T) - 1) != 0) x[i] = y[i];
    return vector_of_lanes(x);
}
// The mask is XMM0, or the fourth operand.
template <class T>
struct BlendVariable {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
        if (!b) return b.event;
        const u8 mask = encoding == Encoding::legacy ? u8{0} : static_cast<u8>(op.imm & 15);
        const __m128i lo = blend_by<T>(low_half(core, op.src), b.value.lo, low_half(core, mask));
        if constexpr (encoding == Encoding::vex256) set_result<encoding>(core, op.dst, lo, blend_by<T>(high_half(core, op.src), b.value.hi, high_half(core, mask)));
        else set_result<encoding>(core, op.dst, lo);
        return {};
    }
};

// ---- extension ------------------------------------------------------------------------------------------------------------------

// PMOVSX, PMOVZX: elements of the low part of the source, made wider. To is signed for PMOVSX.
template <class From, class To>
struct Extend {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned elements = vector_bytes<encoding> / sizeof(To), bytes = elements * sizeof(From);
        const auto b = second_source<bytes, false>(core, op);
        if (!b) return b.event;
        From from[32 / sizeof(From)];
        __builtin_memcpy(from, &b.value, 32);
        To to[32 / sizeof(To)] = {};
        for (unsigned i = 0; i < elements; ++i) to[i] = static_cast<To>(from[i]);
        Value result;
        __builtin_memcpy(&result, to, 32);
        set_result<encoding>(core, op.dst, result.lo, result.hi);
        return {};
    }
};

// ---- single elements --------------------------------------------------------------------------------------------------------------

// PINSRB, PINSRW, PINSRD, PINSRQ: from a general register or memory.
template <class T>
struct Insert {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto source = element_source<T>(core, op);
        if (!source) return source.event;
        auto elements = lanes_of<T>(low_half(core, op.src));
        elements[op.imm & (elements.size() - 1)] = source.value;
        set_result<encoding>(core, op.dst, vector_of_lanes(elements));
        return {};
    }
};

// PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS: to a general register, cleared above, or to memory.
template <class T>
struct Extract {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto elements = lanes_of<T>(low_half(core, op.aux));
        const T value = elements[op.imm & (elements.size() - 1)];
        if (op.memory()) return core.write<T>(op, value);
        core.set_reg<u64>(op.dst, value);
        return {};
    }
};

// INSERTPS: the element to take, where it goes, which ones are cleared.
struct InsertSingle {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto immediate = static_cast<unsigned>(op.imm & 0xff);
        const auto b = second_source<4, false>(core, op);
        if (!b) return b.event;
        auto to = lanes_of<u32>(low_half(core, op.src));
        to[immediate >> 4 & 3] = lanes_of<u32>(b.value.lo)[op.memory() ? 0 : immediate >> 6];
        for (unsigned i = 0; i < 4; ++i)
            if ((immediate >> i & 1) != 0) to[i] = 0;
        set_result<encoding>(core, op.dst, vector_of_lanes(to));
        return {};
    }
};

// ---- across the halves ------------------------------------------------------------------------------------------------------------

// VBROADCASTSS, VBROADCASTSD, VPBROADCASTx: the lowest element everywhere.
template <class T>
struct Broadcast {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<sizeof(T), false>(core, op);
        if (!b) return b.event;
        std::array<T, 16 / sizeof(T)> all;
        for (T& element : all) element = lanes_of<T>(b.value.lo)[0];
        set_result<encoding>(core, op.dst, vector_of_lanes(all), encoding == Encoding::vex256 ? vector_of_lanes(all) : _mm_setzero_si128());
        return {};
    }
};
struct BroadcastHalf {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<16, false>(core, op);
        if (b) set_result<encoding>(core, op.dst, b.value.lo, b.value.lo);
        return b.event;
    }
};

struct InsertHalf {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<16, false>(core, op);
        if (!b) return b.event;
        const bool high = (op.imm & 1) != 0;
        const __m128i lo = low_half(core, op.src), hi = high_half(core, op.src);
        set_result<encoding>(core, op.dst, high ? lo : b.value.lo, high ? b.value.lo : hi);
        return {};
    }
};
struct ExtractHalf {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const __m128i half = (op.imm & 1) != 0 ? high_half(core, op.aux) : low_half(core, op.aux);
        if (op.memory()) {
            u128 value;
            __builtin_memcpy(&value, &half, 16);
            return core.write<u128>(op, value);
        }
        set_result<encoding>(core, op.dst, half);
        return {};
    }
};

// VPERM2F128, VPERM2I128.
struct PermuteHalves {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<32, false>(core, op);
        if (!b) return b.event;
        const __m128i halves[4] = {low_half(core, op.src), high_half(core, op.src), b.value.lo, b.value.hi};
        const auto select = [&](u64 control) { return (control & 8) != 0 ? _mm_setzero_si128() : halves[control & 3]; };
        set_result<encoding>(core, op.dst, select(op.imm), select(op.imm >> 4));
        return {};
    }
};

// VPERMD, VPERMPS: the first source selects, the second is moved.
struct PermuteDoublewords {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<32, false>(core, op);
        if (!b) return b.event;
        u32 from[8], to[8];
        __builtin_memcpy(from, &b.value, 32);
        for (unsigned i = 0; i < 8; ++i) to[i] = from[core.s.vector[op.src].d[i] & 7];
        __builtin_memcpy(&core.s.vector[op.dst], to, 32);
        return {};
    }
};
// VPERMQ, VPERMPD.
struct PermuteQuadwords {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<32, false>(core, op);
        if (!b) return b.event;
        u64 from[4], to[4];
        __builtin_memcpy(from, &b.value, 32);
        for (unsigned i = 0; i < 4; ++i) to[i] = from[op.imm >> (2 * i) & 3];
        __builtin_memcpy(&core.s.vector[op.dst], to, 32);
        return {};
    }
};

#define VTSIM_BOTH(NAME, name) VTSIM_VECTOR_ROWS(NAME, Lanewise<name>)
#define VTSIM_IMMEDIATE(NAME, ...) VTSIM_VECTOR_ROWS(NAME, LanewiseImmediate<__VA_ARGS__>)
constexpr Row rows[] = {
    VTSIM_BOTH(PUNPCKLBW, punpcklbw), VTSIM_BOTH(PUNPCKLWD, punpcklwd), VTSIM_BOTH(PUNPCKLDQ, punpckldq), VTSIM_BOTH(PUNPCKLQDQ, punpcklqdq),
    VTSIM_BOTH(PUNPCKHBW, punpckhbw), VTSIM_BOTH(PUNPCKHWD, punpckhwd), VTSIM_BOTH(PUNPCKHDQ, punpckhdq), VTSIM_BOTH(PUNPCKHQDQ, punpckhqdq),
    VTSIM_BOTH(UNPCKLPS, punpckldq), VTSIM_BOTH(UNPCKLPD, punpcklqdq), VTSIM_BOTH(UNPCKHPS, punpckhdq), VTSIM_BOTH(UNPCKHPD, punpckhqdq),
    VTSIM_BOTH(PACKSSWB, packsswb), VTSIM_BOTH(PACKSSDW, packssdw), VTSIM_BOTH(PACKUSWB, packuswb), VTSIM_BOTH(PACKUSDW, packusdw),
    VTSIM_BOTH(PSHUFB, pshufb), VTSIM_BOTH(MOVSLDUP, movsldup), VTSIM_BOTH(MOVSHDUP, movshdup), VTSIM_VECTOR_ROWS(MOVDDUP, DuplicateDouble),
    VTSIM_IMMEDIATE(PSHUFD, pshufd), VTSIM_IMMEDIATE(PSHUFLW, pshufw<0>), VTSIM_IMMEDIATE(PSHUFHW, pshufw<4>), VTSIM_IMMEDIATE(SHUFPS, shufps), VTSIM_IMMEDIATE(SHUFPD, shufpd, 2),
    VTSIM_IMMEDIATE(PALIGNR, palignr), VTSIM_IMMEDIATE(BLENDPS, blend<u32>, 4), VTSIM_IMMEDIATE(BLENDPD, blend<u64>, 2), VTSIM_IMMEDIATE(PBLENDW, blend<u16>),
    vex_row<LanewiseImmediate<blend<u32>, 4>>(ZYDIS_MNEMONIC_VPBLENDD),
    vex_row<PermuteInLane<pshufd, 0, permilps_variable>>(ZYDIS_MNEMONIC_VPERMILPS), vex_row<PermuteInLane<permilpd, 2, permilpd_variable>>(ZYDIS_MNEMONIC_VPERMILPD),
    legacy_row<BlendVariable<u8>>(ZYDIS_MNEMONIC_PBLENDVB), vex_row<BlendVariable<u8>>(ZYDIS_MNEMONIC_VPBLENDVB), legacy_row<BlendVariable<u32>>(ZYDIS_MNEMONIC_BLENDVPS),
    vex_row<BlendVariable<u32>>(ZYDIS_MNEMONIC_VBLENDVPS), legacy_row<BlendVariable<u64>>(ZYDIS_MNEMONIC_BLENDVPD), vex_row<BlendVariable<u64>>(ZYDIS_MNEMONIC_VBLENDVPD),
    VTSIM_VECTOR_ROWS(PMOVSXBW, Extend<i8, i16>), VTSIM_VECTOR_ROWS(PMOVSXBD, Extend<i8, i32>), VTSIM_VECTOR_ROWS(PMOVSXBQ, Extend<i8, i64>),
    VTSIM_VECTOR_ROWS(PMOVSXWD, Extend<i16, i32>), VTSIM_VECTOR_ROWS(PMOVSXWQ, Extend<i16, i64>), VTSIM_VECTOR_ROWS(PMOVSXDQ, Extend<i32, i64>),
    VTSIM_VECTOR_ROWS(PMOVZXBW, Extend<u8, u16>), VTSIM_VECTOR_ROWS(PMOVZXBD, Extend<u8, u32>), VTSIM_VECTOR_ROWS(PMOVZXBQ, Extend<u8, u64>),
    VTSIM_VECTOR_ROWS(PMOVZXWD, Extend<u16, u32>), VTSIM_VECTOR_ROWS(PMOVZXWQ, Extend<u16, u64>), VTSIM_VECTOR_ROWS(PMOVZXDQ, Extend<u32, u64>),
    VTSIM_VECTOR_ROWS(PINSRB, Insert<u8>), VTSIM_VECTOR_ROWS(PINSRW, Insert<u16>), VTSIM_VECTOR_ROWS(PINSRD, Insert<u32>), VTSIM_VECTOR_ROWS(PINSRQ, Insert<u64>),
    VTSIM_VECTOR_ROWS(PEXTRB, Extract<u8>), VTSIM_VECTOR_ROWS(PEXTRW, Extract<u16>), VTSIM_VECTOR_ROWS(PEXTRD, Extract<u32>), VTSIM_VECTOR_ROWS(PEXTRQ, Extract<u64>),
    VTSIM_VECTOR_ROWS(EXTRACTPS, Extract<u32>), VTSIM_VECTOR_ROWS(INSERTPS, InsertSingle),
    vex_row<Broadcast<u32>>(ZYDIS_MNEMONIC_VBROADCASTSS), vex_row<Broadcast<u64>>(ZYDIS_MNEMONIC_VBROADCASTSD), vex_row<Broadcast<u8>>(ZYDIS_MNEMONIC_VPBROADCASTB),
    vex_row<Broadcast<u16>>(ZYDIS_MNEMONIC_VPBROADCASTW), vex_row<Broadcast<u32>>(ZYDIS_MNEMONIC_VPBROADCASTD), vex_row<Broadcast<u64>>(ZYDIS_MNEMONIC_VPBROADCASTQ),
    vex_row<BroadcastHalf>(ZYDIS_MNEMONIC_VBROADCASTF128), vex_row<BroadcastHalf>(ZYDIS_MNEMONIC_VBROADCASTI128),
    vex_row<InsertHalf>(ZYDIS_MNEMONIC_VINSERTF128), vex_row<InsertHalf>(ZYDIS_MNEMONIC_VINSERTI128), vex_row<ExtractHalf>(ZYDIS_MNEMONIC_VEXTRACTF128), vex_row<ExtractHalf>(ZYDIS_MNEMONIC_VEXTRACTI128),
    vex_row<PermuteHalves>(ZYDIS_MNEMONIC_VPERM2F128), vex_row<PermuteHalves>(ZYDIS_MNEMONIC_VPERM2I128), vex_row<PermuteDoublewords>(ZYDIS_MNEMONIC_VPERMD),
    vex_row<PermuteDoublewords>(ZYDIS_MNEMONIC_VPERMPS), vex_row<PermuteQuadwords>(ZYDIS_MNEMONIC_VPERMQ), vex_row<PermuteQuadwords>(ZYDIS_MNEMONIC_VPERMPD),
};
#undef VTSIM_BOTH
#undef VTSIM_IMMEDIATE

}  // namespace

std::span<const Row> vector_shuffle_rows() { return rows; }

}  // namespace vtsim::cpu::exec
