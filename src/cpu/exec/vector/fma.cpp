// SPDX-License-Identifier: Apache-2.0
// Fused multiply-add, by the host's own instruction of the same operand order: which NaN of several is the result depends on it. A host without FMA does not have them; the guest's
// instruction is then reported by name.
#include "cpu/exec/vector/mxcsr.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// dst = f(dst, second operand, third operand or memory).
template <Ternary f, unsigned bytes, Tiny lanes, Scaling scaling>
struct Fused {
    template <Encoding given>
    static Event body(Core& core, const MicroOp& op) {
        constexpr Encoding encoding = bytes != 0 ? Encoding::vex128 : given;
        const auto c = second_source<bytes != 0 ? bytes : vector_bytes<encoding>, false>(core, op);
        if (!c) return c.event;
        const Value a{low_half(core, op.dst), high_half(core, op.dst)}, b{low_half(core, op.src), high_half(core, op.src)};
        const auto compute = [&] { return Value{f(a.lo, b.lo, c.value.lo), encoding == Encoding::vex256 ? f(a.hi, b.hi, c.value.hi) : _mm_setzero_si128()}; };
        const auto result = under_guest_mxcsr<lanes, encoding>(core, compute, PrecisionOf<f, scaling, lanes, encoding>{a, b, c.value});
        if (result) set_result<encoding>(core, op.dst, result.value.lo, result.value.hi);
        return result.event;
    }
};

template <class Make>
bool build_fused(const Decoded& decoded, Built& op) {
    static const bool host_has_fma = __builtin_cpu_supports("fma") != 0;
    return host_has_fma && build_vector<Make>(decoded, op);
}
template <Ternary f, unsigned bytes, Tiny lanes, Scaling scaling>
constexpr Row fused_row(ZydisMnemonic mnemonic) { return {mnemonic, &build_fused<Fused<f, bytes, lanes, scaling>>, Flow::next, Needs::avx}; }

#define VTSIM_FMA(name) \
    [[gnu::noinline]] __m128i name(__m128i a, __m128i b, __m128i c) { \
        __asm__ volatile(#name " %2, %1, %0" : "+x"(a) : "x"(b), "x"(c)); \
        return a; \
    }
#define VTSIM_PACKED(operation) \
    VTSIM_FMA(vf##operation##132ps) VTSIM_FMA(vf##operation##213ps) VTSIM_FMA(vf##operation##231ps) VTSIM_FMA(vf##operation##132pd) VTSIM_FMA(vf##operation##213pd) VTSIM_FMA(vf##operation##231pd)
#define VTSIM_SCALAR(operation) \
    VTSIM_FMA(vf##operation##132ss) VTSIM_FMA(vf##operation##213ss) VTSIM_FMA(vf##operation##231ss) VTSIM_FMA(vf##operation##132sd) VTSIM_FMA(vf##operation##213sd) VTSIM_FMA(vf##operation##231sd)
VTSIM_PACKED(madd) VTSIM_PACKED(msub) VTSIM_PACKED(nmadd) VTSIM_PACKED(nmsub) VTSIM_PACKED(maddsub) VTSIM_PACKED(msubadd)
VTSIM_SCALAR(madd) VTSIM_SCALAR(msub) VTSIM_SCALAR(nmadd) VTSIM_SCALAR(nmsub)
#undef VTSIM_PACKED
#undef VTSIM_SCALAR
#undef VTSIM_FMA

#define VTSIM_PACKED(OPERATION, operation, order) \
    fused_row<vf##operation##order##ps, 0, Tiny::singles, Scaling::fused##order>(ZYDIS_MNEMONIC_VF##OPERATION##order##PS), fused_row<vf##operation##order##pd, 0, Tiny::doubles, Scaling::fused##order>(ZYDIS_MNEMONIC_VF##OPERATION##order##PD)
#define VTSIM_ALL(OPERATION, operation, order) \
    VTSIM_PACKED(OPERATION, operation, order), fused_row<vf##operation##order##ss, 4, Tiny::first_single, Scaling::fused##order>(ZYDIS_MNEMONIC_VF##OPERATION##order##SS), \
        fused_row<vf##operation##order##sd, 8, Tiny::first_double, Scaling::fused##order>(ZYDIS_MNEMONIC_VF##OPERATION##order##SD)
constexpr Row rows[] = {
    VTSIM_ALL(MADD, madd, 132), VTSIM_ALL(MADD, madd, 213), VTSIM_ALL(MADD, madd, 231), VTSIM_ALL(MSUB, msub, 132), VTSIM_ALL(MSUB, msub, 213), VTSIM_ALL(MSUB, msub, 231),
    VTSIM_ALL(NMADD, nmadd, 132), VTSIM_ALL(NMADD, nmadd, 213), VTSIM_ALL(NMADD, nmadd, 231), VTSIM_ALL(NMSUB, nmsub, 132), VTSIM_ALL(NMSUB, nmsub, 213), VTSIM_ALL(NMSUB, nmsub, 231),
    VTSIM_PACKED(MADDSUB, maddsub, 132), VTSIM_PACKED(MADDSUB, maddsub, 213), VTSIM_PACKED(MADDSUB, maddsub, 231),
    VTSIM_PACKED(MSUBADD, msubadd, 132), VTSIM_PACKED(MSUBADD, msubadd, 213), VTSIM_PACKED(MSUBADD, msubadd, 231),
};
#undef VTSIM_PACKED
#undef VTSIM_ALL

}  // namespace

std::span<const Row> vector_fma_rows() { return rows; }

}  // namespace vtsim::cpu::exec
