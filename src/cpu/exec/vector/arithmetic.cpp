// SPDX-License-Identifier: Apache-2.0
// Floating-point arithmetic and comparisons of SSE, SSE3, SSE4.1 and AVX; FMA.
#include <smmintrin.h>

#include <cmath>
#include <type_traits>
#include <utility>

#include "cpu/exec/vector/move.h"
#include "cpu/exec/vector/mxcsr.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// Not inline: the compiler must not move the computation out of the guest's MXCSR.
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
VTSIM_PS(addsubps, _mm_addsub_ps) VTSIM_PD(addsubpd, _mm_addsub_pd) VTSIM_PS(haddps, _mm_hadd_ps) VTSIM_PD(haddpd, _mm_hadd_pd) VTSIM_PS(hsubps, _mm_hsub_ps) VTSIM_PD(hsubpd, _mm_hsub_pd)
#undef VTSIM_PS
#undef VTSIM_PD
[[gnu::noinline]] __m128i sqrtps(__m128i, __m128i b) { return _mm_castps_si128(_mm_sqrt_ps(_mm_castsi128_ps(b))); }
[[gnu::noinline]] __m128i sqrtpd(__m128i, __m128i b) { return _mm_castpd_si128(_mm_sqrt_pd(_mm_castsi128_pd(b))); }
[[gnu::noinline]] __m128i sqrtss(__m128i a, __m128i b) { return _mm_castps_si128(_mm_move_ss(_mm_castsi128_ps(a), _mm_sqrt_ss(_mm_castsi128_ps(b)))); }
[[gnu::noinline]] __m128i sqrtsd(__m128i a, __m128i b) { return _mm_castpd_si128(_mm_sqrt_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(b))); }

// ---- comparisons ------------------------------------------------------------------------------------------------------------------

template <class T>
struct Compared {
    static constexpr unsigned count = 16 / sizeof(T);
    T at[count];
};

// CMPxx with its 32 predicates, of which SSE has the first eight: 4 bits of what is compared, bit 4 turns over whether a quiet NaN signals. SDM vol. 2, table "Comparison Predicate for CMPPD and CMPPS".
// The host compares with one of its eight predicates that signals as the guest's does, for IE and DE; the result is then made of less, equal and unordered.
template <class T, bool scalar>
[[gnu::noinline]] __m128i compare(__m128i a, __m128i b, unsigned predicate) {
    const bool orders = (predicate & 3) == 1 || (predicate & 3) == 2;                       // LT, LE, NLT, NLE and their kin
    const bool signals = orders != ((predicate & 0x10) != 0);
    __m128i less, equal, unordered;
    if constexpr (sizeof(T) == 4) {
        const __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);
        if (signals) {
            less = _mm_castps_si128(scalar ? _mm_cmplt_ss(x, y) : _mm_cmplt_ps(x, y));
            __asm__ volatile("" : "+x"(less));
        } else {
            less = _mm_setzero_si128();
        }
        equal = _mm_castps_si128(scalar ? _mm_cmpeq_ss(x, y) : _mm_cmpeq_ps(x, y));
        unordered = _mm_castps_si128(scalar ? _mm_cmpunord_ss(x, y) : _mm_cmpunord_ps(x, y));
    } else {
        const __m128d x = _mm_castsi128_pd(a), y = _mm_castsi128_pd(b);
        if (signals) {
            less = _mm_castpd_si128(scalar ? _mm_cmplt_sd(x, y) : _mm_cmplt_pd(x, y));
            __asm__ volatile("" : "+x"(less));
        } else {
            less = _mm_setzero_si128();
        }
        equal = _mm_castpd_si128(scalar ? _mm_cmpeq_sd(x, y) : _mm_cmpeq_pd(x, y));
        unordered = _mm_castpd_si128(scalar ? _mm_cmpunord_sd(x, y) : _mm_cmpunord_pd(x, y));
    }
    Compared<T> first, second, out;
    using Mask = std::conditional_t<sizeof(T) == 4, u32, u64>;
    Compared<Mask> is_equal, is_unordered;
    __builtin_memcpy(&first, &a, 16);
    __builtin_memcpy(&second, &b, 16);
    __builtin_memcpy(&is_equal, &equal, 16);
    __builtin_memcpy(&is_unordered, &unordered, 16);
    __builtin_memcpy(&out, &a, 16);
    Compared<Mask> result;
    __builtin_memcpy(&result, &out, 16);
    // By predicate: whether it holds for less, equal, greater, unordered.
    static constexpr u8 holds[16] = {0b0010, 0b0001, 0b0011, 0b1000, 0b1101, 0b1110, 0b1100, 0b0111, 0b1010, 0b1001, 0b1011, 0b0000, 0b0101, 0b0110, 0b0100, 0b1111};
    for (unsigned i = 0; i < (scalar ? 1U : Compared<T>::count); ++i) {
        const unsigned relation = is_unordered.at[i] != 0 ? 3 : is_equal.at[i] != 0 ? 1 : std::isless(first.at[i], second.at[i]) ? 0 : 2;
        result.at[i] = (holds[predicate & 15] >> relation & 1) != 0 ? static_cast<Mask>(~Mask{0}) : Mask{0};
    }
    __m128i value;
    __builtin_memcpy(&value, &result, 16);
    return value;
}

