// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/registers.h"
#include "base/types.h"

namespace vtsim::arch {

// How the arithmetic flags follow from `result` and `operand`. ZF, SF and PF always follow from the (sign-extended) result,
// except for `eager`; the kind decides about CF, OF and AF. For all kinds up to `sar` CF is bit 0 of the operand.
enum class FlagKind : u32 {
    listed,                             // CF, OF and AF are the bits of `operand` at their places in RFLAGS
    inc8, inc16, inc32, inc64,          // operand = the carry of before, which INC and DEC leave alone
    dec8, dec16, dec32, dec64,
    shr,                                // operand = first operand shifted by one bit less; OF is its sign, as only counts of 1 define it
    sar,                                // the same; OF = 0
    shl,                                // the same; CF is its sign, OF tells whether the last step changed the sign
    add8, add16, add32, add64,          // operand = second summand
    sub8, sub16, sub32, sub64,          // operand = subtrahend; first operand = result + operand
    eager,                              // all of them are in State::rflags
};

// Flags that nobody has asked for yet: what the last arithmetic instruction left. Result and operand are kept sign-extended to 64 bits.
struct LazyFlags {
    u64 result = 0;
    u64 operand = 0;
    FlagKind kind = FlagKind::eager;

    void set_eager() { kind = FlagKind::eager; }
    // Replaces CF, OF and AF by bits at their places and keeps the result; not of the eager kind.
    void list(u64 carry_overflow_adjust) {
        operand = carry_overflow_adjust;
        kind = FlagKind::listed;
    }

    [[nodiscard]] u64 merge(u64 stored) const {
        if (kind == FlagKind::eager) return stored;
        return (stored & ~rflags::status) | zero_sign_parity() | carry_overflow_adjust();
    }
    [[nodiscard]] u64 zero_sign_parity() const {
        const u64 parity = __builtin_parity(static_cast<unsigned>(result & 0xff)) != 0 ? 0 : rflags::pf;
        return (result == 0 ? rflags::zf : 0) | ((result >> 63) << 7) | parity;
    }
    [[nodiscard]] u64 carry_overflow_adjust() const {
        if (kind == FlagKind::eager) return 0;
        if (kind >= FlagKind::sub8) {
            const u64 first = sum();
            const u64 borrow = first < operand ? rflags::cf : 0;                        // sign extension keeps the unsigned order
            return borrow | overflow((first ^ operand) & (first ^ result)) | ((first ^ operand ^ result) & rflags::af);
        }
        if (kind >= FlagKind::add8) {
            const u64 first = difference();
            const u64 carry = result < operand ? rflags::cf : 0;
            return carry | overflow((first ^ result) & (operand ^ result)) | ((first ^ operand ^ result) & rflags::af);
        }
        switch (kind) {
            case FlagKind::listed: return operand;
            case FlagKind::shr: return (operand & rflags::cf) | overflow(operand);
            case FlagKind::sar: return operand & rflags::cf;
            case FlagKind::shl: return (operand >> 63) | overflow(operand ^ result);
            default: break;
        }
        if (kind >= FlagKind::dec8) {
            const u64 largest = (u64{1} << (bits(FlagKind::dec8) - 1)) - 1;
            return operand | (result == largest ? rflags::of : 0) | ((result & 15) == 15 ? rflags::af : 0);
        }
        const u64 smallest = ~u64{0} << (bits(FlagKind::inc8) - 1);
        return operand | (result == smallest ? rflags::of : 0) | ((result & 15) == 0 ? rflags::af : 0);
    }
    [[nodiscard]] bool carry(u64 stored) const {
        if (kind <= FlagKind::sar) return (operand & 1) != 0;
        if (kind >= FlagKind::sub8) return kind == FlagKind::eager ? (stored & rflags::cf) != 0 : kind == FlagKind::sub64 ? result + operand < operand : sum() < operand;
        if (kind >= FlagKind::add8) return result < operand;
        return operand >> 63 != 0;
    }
    [[nodiscard]] bool zero(u64 stored) const { return kind == FlagKind::eager ? (stored & rflags::zf) != 0 : result == 0; }
    [[nodiscard]] bool sign(u64 stored) const { return kind == FlagKind::eager ? (stored & rflags::sf) != 0 : static_cast<i64>(result) < 0; }

private:
    static constexpr u64 overflow(u64 value) { return (value >> 63) << 11; }      // bit 63 to the place of OF
    [[nodiscard]] unsigned size(FlagKind first) const { return static_cast<unsigned>(kind) - static_cast<unsigned>(first); }     // log2 of bytes
    [[nodiscard]] unsigned bits(FlagKind first) const { return 8U << size(first); }
    [[nodiscard]] u64 narrow(u64 value, unsigned log2_bytes) const {
        switch (log2_bytes) {
            case 0: return static_cast<u64>(static_cast<i64>(static_cast<i8>(value)));
            case 1: return static_cast<u64>(static_cast<i64>(static_cast<i16>(value)));
            case 2: return static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
            default: return value;
        }
    }
    [[nodiscard]] u64 difference() const { return narrow(result - operand, size(FlagKind::add8)); }
    [[nodiscard]] u64 sum() const { return narrow(result + operand, size(FlagKind::sub8)); }
};

}  // namespace vtsim::arch
