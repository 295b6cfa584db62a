// SPDX-License-Identifier: Apache-2.0
// Floating point of SSE and SSE2, computed by the host under the guest's MXCSR: rounding, DAZ and FTZ are exact, and the flags that the host raises are the guest's.
// SDM vol. 1, "SSE2 SIMD Floating-Point Exceptions".
#include "cpu/exec/sse.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

constexpr u32 flag_bits = 0x3f, mask_bits = 0x1f80;

constexpr u32 invalid = 1, denormal = 2, zero_divide = 4, underflow = 0x10, underflow_mask = 0x800, flush_to_zero = 0x8000;
constexpr u32 before_computing = invalid | denormal | zero_divide;

// Lanes of the result that can be tiny: those of instructions that round.
enum class Tiny : u8 { never, singles, doubles, first_single, first_double };

template <Tiny lanes>
bool has_denormal(__m128i result) {
    arch::VectorRegister r{};
    __builtin_memcpy(&r, &result, sizeof result);
    const auto single = [&](unsigned i) { return (r.d[i] & 0x7f80'0000) == 0 && (r.d[i] & 0x7f'ffff) != 0; };
    const auto wide = [&](unsigned i) { return (r.q[i] & 0x7ff0'0000'0000'0000) == 0 && (r.q[i] & 0xf'ffff'ffff'ffff) != 0; };
    if constexpr (lanes == Tiny::first_single) return single(0);
    else if constexpr (lanes == Tiny::first_double) return wide(0);
    else if constexpr (lanes == Tiny::singles) return single(0) || single(1) || single(2) || single(3);
    else if constexpr (lanes == Tiny::doubles) return wide(0) || wide(1);
    else return false;
}

// The exceptions of an instruction as the guest sees them, from those that the host raised with all of them masked. SDM vol. 1, "Response to Multiple SIMD
// Floating-Point Exceptions": an unmasked one that is found before computing keeps the instruction from computing. Unmasked, underflow is raised for exact results too; PE beside unmasked
// overflow or underflow stays that of the masked response.
template <Tiny lanes>
u32 seen_by_guest(u32 raised, u32 guest, __m128i result) {
    const u32 unmasked = ~guest >> 7;
    if ((raised & unmasked & before_computing) != 0) return raised & before_computing;
    if ((unmasked & underflow) != 0 && has_denormal<lanes>(result)) return raised | underflow;
    return raised;
}