template <class T, bool scalar>
struct Compare {
    template <Encoding given>
    static Event body(Core& core, const MicroOp& op) {
        constexpr Encoding encoding = scalar && given == Encoding::vex256 ? Encoding::vex128 : given;
        const auto b = second_source<scalar ? sizeof(T) : vector_bytes<encoding>, encoding == Encoding::legacy && !scalar>(core, op);
        if (!b) return b.event;
        const __m128i lo = low_half(core, op.src), hi = high_half(core, op.src);
        const unsigned predicate = static_cast<unsigned>(op.imm) & (encoding == Encoding::legacy ? 7 : 31);
        const auto result = under_guest_mxcsr<Tiny::never, encoding>(
            core, [&] { return Value{compare<T, scalar>(lo, b.value.lo, predicate), encoding == Encoding::vex256 ? compare<T, scalar>(hi, b.value.hi, predicate) : _mm_setzero_si128()}; });
        if (result) set_result<encoding>(core, op.dst, result.value.lo, result.value.hi);
        return result.event;
    }
};

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
struct Order {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<doubles ? 8 : 4, false>(core, op);
        if (!b) return b.event;
        const __m128i x = low_half(core, op.dst);
        const auto flags = under_guest_mxcsr<Tiny::never, Encoding::vex128>(core, [&] { return Value{ordering<doubles, signals>(x, b.value.lo), _mm_setzero_si128()}; });
        if (flags) core.s.write_rflags((core.s.rflags & ~arch::rflags::status) | static_cast<u64>(_mm_cvtsi128_si64(flags.value.lo)));
        return flags.event;
    }
};

// ---- rounding to integers ---------------------------------------------------------------------------------------------------------

enum class Lanes : u8 { singles, doubles, first_single, first_double };

template <Lanes lanes, int mode>
[[gnu::noinline]] __m128i round_by(__m128i a, __m128i b) {
    if constexpr (lanes == Lanes::singles) return _mm_castps_si128(_mm_round_ps(_mm_castsi128_ps(b), mode));
    else if constexpr (lanes == Lanes::doubles) return _mm_castpd_si128(_mm_round_pd(_mm_castsi128_pd(b), mode));
    else if constexpr (lanes == Lanes::first_single) return _mm_castps_si128(_mm_round_ss(_mm_castsi128_ps(a), _mm_castsi128_ps(b), mode));
    else return _mm_castpd_si128(_mm_round_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(b), mode));
}

// ROUNDPS and relatives: bits 1:0 the mode, bit 2 takes MXCSR's, bit 3 keeps inexact results quiet.
template <Lanes lanes>
[[gnu::noinline]] __m128i round_to_integer(__m128i a, __m128i b, unsigned immediate) {
    return [&]<int... modes>(std::integer_sequence<int, modes...>) {
        static constexpr Binary by_mode[] = {&round_by<lanes, modes>...};
        return by_mode[immediate & 15](a, b);
    }(std::make_integer_sequence<int, 16>{});
}

template <Lanes lanes>
struct Round {
    template <Encoding given>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned bytes = lanes == Lanes::first_single ? 4 : lanes == Lanes::first_double ? 8 : 0;
        constexpr Encoding encoding = bytes != 0 && given == Encoding::vex256 ? Encoding::vex128 : given;
        const auto b = second_source<bytes != 0 ? bytes : vector_bytes<encoding>, encoding == Encoding::legacy && bytes == 0>(core, op);
        if (!b) return b.event;
        const __m128i lo = low_half(core, op.src), hi = high_half(core, op.src);
        const auto mode = static_cast<unsigned>(op.imm);
        const auto result = under_guest_mxcsr<Tiny::never, encoding>(
            core, [&] { return Value{round_to_integer<lanes>(lo, b.value.lo, mode), encoding == Encoding::vex256 ? round_to_integer<lanes>(hi, b.value.hi, mode) : _mm_setzero_si128()}; });
        if (result) set_result<encoding>(core, op.dst, result.value.lo, result.value.hi);
        return result.event;
    }
};

// ---- dot products -----------------------------------------------------------------------------------------------------------------

