// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/vector/half_float.h"

#include <algorithm>
#include <bit>

#include "base/bits.h"

namespace vtsim::cpu::exec {
namespace {

// Formats of IEEE 754: "binary32" and "binary16".
constexpr unsigned single_fraction = 23, half_fraction = 10;
constexpr int single_bias = 127, half_bias = 15;
constexpr int half_min_exponent = 1 - half_bias;                    // of normal numbers
constexpr u32 single_exponent_mask = 0x7f80'0000, single_quiet = 0x0040'0000;
constexpr u16 half_exponent_mask = 0x7c00, half_quiet = 0x0200, half_max = 0x7bff;
constexpr unsigned dropped_bits = single_fraction - half_fraction;

// MXCSR. SDM vol. 1, "MXCSR Control and Status Register".
constexpr u32 invalid = 0x01, denormal = 0x02, overflow = 0x08, underflow = 0x10, precision = 0x20, denormals_are_zeros = 0x40, overflow_mask = 0x400, underflow_mask = 0x800;
using RoundingControl = Field<14, 13>;
enum Rounding : u8 { nearest, down, up, towards_zero };

Rounding rounding_of(u8 imm, u32 mxcsr) { return static_cast<Rounding>((imm & 4) != 0 ? RoundingControl::get(mxcsr) : imm & 3); }

struct Rounded { u32 value; bool inexact; };

// A magnitude without its lowest bits.
Rounded rounded(u32 magnitude, unsigned bits, bool negative, Rounding rounding) {
    const u32 kept = magnitude >> bits, rest = magnitude & ((u32{1} << bits) - 1), half = u32{1} << (bits - 1);
    bool away = false;
    switch (rounding) {
        case nearest: away = rest > half || (rest == half && (kept & 1) != 0); break;
        case down: away = rest != 0 && negative; break;
        case up: away = rest != 0 && !negative; break;
        case towards_zero: break;
    }
    return {kept + (away ? 1 : 0), rest != 0};
}

// Whether the masked response to overflow is the largest finite number rather than infinity. SDM vol. 1, "Numeric Overflow Exception (#O)".
bool overflows_to_finite(bool negative, Rounding rounding) { return rounding == towards_zero || rounding == (negative ? up : down); }

// A finite number other than zero: significand * 2^(exponent - 23), with bit 23 set. Unmasked, overflow and underflow speak of the result with 11 bits and an exponent
// without bounds: underflow is raised for exact results too, and PE is about that result. SDM vol. 1, "Numeric Underflow Exception (#U)".
HalfResult finite_to_half(u32 significand, int exponent, bool negative, Rounding rounding, u32 mxcsr) {
    const Rounded unbounded = rounded(significand, dropped_bits, negative, rounding);
    if (exponent >= half_min_exponent) {
        const u32 inexact = unbounded.inexact ? precision : 0;
        const u32 bits = unbounded.value + (static_cast<u32>(exponent - half_min_exponent) << half_fraction);   // the leading bit adds 1 to the exponent
        if (bits <= half_max) return {static_cast<u16>(bits), inexact};
        return {overflows_to_finite(negative, rounding) ? half_max : half_exponent_mask, overflow | ((mxcsr & overflow_mask) != 0 ? precision : inexact)};
    }
    // Denormal: more bits go. Beyond all of the 24 and one more for the comparison with half, the number of them makes no difference.
    const auto bits = std::min(dropped_bits + static_cast<unsigned>(half_min_exponent - exponent), single_fraction + 2);
    const Rounded result = rounded(significand, bits, negative, rounding);
    const bool carried = unbounded.value >> (half_fraction + 1) != 0;
    const bool tiny = exponent < half_min_exponent - 1 || !carried;
    if (tiny && (mxcsr & underflow_mask) == 0) return {static_cast<u16>(result.value), underflow | (unbounded.inexact ? precision : 0)};
    return {static_cast<u16>(result.value), result.inexact ? precision | (tiny ? underflow : 0) : 0};
}

}  // namespace

SingleResult half_to_single(u16 half) {
    const u32 sign = u32{half & 0x8000u} << 16, fraction = half & 0x3ffu;
    const u32 exponent = half >> half_fraction & 0x1fu;
    if (exponent == 0x1f) {
        const bool nan = fraction != 0, signalling = nan && (half & half_quiet) == 0;
        return {sign | single_exponent_mask | fraction << dropped_bits | (nan ? single_quiet : 0), signalling ? invalid : 0};
    }
    constexpr u32 rebias = single_bias - half_bias;
    if (exponent != 0) return {sign | (exponent + rebias) << single_fraction | fraction << dropped_bits, 0};
    if (fraction == 0) return {sign, 0};
    const u32 shift = static_cast<u32>(std::countl_zero(fraction)) - (31 - half_fraction);       // until the leading bit is where normal numbers imply it
    const u32 normalized = fraction << shift & 0x3ffu;
    return {sign | (rebias + 1 - shift) << single_fraction | normalized << dropped_bits, 0};
}

HalfResult single_to_half(u32 single, u8 imm, u32 mxcsr) {
    const auto sign = static_cast<u16>(single >> 16 & 0x8000);
    const u32 fraction = single & 0x7f'ffff, exponent = single >> single_fraction & 0xff;
    if (exponent == 0xff) {
        const bool nan = fraction != 0, signalling = nan && (single & single_quiet) == 0;
        return {static_cast<u16>(sign | half_exponent_mask | fraction >> dropped_bits | (nan ? half_quiet : 0u)), signalling ? invalid : 0};
    }
    const bool is_denormal = exponent == 0 && fraction != 0;
    if (exponent == 0 && (!is_denormal || (mxcsr & denormals_are_zeros) != 0)) return {sign, 0};
    const auto shift = is_denormal ? static_cast<unsigned>(std::countl_zero(fraction)) - (31 - single_fraction) : 0;
    const u32 significand = is_denormal ? fraction << shift : fraction | 1u << single_fraction;
    const int power = (is_denormal ? 1 - static_cast<int>(shift) : static_cast<int>(exponent)) - single_bias;
    const HalfResult magnitude = finite_to_half(significand, power, sign != 0, rounding_of(imm, mxcsr), mxcsr);
    return {static_cast<u16>(sign | magnitude.bits), magnitude.exceptions | (is_denormal ? denormal : 0)};
}

}  // namespace vtsim::cpu::exec
