// SPDX-License-Identifier: Apache-2.0
// Floating point of SSE and SSE2, computed by the host under the guest's MXCSR: rounding, DAZ and FTZ are exact, and the flags that the host raises are the guest's.
// SDM vol. 1, "SSE2 SIMD Floating-Point Exceptions".
#include "cpu/exec/sse.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

constexpr u32 flag_bits = 0x3f, mask_bits = 0x1f80;

// Runs `compute` with the guest's rounding and denormal rules and all exceptions masked. An unmasked exception leaves the destination alone.
template <class Compute>
arch::Outcome<u128> under_guest_mxcsr(Core& core, Compute compute) {
    const u32 host = _mm_getcsr();
    const u32 guest = core.s.mxcsr;
    _mm_setcsr((guest & ~flag_bits) | mask_bits);
    const __m128i result = compute();
    __asm__ volatile("" ::"x"(result) : "memory");       // computed before the flags are read
    const u32 raised = _mm_getcsr() & flag_bits;
    _mm_setcsr(host);
    core.s.mxcsr |= raised;
    if ((raised & ~(guest >> 7)) != 0) {
        if ((core.s.cr4 & arch::cr4::osxmmexcpt) == 0) return arch::undefined_opcode;
        return arch::exception(arch::Vector::xm);
    }
    u128 value;
    __builtin_memcpy(&value, &result, sizeof value);
    return value;
}

// dst = f(dst, src), src of 16, 8 or 4 bytes in memory.
template <Binary f, unsigned bytes>
Event arithmetic(Core& core, const MicroOp& op) {
    const auto b = second_operand<bytes>(core, op);
    if (!b) return b.event;
    const __m128i x = xmm(core, op.dst), y = vector_of(b.value);
    const auto result = under_guest_mxcsr(core, [&] { return f(x, y); });
    if (!result) return result.event;
    set_xmm(core, op.dst, vector_of(result.value));
    return {};
}

#define VTSIM_PS(name, intrinsic) \
    [[gnu::noinline]] __m128i name(__m128i a, __m128i b) { return _mm_castps_si128(intrinsic(_mm_castsi128_ps(a), _mm_castsi128_ps(b))); }
#define VTSIM_PD(name, intrinsic) \
    [[gnu::noinline]] __m128i name(__m128i a, __m128i b) { return _mm_castpd_si128(intrinsic(_mm_castsi128_pd(a), _mm_castsi128_pd(b))); }