// DPPS, DPPD: the products that bits 7:4 (5:4) choose are added in pairs and go where bits 3:0 (1:0) say. What is not chosen is not multiplied and raises nothing. Each step rounds and
// raises: an unmasked exception of the products comes before those of the sums.
template <class T>
__m128i lanes_of_bits(unsigned bits) {
    if constexpr (sizeof(T) == 4) return _mm_set_epi32((bits & 8) != 0 ? -1 : 0, (bits & 4) != 0 ? -1 : 0, (bits & 2) != 0 ? -1 : 0, (bits & 1) != 0 ? -1 : 0);
    else return _mm_set_epi64x((bits & 2) != 0 ? -1 : 0, (bits & 1) != 0 ? -1 : 0);
}
__m128i first_with_second(__m128i pairs, __m128i) { return addss(pairs, _mm_srli_si128(pairs, 4)); }

template <class T>
struct DotProduct {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr Tiny lanes = sizeof(T) == 4 ? Tiny::singles : Tiny::doubles;
        constexpr Binary multiply = sizeof(T) == 4 ? mulps : mulpd, add = sizeof(T) == 4 ? haddps : haddpd;
        const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
        if (!b) return b.event;
        const auto immediate = static_cast<unsigned>(op.imm);
        const __m128i chosen = lanes_of_bits<T>(immediate >> 4), wanted = lanes_of_bits<T>(immediate);
        const auto step = [&]<Binary f, Tiny rounded, Scaling scaling>(const Value& x, const Value& y) {
            const auto compute = [&] { return Value{f(x.lo, y.lo), encoding == Encoding::vex256 ? f(x.hi, y.hi) : _mm_setzero_si128()}; };
            return under_guest_mxcsr<rounded, encoding>(core, compute, PrecisionOf<of_two<f>, scaling, rounded, encoding>{x, y, {}});
        };
        const Value first{_mm_and_si128(low_half(core, op.src), chosen), _mm_and_si128(high_half(core, op.src), chosen)};
        const Value second{_mm_and_si128(b.value.lo, chosen), _mm_and_si128(b.value.hi, chosen)};
        const auto products = step.template operator()<multiply, lanes, Scaling::product>(first, second);
        if (!products) return products.event;
        auto sums = step.template operator()<add, lanes, Scaling::pairs>(products.value, products.value);
        if (!sums) return sums.event;
        if constexpr (sizeof(T) == 4) {
            sums = step.template operator()<first_with_second, Tiny::first_single, Scaling::pairs>(sums.value, sums.value);
            if (!sums) return sums.event;
        }
        const auto spread = [&](__m128i sum) { return _mm_and_si128(sizeof(T) == 4 ? _mm_shuffle_epi32(sum, 0) : _mm_unpacklo_epi64(sum, sum), wanted); };
        set_result<encoding>(core, op.dst, spread(sums.value.lo), encoding == Encoding::vex256 ? spread(sums.value.hi) : _mm_setzero_si128());
        return {};
    }
};

// ---- approximations ---------------------------------------------------------------------------------------------------------------

