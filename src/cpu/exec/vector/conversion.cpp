// SPDX-License-Identifier: Apache-2.0
// Conversions of SSE, SSE2 and AVX between integers, singles and doubles.
#include <type_traits>

#include "cpu/exec/vector/mxcsr.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

[[gnu::noinline]] __m128i cvtdq2ps(__m128i, __m128i b) { return _mm_castps_si128(_mm_cvtepi32_ps(b)); }
[[gnu::noinline]] __m128i cvtps2dq(__m128i, __m128i b) { return _mm_cvtps_epi32(_mm_castsi128_ps(b)); }
[[gnu::noinline]] __m128i cvttps2dq(__m128i, __m128i b) { return _mm_cvttps_epi32(_mm_castsi128_ps(b)); }
[[gnu::noinline]] __m128i cvtdq2pd(__m128i b) { return _mm_castpd_si128(_mm_cvtepi32_pd(b)); }
[[gnu::noinline]] __m128i cvtps2pd(__m128i b) { return _mm_castpd_si128(_mm_cvtps_pd(_mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i cvtpd2dq(__m128i b) { return _mm_cvtpd_epi32(_mm_castsi128_pd(b)); }
[[gnu::noinline]] __m128i cvttpd2dq(__m128i b) { return _mm_cvttpd_epi32(_mm_castsi128_pd(b)); }
[[gnu::noinline]] __m128i cvtpd2ps(__m128i b) { return _mm_castps_si128(_mm_cvtpd_ps(_mm_castsi128_pd(b))); }
[[gnu::noinline]] __m128i cvtss2sd(__m128i a, __m128i b) { return _mm_castpd_si128(_mm_cvtss_sd(_mm_castsi128_pd(a), _mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i cvtsd2ss(__m128i a, __m128i b) { return _mm_castps_si128(_mm_cvtsd_ss(_mm_castsi128_ps(a), _mm_castsi128_pd(b))); }

using Unary = __m128i (*)(__m128i);
template <Unary f>
__m128i of_second(__m128i, __m128i source, __m128i) { return f(source); }

// To elements twice as wide: the low half of the source becomes the whole result.
template <Unary f>
struct Widen {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<vector_bytes<encoding> / 2, false>(core, op);
        if (!b) return b.event;
        const __m128i from = b.value.lo;
        const auto result = under_guest_mxcsr<Tiny::never, encoding>(core, [&] { return Value{f(from), encoding == Encoding::vex256 ? f(_mm_srli_si128(from, 8)) : _mm_setzero_si128()}; });
        if (result) set_result<encoding>(core, op.dst, result.value.lo, result.value.hi);
        return result.event;
    }
};

// To elements half as wide: the result is in the low half (of XMM: in its low half), zeros above.
template <Unary f, Tiny lanes>
struct Narrow {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
        if (!b) return b.event;
        const auto compute = [&] { return Value{encoding == Encoding::vex256 ? _mm_unpacklo_epi64(f(b.value.lo), f(b.value.hi)) : f(b.value.lo), _mm_setzero_si128()}; };
        const auto result = under_guest_mxcsr<lanes, Encoding::vex128>(core, compute, PrecisionOf<of_second<f>, Scaling::narrowing, lanes, encoding>{{}, b.value, {}});
        if (result) set_result<encoding>(core, op.dst, result.value.lo);
        return result.event;
    }
};

// ---- general registers -------------------------------------------------------------------------------------------------------------

template <bool doubles, bool truncates, class T>
struct ToInteger {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<doubles ? 8 : 4, false>(core, op);
        if (!b) return b.event;
        const __m128i y = b.value.lo;
        const auto result = under_guest_mxcsr<Tiny::never, Encoding::vex128>(core, [&] {
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
            return Value{_mm_cvtsi64_si128(value), _mm_setzero_si128()};
        });
        if (result) core.set_reg<T>(op.dst, static_cast<T>(_mm_cvtsi128_si64(result.value.lo)));
        return result.event;
    }
};

template <bool doubles, class T>
struct FromInteger {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto source = element_source<T>(core, op);
        if (!source) return source.event;
        const auto value = static_cast<std::make_signed_t<T>>(source.value);
        const __m128i x = low_half(core, op.src);
        const auto result = under_guest_mxcsr<Tiny::never, Encoding::vex128>(core, [&] {
            __m128i r;
            if constexpr (doubles) r = _mm_castpd_si128(sizeof(T) == 8 ? _mm_cvtsi64_sd(_mm_castsi128_pd(x), value) : _mm_cvtsi32_sd(_mm_castsi128_pd(x), value));
            else r = _mm_castps_si128(sizeof(T) == 8 ? _mm_cvtsi64_ss(_mm_castsi128_ps(x), value) : _mm_cvtsi32_ss(_mm_castsi128_ps(x), value));
            return Value{r, _mm_setzero_si128()};
        });
        if (result) set_result<encoding>(core, op.dst, result.value.lo);
        return result.event;
    }
};

template <bool doubles, bool truncates>
bool build_to_integer(const Decoded& decoded, Built& op) {
    return op.width == 3 ? build_vector<ToInteger<doubles, truncates, u64>>(decoded, op) : build_vector<ToInteger<doubles, truncates, u32>>(decoded, op);
}
template <bool doubles>
bool build_from_integer(const Decoded& decoded, Built& op) {
    const auto& source = decoded.operand(decoded.visible() - 1);
    return source.size == 64 ? build_vector<FromInteger<doubles, u64>>(decoded, op) : build_vector<FromInteger<doubles, u32>>(decoded, op);
}

#define VTSIM_BUILDER_ROWS(NAME, ...) \
    Row{ZYDIS_MNEMONIC_##NAME, &__VA_ARGS__, Flow::next, Needs::sse}, Row { ZYDIS_MNEMONIC_V##NAME, &__VA_ARGS__, Flow::next, Needs::avx }
constexpr Row rows[] = {
    VTSIM_VECTOR_ROWS(CVTDQ2PS, Arithmetic<cvtdq2ps, 0, Tiny::never>), VTSIM_VECTOR_ROWS(CVTPS2DQ, Arithmetic<cvtps2dq, 0, Tiny::never>), VTSIM_VECTOR_ROWS(CVTTPS2DQ, Arithmetic<cvttps2dq, 0, Tiny::never>),
    VTSIM_VECTOR_ROWS(CVTDQ2PD, Widen<cvtdq2pd>), VTSIM_VECTOR_ROWS(CVTPS2PD, Widen<cvtps2pd>),
    VTSIM_VECTOR_ROWS(CVTPD2DQ, Narrow<cvtpd2dq, Tiny::never>), VTSIM_VECTOR_ROWS(CVTTPD2DQ, Narrow<cvttpd2dq, Tiny::never>), VTSIM_VECTOR_ROWS(CVTPD2PS, Narrow<cvtpd2ps, Tiny::singles>),
    VTSIM_VECTOR_ROWS(CVTSS2SD, Arithmetic<cvtss2sd, 4, Tiny::never>), VTSIM_VECTOR_ROWS(CVTSD2SS, Arithmetic<cvtsd2ss, 8, Tiny::first_single, Scaling::narrowing>),
    VTSIM_BUILDER_ROWS(CVTSS2SI, build_to_integer<false, false>), VTSIM_BUILDER_ROWS(CVTTSS2SI, build_to_integer<false, true>),
    VTSIM_BUILDER_ROWS(CVTSD2SI, build_to_integer<true, false>), VTSIM_BUILDER_ROWS(CVTTSD2SI, build_to_integer<true, true>),
    VTSIM_BUILDER_ROWS(CVTSI2SS, build_from_integer<false>), VTSIM_BUILDER_ROWS(CVTSI2SD, build_from_integer<true>),
};
#undef VTSIM_BUILDER_ROWS

}  // namespace

std::span<const Row> vector_conversion_rows() { return rows; }

}  // namespace vtsim::cpu::exec
