// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/x87_transcendental.h"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <cstring>

namespace vtsim::cpu::exec::x87 {
namespace {

namespace mp = boost::multiprecision;
// Three times the width of a result: an argument below 2^63 minus a multiple of the 66-bit pi is exact.
using Wide = mp::number<mp::cpp_bin_float<192, mp::digit_base_2, void, std::int32_t, -80'000, 80'000>, mp::et_off>;

enum Opcode : unsigned { f2xm1 = 0xf0, fyl2x = 0xf1, fptan = 0xf2, fpatan = 0xf3, fyl2xp1 = 0xf9, fsincos = 0xfb, fsin = 0xfe, fcos = 0xff };

constexpr u16 invalid = 1, denormal = 2, underflow = 16, c1 = 1U << 9, c2 = 1U << 10;
constexpr int mantissa_bits = 64, least_exponent = -16'381;          // of a normal number, as frexp() counts

long double value_of(const u8* reg) {
    long double value = 0;
    std::memcpy(&value, reg, 10);
    return value;
}

bool ordinary(long double value) { return std::isfinite(value) && value != 0; }

// A result before it is rounded: `beyond` says on which side of `value` the true one lies when they are too near for Wide to tell: -1 towards zero, +1 away from it.
struct Result {
    Wide value;
    int beyond = 0;
};

struct Rounded {
    long double value;
    bool up, tiny;               // up: away from zero
};

Rounded round(const Result& result, unsigned control) {
    const bool negative = result.value < 0;
    const Wide magnitude = mp::abs(result.value);
    int exponent;
    (void)mp::frexp(magnitude, &exponent);
    const bool tiny = exponent < least_exponent;
    int scale = mantissa_bits - std::max(exponent, least_exponent);
    const Wide scaled = mp::ldexp(magnitude, scale), whole = mp::floor(scaled), rest = scaled - whole;
    const Wide half = mp::ldexp(Wide{1}, -1);
    auto integer = static_cast<u128>(whole);
    bool up;
    if (rest == 0 && result.beyond != 0) {
        // A hair below or above a number of 64 bits.
        if (result.beyond < 0) {
            if (integer == u64{1} << 63 && exponent > least_exponent) {
                integer = static_cast<u128>(1) << 64;        // its neighbour below has the next smaller exponent
                ++scale;
            }
            --integer;
        }
        const unsigned direction = control >> 10 & 3;
        const bool away = (direction == 1 && negative) || (direction == 2 && !negative);
        up = result.beyond < 0 ? direction == 0 || away : away;
    } else {
        switch (control >> 10 & 3) {
            case 0: up = rest > half || (rest == half && (integer & 1) != 0); break;
            case 1: up = rest != 0 && negative; break;
            case 2: up = rest != 0 && !negative; break;
            default: up = false; break;
        }
    }
    if (up) ++integer;
    // At most 2^64: exact.
    const auto value = std::ldexp(static_cast<long double>(static_cast<u64>(integer >> 1)) * 2 + static_cast<long double>(static_cast<u64>(integer & 1)), -scale);
    return {negative ? -value : value, up, tiny};
}

// ---- the functions ------------------------------------------------------------------------------------------------------------------

// C90FDAA22168C234CH, two bits before the point: 66 significant bits.
const Wide& pi() {
    static const Wide value = mp::ldexp(Wide{0xc90f'daa2'2168'c234U}, -62) + mp::ldexp(Wide{0xc}, -66);
    return value;
}

struct Reduced {
    Wide rest;               // from -pi/4 to pi/4
    unsigned quadrant;
};
Reduced reduce(long double argument) {
    const Wide magnitude = mp::abs(Wide{argument}), quarter = mp::ldexp(pi(), -1);
    const Wide turns = mp::floor(magnitude / quarter + mp::ldexp(Wide{1}, -1));
    return {magnitude - turns * quarter, static_cast<unsigned>(static_cast<u128>(turns) & 3)};
}

Result sine_of(const Wide& rest) { return {mp::sin(rest), -1}; }
Result cosine_of(const Wide& rest) { return {mp::cos(rest), -1}; }

Result sine(long double argument) {
    const auto [rest, quadrant] = reduce(argument);
    Result result = (quadrant & 1) != 0 ? cosine_of(rest) : sine_of(rest);
    if (((quadrant & 2) != 0) != std::signbit(argument)) result.value = -result.value;
    return result;
}

Result cosine(long double argument) {
    const auto [rest, quadrant] = reduce(argument);
    Result result = (quadrant & 1) != 0 ? sine_of(rest) : cosine_of(rest);
    if (quadrant == 1 || quadrant == 2) result.value = -result.value;
    return result;
}

Result tangent(long double argument) {
    const auto [rest, quadrant] = reduce(argument);
    const Wide value = mp::sin(rest) / mp::cos(rest);
    Result result{(quadrant & 1) != 0 ? Wide{-1 / value} : value, (quadrant & 1) != 0 ? -1 : 1};
    if (std::signbit(argument)) result.value = -result.value;
    return result;
}

// The angle of the point (x, y).
Result angle(long double y, long double x) {
    const Wide ratio = mp::abs(Wide{y} / Wide{x});
    Wide value = mp::atan(ratio);
    int beyond = -1;
    if (std::signbit(x)) {
        value = mp::acos(Wide{-1}) - value;
        beyond = 0;
    }
    return {std::signbit(y) ? Wide{-value} : value, beyond};
}

const Wide& ln2() {
    static const Wide value = mp::log(Wide{2});
    return value;
}

// y * log2(x): exact for powers of two.
Result product_with_log(long double y, long double x) {
    int exponent;
    const long double mantissa = std::frexp(x, &exponent);
    if (mantissa == 0.5L) return {Wide{y} * (exponent - 1)};
    return {Wide{y} * (mp::log(Wide{x}) / ln2())};
}

Result product_with_log_of_sum(long double y, long double x) { return {Wide{y} * (mp::log1p(Wide{x}) / ln2())}; }

Result power_of_two_minus_one(long double x) {
    if (x == 1 || x == -1) return {Wide{x == 1 ? 1.0L : -0.5L}};
    return {mp::expm1(Wide{x} * ln2())};
}

bool is_trigonometric(unsigned modrm) { return modrm == fptan || modrm == fsincos || modrm == fsin || modrm == fcos; }

// Whether the manuals leave the value to the processor.
bool approximates(unsigned modrm, long double st0, long double st1, u16 status, u16 control) {
    if ((status & invalid) != 0 || (status & ~control & denormal) != 0 || !ordinary(st0)) return false;
    switch (modrm) {
        case fyl2x: return ordinary(st1) && st0 > 0 && st0 != 1;
        case fyl2xp1: return ordinary(st1) && st0 > -1;
        case fpatan: return ordinary(st1);
        case f2xm1: return std::fabs(st0) <= 1;
        default: return (status & c2) == 0;
    }
}

// Into register `number` of the stack.
void put(FxsaveArea& area, unsigned number, const Result& result) {
    const auto rounded = round(result, area.control);
    // Unmasked, an underflow leaves a scaled value, and so does an overflow: the host's.
    if (!std::isfinite(rounded.value) || (rounded.tiny && (area.control & underflow) == 0)) return;
    std::memcpy(area.st[number], &rounded.value, 10);
    area.status = static_cast<u16>((area.status & ~c1) | (rounded.up ? c1 : 0));
}

}  // namespace

bool is_transcendental(unsigned escape, unsigned modrm) {
    return escape == 1 && (is_trigonometric(modrm) || modrm == f2xm1 || modrm == fyl2x || modrm == fpatan || modrm == fyl2xp1);
}

void replace_approximation(unsigned modrm, const FxsaveArea& before, FxsaveArea& after) {
    const long double st0 = value_of(before.st[0]), st1 = value_of(before.st[1]);
    if (!approximates(modrm, st0, st1, after.status, after.control)) return;
    switch (modrm) {
        case f2xm1: return put(after, 0, power_of_two_minus_one(st0));
        case fyl2x: return put(after, 0, product_with_log(st1, st0));
        case fyl2xp1: return put(after, 0, product_with_log_of_sum(st1, st0));
        case fpatan: return put(after, 0, angle(st1, st0));
        case fsin: return put(after, 0, sine(st0));
        case fcos: return put(after, 0, cosine(st0));
        case fptan: return put(after, 1, tangent(st0));
        default:
            put(after, 0, cosine(st0));
            return put(after, 1, sine(st0));
    }
}

}  // namespace vtsim::cpu::exec::x87