// RCP and RSQRT: at most 1.5 * 2^-12 off, the rest is the processor's choice (SDM vol. 2, "RCPPS"). Here they are the exact value rounded to 12 bits, the same on every host.
// Denormal numbers count as zero, tiny results become zero, and nothing is raised.
u32 round_to_12_bits(double exact) {
    const auto value = static_cast<float>(exact);
    u32 bits;
    __builtin_memcpy(&bits, &value, 4);
    constexpr u32 dropped = 12;
    bits = (bits + (1U << (dropped - 1))) & ~((1U << dropped) - 1);
    return (bits & 0x7f80'0000) == 0 ? bits & 0x8000'0000 : bits;
}
template <bool root>
u32 approximate(u32 bits) {
    const u32 sign = bits & 0x8000'0000, magnitude = bits & 0x7fff'ffff;
    constexpr u32 infinity = 0x7f80'0000, quiet = 0x40'0000, indefinite = 0xffc0'0000;
    if (magnitude > infinity) return bits | quiet;
    if (magnitude < 0x80'0000) return sign | infinity;
    if (root && sign != 0) return indefinite;
    if (magnitude == infinity) return sign;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return round_to_12_bits(root ? 1 / std::sqrt(static_cast<double>(value)) : 1 / static_cast<double>(value));
}
template <bool root, bool scalar>
__m128i reciprocal(__m128i a, __m128i b) {
    u32 from[4], to[4];
    __builtin_memcpy(from, &b, 16);
    __builtin_memcpy(to, &a, 16);
    for (unsigned i = 0; i < (scalar ? 1 : 4); ++i) to[i] = approximate<root>(from[i]);
    __m128i result;
    __builtin_memcpy(&result, to, 16);
    return result;
}
template <Binary f>
struct ScalarSingle {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto b = second_source<4, false>(core, op);
        if (b) set_result<encoding>(core, op.dst, f(low_half(core, op.src), b.value.lo));
        return b.event;
    }
};

#define VTSIM_ARITHMETIC(NAME, name, scaling) \
    VTSIM_VECTOR_ROWS(NAME##PS, Arithmetic<name##ps, 0, Tiny::singles, scaling>), VTSIM_VECTOR_ROWS(NAME##PD, Arithmetic<name##pd, 0, Tiny::doubles, scaling>), \
    VTSIM_VECTOR_ROWS(NAME##SS, Arithmetic<name##ss, 4, Tiny::first_single, scaling>), VTSIM_VECTOR_ROWS(NAME##SD, Arithmetic<name##sd, 8, Tiny::first_double, scaling>)
#define VTSIM_EXACT(NAME, name) \
    VTSIM_VECTOR_ROWS(NAME##PS, Arithmetic<name##ps, 0, Tiny::never>), VTSIM_VECTOR_ROWS(NAME##PD, Arithmetic<name##pd, 0, Tiny::never>), \
    VTSIM_VECTOR_ROWS(NAME##SS, Arithmetic<name##ss, 4, Tiny::never>), VTSIM_VECTOR_ROWS(NAME##SD, Arithmetic<name##sd, 8, Tiny::never>)
constexpr Row rows[] = {
    VTSIM_ARITHMETIC(ADD, add, Scaling::sum), VTSIM_ARITHMETIC(SUB, sub, Scaling::sum), VTSIM_ARITHMETIC(MUL, mul, Scaling::product), VTSIM_ARITHMETIC(DIV, div, Scaling::product),
    VTSIM_EXACT(MIN, min), VTSIM_EXACT(MAX, max), VTSIM_EXACT(SQRT, sqrt),
    VTSIM_VECTOR_ROWS(ADDSUBPS, Arithmetic<addsubps, 0, Tiny::singles>), VTSIM_VECTOR_ROWS(ADDSUBPD, Arithmetic<addsubpd, 0, Tiny::doubles>),
    VTSIM_VECTOR_ROWS(HADDPS, Arithmetic<haddps, 0, Tiny::singles, Scaling::pairs>), VTSIM_VECTOR_ROWS(HADDPD, Arithmetic<haddpd, 0, Tiny::doubles, Scaling::pairs>),
    VTSIM_VECTOR_ROWS(HSUBPS, Arithmetic<hsubps, 0, Tiny::singles, Scaling::pairs>), VTSIM_VECTOR_ROWS(HSUBPD, Arithmetic<hsubpd, 0, Tiny::doubles, Scaling::pairs>),
    VTSIM_VECTOR_ROWS(DPPS, DotProduct<float>), VTSIM_VECTOR_ROWS(DPPD, DotProduct<double>),
    VTSIM_VECTOR_ROWS(RCPPS, Lanewise<reciprocal<false, false>>), VTSIM_VECTOR_ROWS(RSQRTPS, Lanewise<reciprocal<true, false>>),
    VTSIM_VECTOR_ROWS(RCPSS, ScalarSingle<reciprocal<false, true>>), VTSIM_VECTOR_ROWS(RSQRTSS, ScalarSingle<reciprocal<true, true>>),
    VTSIM_VECTOR_ROWS(CMPPS, Compare<float, false>), VTSIM_VECTOR_ROWS(CMPPD, Compare<double, false>), VTSIM_VECTOR_ROWS(CMPSS, Compare<float, true>), vex_row<Compare<double, true>>(ZYDIS_MNEMONIC_VCMPSD),
    VTSIM_VECTOR_ROWS(COMISS, Order<false, true>), VTSIM_VECTOR_ROWS(COMISD, Order<true, true>), VTSIM_VECTOR_ROWS(UCOMISS, Order<false, false>), VTSIM_VECTOR_ROWS(UCOMISD, Order<true, false>),
    VTSIM_VECTOR_ROWS(ROUNDPS, Round<Lanes::singles>), VTSIM_VECTOR_ROWS(ROUNDPD, Round<Lanes::doubles>), VTSIM_VECTOR_ROWS(ROUNDSS, Round<Lanes::first_single>), VTSIM_VECTOR_ROWS(ROUNDSD, Round<Lanes::first_double>),
};
#undef VTSIM_ARITHMETIC
#undef VTSIM_EXACT

}  // namespace

bool build_cmpsd(const Decoded& decoded, Built& op) { return build_vector<Compare<double, true>>(decoded, op); }

bool build_sse_scalar_double(const Decoded& decoded, Built& op) {
    // The row belongs to the string instruction and says nothing of what SSE needs.
    if (decoded.mode.sse_disabled || decoded.mode.task_switched) return false;
    return decoded.instruction.mnemonic == ZYDIS_MNEMONIC_CMPSD ? build_cmpsd(decoded, op) : build_movsd(decoded, op);
}

std::span<const Row> vector_arithmetic_rows() { return rows; }

}  // namespace vtsim::cpu::exec
