// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "cpu/core.h"

// Integer arithmetic with lazy flags (arch/lazy_flags.h). `live` is false when decode proved that every flag is overwritten before anybody can look.
namespace vtsim::cpu {

enum class Alu : u8 { add, or_, adc, sbb, and_, sub, xor_, cmp, test };

constexpr bool writes_result(Alu operation) { return operation != Alu::cmp && operation != Alu::test; }

template <class T>
constexpr u64 sext(T value) {
    return static_cast<u64>(static_cast<i64>(static_cast<std::make_signed_t<T>>(value)));
}

// The member of a family of kinds (add8, add16, ...) for operands of type T.
template <class T>
constexpr arch::FlagKind kind_of(arch::FlagKind first) {
    return static_cast<arch::FlagKind>(static_cast<u32>(first) + static_cast<u32>(std::countr_zero(sizeof(T))));
}

template <class T>
[[gnu::always_inline]] inline void set_flags(Core& core, T result, u64 operand, arch::FlagKind kind) {
    core.s.lazy.result = sext(result);
    core.s.lazy.operand = operand;
    core.s.lazy.kind = kind;
}

// CF, OF and AF as bits at their places; ZF, SF, PF from the result.
template <class T>
[[gnu::always_inline]] inline void set_listed_flags(Core& core, T result, u64 carry_overflow_adjust) {
    set_flags(core, result, carry_overflow_adjust, arch::FlagKind::listed);
}

template <Alu operation, class T, bool live>
[[gnu::always_inline]] inline T alu(Core& core, T a, T b) {
    T result;
    if constexpr (operation == Alu::add) {
        result = static_cast<T>(a + b);
        if constexpr (live) set_flags(core, result, sext(b), kind_of<T>(arch::FlagKind::add8));
    } else if constexpr (operation == Alu::sub || operation == Alu::cmp) {
        result = static_cast<T>(a - b);
        if constexpr (live) set_flags(core, result, sext(b), kind_of<T>(arch::FlagKind::sub8));
    } else if constexpr (operation == Alu::adc || operation == Alu::sbb) {
        const T carry = core.s.lazy.carry(core.s.rflags) ? T{1} : T{0};
        T partial, total;
        bool out;
        if constexpr (operation == Alu::adc) {
            out = __builtin_add_overflow(a, b, &partial);
            out |= __builtin_add_overflow(partial, carry, &total);
        } else {
            out = __builtin_sub_overflow(a, b, &partial);
            out |= __builtin_sub_overflow(partial, carry, &total);
        }
        result = total;
        if constexpr (!live) return result;
        const T sign = operation == Alu::adc ? static_cast<T>((a ^ result) & (b ^ result)) : static_cast<T>((a ^ b) & (a ^ result));
        const u64 overflow = (sext(sign) >> 63) << 11;
        set_listed_flags(core, result, u64{out} | overflow | ((a ^ b ^ result) & arch::rflags::af));
    } else {
        if constexpr (operation == Alu::or_) result = static_cast<T>(a | b);
        else if constexpr (operation == Alu::xor_) result = static_cast<T>(a ^ b);
        else result = static_cast<T>(a & b);
        if constexpr (live) set_listed_flags(core, result, 0);
    }
    return result;
}

// INC and DEC leave CF alone: it is saved before the flags are replaced.
template <class T, bool increment, bool live>
[[gnu::always_inline]] inline T increment_or_decrement(Core& core, T a) {
    const T result = static_cast<T>(increment ? a + 1 : a - 1);
    if constexpr (live) set_flags(core, result, core.s.lazy.carry(core.s.rflags) ? 1 : 0, kind_of<T>(increment ? arch::FlagKind::inc8 : arch::FlagKind::dec8));
    return result;
}

// Condition codes 0 to 15 as Jcc, SETcc and CMOVcc number them. SDM vol. 1, "EFLAGS Condition Codes".
template <u8 code>
[[gnu::always_inline]] inline bool condition(const Core& core) {
    const auto& lazy = core.s.lazy;
    const u64 stored = core.s.rflags;
    bool holds;
    constexpr u8 pair = code >> 1;
    if constexpr (pair == 2) {
        holds = lazy.zero(stored);
    } else if constexpr (pair == 4) {
        holds = lazy.sign(stored);
    } else if constexpr (pair == 1) {
        holds = lazy.carry(stored);
    } else if constexpr (pair == 3) {
        holds = lazy.zero(stored) || lazy.carry(stored);
    } else {
        const u64 flags = lazy.merge(stored);
        const bool sign_differs = ((flags >> 7) & 1) != ((flags >> 11) & 1);
        if constexpr (pair == 0) holds = (flags & arch::rflags::of) != 0;
        else if constexpr (pair == 5) holds = (flags & arch::rflags::pf) != 0;
        else if constexpr (pair == 6) holds = sign_differs;
        else holds = sign_differs || (flags & arch::rflags::zf) != 0;
    }
    return holds != ((code & 1) != 0);
}

// The condition after an operation on a and b without going through the flags: what a fused pair asks.
template <Alu operation, class T, u8 code>
[[gnu::always_inline]] inline bool fused_condition(T a, T b) {
    using Signed = std::make_signed_t<T>;
    constexpr u8 pair = code >> 1;
    const auto negative = [](T value) { return static_cast<Signed>(value) < 0; };
    const auto even_parity = [](T value) { return !__builtin_parity(static_cast<unsigned>(value & 0xff)); };
    bool holds;
    if constexpr (operation == Alu::cmp || operation == Alu::sub) {
        const T result = static_cast<T>(a - b);
        if constexpr (pair == 0) holds = negative(static_cast<T>((a ^ b) & (a ^ result)));
        else if constexpr (pair == 1) holds = a < b;
        else if constexpr (pair == 2) holds = a == b;
        else if constexpr (pair == 3) holds = a <= b;
        else if constexpr (pair == 4) holds = negative(result);
        else if constexpr (pair == 5) holds = even_parity(result);
        else if constexpr (pair == 6) holds = static_cast<Signed>(a) < static_cast<Signed>(b);
        else holds = static_cast<Signed>(a) <= static_cast<Signed>(b);
    } else if constexpr (operation == Alu::add) {
        const T result = static_cast<T>(a + b);
        const T overflow = static_cast<T>((a ^ result) & (b ^ result));
        if constexpr (pair == 0) holds = negative(overflow);
        else if constexpr (pair == 1) holds = result < a;
        else if constexpr (pair == 2) holds = result == 0;
        else if constexpr (pair == 3) holds = result == 0 || result < a;
        else if constexpr (pair == 4) holds = negative(result);
        else if constexpr (pair == 5) holds = even_parity(result);
        else if constexpr (pair == 6) holds = negative(result) != negative(overflow);
        else holds = result == 0 || negative(result) != negative(overflow);
    } else {
        const T result = static_cast<T>(operation == Alu::or_ ? a | b : operation == Alu::xor_ ? a ^ b : a & b);
        if constexpr (pair == 0 || pair == 1) holds = false;
        else if constexpr (pair == 2 || pair == 3) holds = result == 0;
        else if constexpr (pair == 4 || pair == 6) holds = negative(result);
        else if constexpr (pair == 5) holds = even_parity(result);
        else holds = static_cast<Signed>(result) <= 0;
    }
    return holds != ((code & 1) != 0);
}

}  // namespace vtsim::cpu
