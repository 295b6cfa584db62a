// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim {

// Bits High:Low of a register or table entry, numbered as the manuals number them.
template <unsigned High, unsigned Low = High>
struct Field {
    static_assert(High >= Low && High < 64);
    static constexpr u64 mask = (~u64{0} >> (63 - (High - Low))) << Low;
    static constexpr u64 get(u64 raw) { return (raw & mask) >> Low; }
    static constexpr u64 set(u64 raw, u64 value) { return (raw & ~mask) | ((value << Low) & mask); }
    static constexpr bool test(u64 raw) { return (raw & mask) != 0; }
};

constexpr u64 bit(unsigned number) { return u64{1} << number; }

// The lowest `count` bits set; count may be 0 to 64.
constexpr u64 low_bits(unsigned count) { return count >= 64 ? ~u64{0} : (u64{1} << count) - 1; }

constexpr u64 align_down(u64 value, u64 power_of_two) { return value & ~(power_of_two - 1); }
constexpr u64 align_up(u64 value, u64 power_of_two) { return align_down(value + power_of_two - 1, power_of_two); }

// The low `bits` bits of `value` with the topmost of them repeated upwards.
constexpr u64 sign_extend(u64 value, unsigned bits) {
    const unsigned unused = 64 - bits;
    return static_cast<u64>(static_cast<i64>(value << unused) >> unused);
}

// SDM vol. 1, "Canonical Addressing": bits 63 to 47 are equal.
constexpr bool canonical(u64 linear) { return sign_extend(linear, 48) == linear; }

}  // namespace vtsim
