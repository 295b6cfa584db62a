// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/exec/alu.h"

// Shifts and rotates of a value, with their flags.
namespace vtsim::cpu::exec {

enum class Shift : u8 { shl, shr, sar, rol, ror, rcl, rcr };
constexpr bool is_rotate(Shift s) { return s >= Shift::rol; }

template <class T>
constexpr unsigned bits_of = sizeof(T) * 8;

constexpr u64 carry_overflow(bool carry, bool overflow) { return u64{carry} | u64{overflow} << 11; }

template <class T>
constexpr bool top_bit(T value) {
    return (value >> (bits_of<T> - 1)) != 0;
}

// SHL, SHR, SAR by `but_one` + 1 bits: the last of the single-bit steps tells the flags.
template <Shift kind, class T, bool live>
[[gnu::always_inline]] inline T shift(Core& core, T a, unsigned but_one) {
    using Signed = std::make_signed_t<T>;
    if constexpr (sizeof(T) < 4) but_one = but_one < bits_of<T> ? but_one : bits_of<T>;       // counts up to 31 for all of them
    T before, result;
    arch::FlagKind flags;
    if constexpr (kind == Shift::shl) {
        before = static_cast<T>(u64{a} << but_one);
        result = static_cast<T>(before << 1);
        flags = arch::FlagKind::shl;
    } else if constexpr (kind == Shift::shr) {
        before = static_cast<T>(u64{a} >> but_one);
        result = static_cast<T>(before >> 1);
        flags = arch::FlagKind::shr;
    } else {
        before = static_cast<T>(i64{static_cast<Signed>(a)} >> but_one);
        result = static_cast<T>(static_cast<Signed>(before) >> 1);
        flags = arch::FlagKind::sar;
    }
    if constexpr (live) set_flags(core, result, sext(before), flags);
    return result;
}

// ROL, ROR by 1 to 63 (masked) bits change CF and OF only.
template <Shift kind, class T, bool live>
[[gnu::always_inline]] inline T rotate_whole(Core& core, T a, unsigned masked) {
    const unsigned count = masked % bits_of<T>;
    const unsigned rest = (bits_of<T> - count) % bits_of<T>;
    const T result = static_cast<T>(kind == Shift::rol ? a << count | a >> rest : a >> count | a << rest);
    if constexpr (live) {
        const bool carry = kind == Shift::rol ? (result & 1) != 0 : top_bit(result);
        const bool overflow = kind == Shift::rol ? top_bit(result) != carry : top_bit(result) != top_bit(static_cast<T>(result << 1));
        core.s.change_carry_overflow(carry, overflow);
    }
    return result;
}

}  // namespace vtsim::cpu::exec