// Runs `compute` with the guest's rounding and denormal rules and all exceptions masked. An unmasked exception leaves the destination alone.
template <Tiny lanes, class Compute>
arch::Outcome<u128> under_guest_mxcsr(Core& core, Compute compute) {
    const u32 host = _mm_getcsr();
    const u32 guest = core.s.mxcsr;
    const u32 rules = (guest & underflow_mask) != 0 ? guest : guest & ~flush_to_zero;       // results are flushed where underflow is masked
    _mm_setcsr((rules & ~flag_bits) | mask_bits);
    const __m128i result = compute();
    __asm__ volatile("" ::"x"(result) : "memory");       // computed before the flags are read
    const u32 raised = seen_by_guest<lanes>(_mm_getcsr() & flag_bits, guest, result);
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
template <Binary f, unsigned bytes, Tiny lanes>
Event arithmetic(Core& core, const MicroOp& op) {
    const auto b = second_operand<bytes>(core, op);
    if (!b) return b.event;
    const __m128i x = xmm(core, op.dst), y = vector_of(b.value);
    const auto result = under_guest_mxcsr<lanes>(core, [&] { return f(x, y); });
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
    const auto result = under_guest_mxcsr<Tiny::never>(core, [&] { return compare<doubles, scalar>(x, y, static_cast<unsigned>(op.imm)); });
    if (!result) return result.event;
    set_xmm(core, op.dst, vector_of(result.value));
    return {};
}

// COMISx, UCOMISx: ZF, PF, CF; the others are cleared. COMIS signals on every NaN, UCOMIS on signalling ones.
template <bool doubles, bool signals>
__m128i ordering(__m128i a, __m128i b) {
    bool zero, parity, carry;
    if constexpr (doubles && signals) __asm__ volatile("comisd %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b));
    else if constexpr (doubles) __asm__ volatile("ucomisd %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b));
    else if constexpr (signals) __asm__ volatile("comiss %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b));
    else __asm__ volatile("ucomiss %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b));
    namespace flag = arch::rflags;
    return _mm_cvtsi64_si128(static_cast<i64>((zero ? flag::zf : 0) | (parity ? flag::pf : 0) | (carry ? flag::cf : 0)));
}

template <bool doubles, bool signals>
Event comis(Core& core, const MicroOp& op) {
    const auto b = second_operand<doubles ? 8 : 4>(core, op);
    if (!b) return b.event;
    const __m128i x = xmm(core, op.dst), y = vector_of(b.value);
    const auto flags = under_guest_mxcsr<Tiny::never>(core, [&] { return ordering<doubles, signals>(x, y); });
    if (!flags) return flags.event;
    core.s.write_rflags((core.s.rflags & ~arch::rflags::status) | static_cast<u64>(flags.value));
    return {};
}

// Conversions to general registers.
template <bool doubles, bool truncates, class T>
Event to_integer(Core& core, const MicroOp& op) {
    const auto b = second_operand<doubles ? 8 : 4>(core, op);
    if (!b) return b.event;
    const __m128i y = vector_of(b.value);
    const auto result = under_guest_mxcsr<Tiny::never>(core, [&] {
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
    const auto result = under_guest_mxcsr<Tiny::never>(core, [&] {
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

template <Binary f, unsigned bytes, Tiny lanes = Tiny::never>
constexpr Row arith(ZydisMnemonic mnemonic) {
    return row<arithmetic<f, bytes, lanes>, Flow::next, Needs::sse>(mnemonic);
}
template <Body body>
constexpr Row sse_row(ZydisMnemonic mnemonic) {
    return row<body, Flow::next, Needs::sse>(mnemonic);
}

constexpr Row rows[] = {
    arith<addps, 16, Tiny::singles>(ZYDIS_MNEMONIC_ADDPS), arith<addss, 4, Tiny::first_single>(ZYDIS_MNEMONIC_ADDSS), arith<addpd, 16, Tiny::doubles>(ZYDIS_MNEMONIC_ADDPD), arith<addsd, 8, Tiny::first_double>(ZYDIS_MNEMONIC_ADDSD),
    arith<subps, 16, Tiny::singles>(ZYDIS_MNEMONIC_SUBPS), arith<subss, 4, Tiny::first_single>(ZYDIS_MNEMONIC_SUBSS), arith<subpd, 16, Tiny::doubles>(ZYDIS_MNEMONIC_SUBPD), arith<subsd, 8, Tiny::first_double>(ZYDIS_MNEMONIC_SUBSD),
    arith<mulps, 16, Tiny::singles>(ZYDIS_MNEMONIC_MULPS), arith<mulss, 4, Tiny::first_single>(ZYDIS_MNEMONIC_MULSS), arith<mulpd, 16, Tiny::doubles>(ZYDIS_MNEMONIC_MULPD), arith<mulsd, 8, Tiny::first_double>(ZYDIS_MNEMONIC_MULSD),
    arith<divps, 16, Tiny::singles>(ZYDIS_MNEMONIC_DIVPS), arith<divss, 4, Tiny::first_single>(ZYDIS_MNEMONIC_DIVSS), arith<divpd, 16, Tiny::doubles>(ZYDIS_MNEMONIC_DIVPD), arith<divsd, 8, Tiny::first_double>(ZYDIS_MNEMONIC_DIVSD),
    arith<minps, 16>(ZYDIS_MNEMONIC_MINPS), arith<minss, 4>(ZYDIS_MNEMONIC_MINSS), arith<minpd, 16>(ZYDIS_MNEMONIC_MINPD), arith<minsd, 8>(ZYDIS_MNEMONIC_MINSD),
    arith<maxps, 16>(ZYDIS_MNEMONIC_MAXPS), arith<maxss, 4>(ZYDIS_MNEMONIC_MAXSS), arith<maxpd, 16>(ZYDIS_MNEMONIC_MAXPD), arith<maxsd, 8>(ZYDIS_MNEMONIC_MAXSD),
    arith<sqrtps, 16>(ZYDIS_MNEMONIC_SQRTPS), arith<sqrtss, 4>(ZYDIS_MNEMONIC_SQRTSS), arith<sqrtpd, 16>(ZYDIS_MNEMONIC_SQRTPD), arith<sqrtsd, 8>(ZYDIS_MNEMONIC_SQRTSD),
    arith<cvtdq2ps, 16>(ZYDIS_MNEMONIC_CVTDQ2PS), arith<cvtps2dq, 16>(ZYDIS_MNEMONIC_CVTPS2DQ), arith<cvttps2dq, 16>(ZYDIS_MNEMONIC_CVTTPS2DQ),
    arith<cvtdq2pd, 8>(ZYDIS_MNEMONIC_CVTDQ2PD), arith<cvtpd2dq, 16>(ZYDIS_MNEMONIC_CVTPD2DQ), arith<cvttpd2dq, 16>(ZYDIS_MNEMONIC_CVTTPD2DQ),
    arith<cvtps2pd, 8>(ZYDIS_MNEMONIC_CVTPS2PD), arith<cvtpd2ps, 16, Tiny::singles>(ZYDIS_MNEMONIC_CVTPD2PS), arith<cvtss2sd, 4>(ZYDIS_MNEMONIC_CVTSS2SD), arith<cvtsd2ss, 8, Tiny::first_single>(ZYDIS_MNEMONIC_CVTSD2SS),
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