VTSIM_PS(addps, _mm_add_ps) VTSIM_PS(addss, _mm_add_ss) VTSIM_PD(addpd, _mm_add_pd) VTSIM_PD(addsd, _mm_add_sd)
VTSIM_PS(subps, _mm_sub_ps) VTSIM_PS(subss, _mm_sub_ss) VTSIM_PD(subpd, _mm_sub_pd) VTSIM_PD(subsd, _mm_sub_sd)
VTSIM_PS(mulps, _mm_mul_ps) VTSIM_PS(mulss, _mm_mul_ss) VTSIM_PD(mulpd, _mm_mul_pd) VTSIM_PD(mulsd, _mm_mul_sd)
VTSIM_PS(divps, _mm_div_ps) VTSIM_PS(divss, _mm_div_ss) VTSIM_PD(divpd, _mm_div_pd) VTSIM_PD(divsd, _mm_div_sd)
VTSIM_PS(minps, _mm_min_ps) VTSIM_PS(minss, _mm_min_ss) VTSIM_PD(minpd, _mm_min_pd) VTSIM_PD(minsd, _mm_min_sd)
VTSIM_PS(maxps, _mm_max_ps) VTSIM_PS(maxss, _mm_max_ss) VTSIM_PD(maxpd, _mm_max_pd) VTSIM_PD(maxsd, _mm_max_sd)
#undef VTSIM_PS
#undef VTSIM_PD
[[gnu::noinline]] __m128i sqrtps(__m128i, __m128i b) { return _mm_castps_si128(_mm_sqrt_ps(_mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i sqrtpd(__m128i, __m128i b) { return _mm_castpd_si128(_mm_sqrt_pd(_mm_castsi128_pd(b))); }
[[gnu::noinline]] __m128i sqrtss(__m128i a, __m128i b) { return _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(a), _mm_sqrt_ss(_mm_castsi128_ps(b)))); }
[[gnu::noinline]] __m128i sqrtsd(__m128i a, __m128i b) { return _mm_castpd_si128(_mm_sqrt_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(b))); }
// Conversions between packed and scalar formats.
[[gnu::noinline]] __m128i cvtdq2ps(__m128i, __m128i b) { return _mm_castps_si128(_mm_cvtepi32_ps(b)); }
[[gnu::noinline]] __m128i cvtps2dq(__m128i, __m128i b) { return _mm_cvtps_epi32(_mm_castsi128_ps(b)); }
[[gnu::noinline]] __m128i cvttps2dq(__m128i, __m128i b) { return _mm_cvttps_epi32(_mm_castsi128_ps(b)); }
[[gnu::noinline]] __m128i cvtdq2pd(__m128i, __m128i b) { return _mm_castpd_si128(_mm_cvtepi32_pd(b)); }
[[gnu::noinline]] __m128i cvtpd2dq(__m128i, __m128i b) { return _mm_cvtpd_epi32(_mm_castsi128_pd(b)); }
[[gnu::noinline]] __m128i cvttpd2dq(__m128i, __m128i b) { return _mm_cvttpd_epi32(_mm_castsi128_pd(b)); }
[[gnu::noinline]] __m128i cvtps2pd(__m128i, __m128i b) { return _mm_castpd_si128(_mm_cvtps_pd(_mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i cvtpd2ps(__m128i, __m128i b) { return _mm_castps_si128(_mm_cvtpd_ps(_mm_castsi128_pd(b))); }
[[gnu::noinline]] __m128i cvtss2sd(__m128i a, __m128i b) { return _mm_castpd_si128(_mm_cvtss_sd(_mm_castsi128_pd(a), _mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i cvtsd2ss(__m128i a, __m128i b) { return _mm_castps_si128(_mm_cvtsd_ss(_mm_castsi128_ps(a), _mm_castsi128_pd(b))); }

// CMPxx with the eight predicates of SSE2.
template <bool doubles, bool scalar>
[[gnu::noinline]] __m128i compare(__m128i a, __m128i b, unsigned predicate) {
    if constexpr (doubles) {
        const __m128d x = _mm_castsi128_pd(a), y = _mm_castsi128_pd(b);
        __m128d r;
        switch (predicate & 7) {
            case 0: r = scalar ? _mm_cmpeq_sd(x, y) : _mm_cmpeq_pd(x, y); break;
            case 1: r = scalar ? _mm_cmplt_sd(x, y) : _mm_cmplt_pd(x, y); break;
            case 2: r = scalar ? _mm_cmple_sd(x, y) : _mm_cmple_pd(x, y); break;
            case 3: r = scalar ? _mm_cmpunord_sd(x, y) : _mm_cmpunord_pd(x, y); break;
            case 4: r = scalar ? _mm_cmpneq_sd(x, y) : _mm_cmpneq_pd(x, y); break;
            case 5: r = scalar ? _mm_cmpnlt_sd(x, y) : _mm_cmpnlt_pd(x, y); break;
            case 6: r = scalar ? _mm_cmpnle_sd(x, y) : _mm_cmpnle_pd(x, y); break;
            default: r = scalar ? _mm_cmpord_sd(x, y) : _mm_cmpord_pd(x, y); break;
        }
        return _mm_castpd_si128(r);
    } else {
        const __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);
        __m128 r;
        switch (predicate & 7) {
            case 0: r = scalar ? _mm_cmpeq_ss(x, y) : _mm_cmpeq_ps(x, y); break;
            case 1: r = scalar ? _mm_cmplt_ss(x, y) : _mm_cmplt_ps(x, y); break;
            case 2: r = scalar ? _mm_cmple_ss(x, y) : _mm_cmple_ps(x, y); break;
            case 3: r = scalar ? _mm_cmpunord_ss(x, y) : _mm_cmpunord_ps(x, y); break;
            case 4: r = scalar ? _mm_cmpneq_ss(x, y) : _mm_cmpneq_ps(x, y); break;
            case 5: r = scalar ? _mm_cmpnlt_ss(x, y) : _mm_cmpnlt_ps(x, y); break;
            case 6: r = scalar ? _mm_cmpnle_ss(x, y) : _mm_cmpnle_ps(x, y); break;
            default: r = scalar ? _mm_cmpord_ss(x, y) : _mm_cmpord_ps(x, y); break;
        }
        return _mm_castps_si128(r);
    }
}

template <bool doubles, bool scalar>
Event compare_body(Core& core, const MicroOp& op) {
    const auto b = second_operand<scalar ? (doubles ? 8 : 4) : 16>(core, op);
    if (!b) return b.event;
    const __m128i x = xmm(core, op.dst), y = vector_of(b.value);
    const auto result = under_guest_mxcsr(core, [&] { return compare<doubles, scalar>(x, y, static_cast<unsigned>(op.imm)); });
    if (!result) return result.event;
    set_xmm(core, op.dst, vector_of(result.value));
    return {};
}

// COMISx, UCOMISx: ZF, PF, CF; the others are cleared.
template <bool doubles, bool signals>
[[gnu::noinline]] __m128i ordering(__m128i a, __m128i b) {
    // Bit 0: less, bit 1: equal. COMIS signals on every NaN, UCOMIS on signalling ones.
    int less, equal;
    if constexpr (doubles) {
        const __m128d x = _mm_castsi128_pd(a), y = _mm_castsi128_pd(b);
        less = signals ? _mm_comilt_sd(x, y) : _mm_ucomilt_sd(x, y);
        equal = signals ? _mm_comieq_sd(x, y) : _mm_ucomieq_sd(x, y);
        const int greater = signals ? _mm_comigt_sd(x, y) : _mm_ucomigt_sd(x, y);
        return _mm_set_epi32(0, greater, equal, less);
    } else {
        const __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);
        less = signals ? _mm_comilt_ss(x, y) : _mm_ucomilt_ss(x, y);
        equal = signals ? _mm_comieq_ss(x, y) : _mm_ucomieq_ss(x, y);
        const int greater = signals ? _mm_comigt_ss(x, y) : _mm_ucomigt_ss(x, y);
        return _mm_set_epi32(0, greater, equal, less);
    }
}

template <bool doubles, bool signals>
Event comis(Core& core, const MicroOp& op) {
    const auto b = second_operand<doubles ? 8 : 4>(core, op);
    if (!b) return b.event;
    const __m128i x = xmm(core, op.dst), y = vector_of(b.value);
    const auto ordered = under_guest_mxcsr(core, [&] { return ordering<doubles, signals>(x, y); });
    if (!ordered) return ordered.event;
    arch::VectorRegister result{};
    result.x[0] = ordered.value;
    const bool less = result.d[0] != 0, equal = result.d[1] != 0, greater = result.d[2] != 0;
    const bool unordered = !less && !equal && !greater;
    namespace flag = arch::rflags;
    const u64 flags = unordered ? flag::zf | flag::pf | flag::cf : less ? flag::cf : equal ? flag::zf : 0;
    core.s.write_rflags((core.s.rflags & ~flag::status) | flags);
    return {};
}

// Conversions to general registers.
template <bool doubles, bool truncates, class T>
Event to_integer(Core& core, const MicroOp& op) {
    const auto b = second_operand<doubles ? 8 : 4>(core, op);
    if (!b) return b.event;
    const __m128i y = vector_of(b.value);
    const auto result = under_guest_mxcsr(core, [&] {
        i64 value;
        if constexpr (doubles) {
            const __m128d d = _mm_castsi128_pd(y);
            if constexpr (sizeof(T) == 8) value = truncates ? _mm_cvttsd_si64(d) : _mm_cvtsd_si64(d);
            else value = truncates ? _mm_cvttsd_si32(d) : _mm_cvtsd_si32(d);
        } else {
            const __m128 f = _mm_castsi128_ps(y);
            if constexpr (sizeof(T) == 8) value = truncates ? _mm_cvttss_si64(f) : _mm_cvtss_si64(f);
            else value = truncates ? _mm_cvttss_si32(f) : _mm_cvtss_si32(f);
        }
        return _mm_cvtsi64_si128(value);
    });
    if (!result) return result.event;
    core.set_reg<T>(op.dst, static_cast<T>(result.value));
    return {};
}

template <bool doubles, class T>
Event from_integer(Core& core, const MicroOp& op) {
    T value;
    if (op.memory()) {
        const auto loaded = core.read<T>(op);
        if (!loaded) return loaded.event;
        value = loaded.value;
    } else {
        value = core.reg<T>(op.src);
    }
    const __m128i x = xmm(core, op.dst);
    const auto result = under_guest_mxcsr(core, [&] {
        if constexpr (doubles) return _mm_castpd_si128(sizeof(T) == 8 ? _mm_cvtsi64_sd(_mm_castsi128_pd(x), static_cast<i64>(value)) : _mm_cvtsi32_sd(_mm_castsi128_pd(x), static_cast<i32>(value)));
        else return _mm_castps_si128(sizeof(T) == 8 ? _mm_cvtsi64_ss(_mm_castsi128_ps(x), static_cast<i64>(value)) : _mm_cvtsi32_ss(_mm_castsi128_ps(x), static_cast<i32>(value)));
    });
    if (!result) return result.event;
    set_xmm(core, op.dst, vector_of(result.value));
    return {};
}

template <bool doubles, bool truncates>
bool build_to_integer(const Decoded& decoded, Built& op) {
    return op.width == 3 ? build_body<to_integer<doubles, truncates, u64>, Flow::next>(decoded, op) : build_body<to_integer<doubles, truncates, u32>, Flow::next>(decoded, op);
}
template <bool doubles>
bool build_from_integer(const Decoded& decoded, Built& op) {
    return decoded.operand(1).size == 64 ? build_body<from_integer<doubles, u64>, Flow::next>(decoded, op) : build_body<from_integer<doubles, u32>, Flow::next>(decoded, op);
}

template <Binary f, unsigned bytes>
constexpr Row arith(ZydisMnemonic mnemonic) {
    return row<arithmetic<f, bytes>, Flow::next, Needs::sse>(mnemonic);
}
template <Body body>
constexpr Row sse_row(ZydisMnemonic mnemonic) {
    return row<body, Flow::next, Needs::sse>(mnemonic);
}

constexpr Row rows[] = {
    arith<addps, 16>(ZYDIS_MNEMONIC_ADDPS), arith<addss, 4>(ZYDIS_MNEMONIC_ADDSS), arith<addpd, 16>(ZYDIS_MNEMONIC_ADDPD), arith<addsd, 8>(ZYDIS_MNEMONIC_ADDSD),
    arith<subps, 16>(ZYDIS_MNEMONIC_SUBPS), arith<subss, 4>(ZYDIS_MNEMONIC_SUBSS), arith<subpd, 16>(ZYDIS_MNEMONIC_SUBPD), arith<subsd, 8>(ZYDIS_MNEMONIC_SUBSD),
    arith<mulps, 16>(ZYDIS_MNEMONIC_MULPS), arith<mulss, 4>(ZYDIS_MNEMONIC_MULSS), arith<mulpd, 16>(ZYDIS_MNEMONIC_MULPD), arith<mulsd, 8>(ZYDIS_MNEMONIC_MULSD),
    arith<divps, 16>(ZYDIS_MNEMONIC_DIVPS), arith<divss, 4>(ZYDIS_MNEMONIC_DIVSS), arith<divpd, 16>(ZYDIS_MNEMONIC_DIVPD), arith<divsd, 8>(ZYDIS_MNEMONIC_DIVSD),
    arith<minps, 16>(ZYDIS_MNEMONIC_MINPS), arith<minss, 4>(ZYDIS_MNEMONIC_MINSS), arith<minpd, 16>(ZYDIS_MNEMONIC_MINPD), arith<minsd, 8>(ZYDIS_MNEMONIC_MINSD),
    arith<maxps, 16>(ZYDIS_MNEMONIC_MAXPS), arith<maxss, 4>(ZYDIS_MNEMONIC_MAXSS), arith<maxpd, 16>(ZYDIS_MNEMONIC_MAXPD), arith<maxsd, 8>(ZYDIS_MNEMONIC_MAXSD),
    arith<sqrtps, 16>(ZYDIS_MNEMONIC_SQRTPS), arith<sqrtss, 4>(ZYDIS_MNEMONIC_SQRTSS), arith<sqrtpd, 16>(ZYDIS_MNEMONIC_SQRTPD), arith<sqrtsd, 8>(ZYDIS_MNEMONIC_SQRTSD),
    arith<cvtdq2ps, 16>(ZYDIS_MNEMONIC_CVTDQ2PS), arith<cvtps2dq, 16>(ZYDIS_MNEMONIC_CVTPS2DQ), arith<cvttps2dq, 16>(ZYDIS_MNEMONIC_CVTTPS2DQ),
    arith<cvtdq2pd, 8>(ZYDIS_MNEMONIC_CVTDQ2PD), arith<cvtpd2dq, 16>(ZYDIS_MNEMONIC_CVTPD2DQ), arith<cvttpd2dq, 16>(ZYDIS_MNEMONIC_CVTTPD2DQ),
    arith<cvtps2pd, 8>(ZYDIS_MNEMONIC_CVTPS2PD), arith<cvtpd2ps, 16>(ZYDIS_MNEMONIC_CVTPD2PS), arith<cvtss2sd, 4>(ZYDIS_MNEMONIC_CVTSS2SD), arith<cvtsd2ss, 8>(ZYDIS_MNEMONIC_CVTSD2SS),
    sse_row<compare_body<false, false>>(ZYDIS_MNEMONIC_CMPPS), sse_row<compare_body<false, true>>(ZYDIS_MNEMONIC_CMPSS), sse_row<compare_body<true, false>>(ZYDIS_MNEMONIC_CMPPD),
    sse_row<comis<false, true>>(ZYDIS_MNEMONIC_COMISS), sse_row<comis<true, true>>(ZYDIS_MNEMONIC_COMISD),
    sse_row<comis<false, false>>(ZYDIS_MNEMONIC_UCOMISS), sse_row<comis<true, false>>(ZYDIS_MNEMONIC_UCOMISD),
    {ZYDIS_MNEMONIC_CVTSS2SI, &build_to_integer<false, false>, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_CVTTSS2SI, &build_to_integer<false, true>, Flow::next, Needs::sse},
    {ZYDIS_MNEMONIC_CVTSD2SI, &build_to_integer<true, false>, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_CVTTSD2SI, &build_to_integer<true, true>, Flow::next, Needs::sse},
    {ZYDIS_MNEMONIC_CVTSI2SS, &build_from_integer<false>, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_CVTSI2SD, &build_from_integer<true>, Flow::next, Needs::sse},
};

}  // namespace

bool build_cmpsd(const Decoded& decoded, Built& op) {
    if (decoded.mode.sse_disabled || decoded.mode.task_switched) return false;
    return build_body<compare_body<true, true>, Flow::next>(decoded, op);
}

std::span<const Row> sse_float_rows() { return rows; }

}  // namespace vtsim::cpu::exec
