// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/registers.h"
#include "base/types.h"

namespace vtsim::arch {

// How the arithmetic flags follow from `result` and `operand`. ZF, SF and PF always follow from the (sign-extended) result,
// except for `eager`; the kind decides about CF, OF and AF.
enum class FlagKind : u32 {
    eager,                              // all of them are in State::rflags
    listed,                             // CF, OF and AF are the bits of `operand` at their places in RFLAGS
    add8, add16, add32, add64,          // operand = second summand
    sub8, sub16, sub32, sub64,          // operand = subtrahend; first operand = result + operand
};

// Flags that nobody has asked for yet: what the last arithmetic instruction left. Result and operand are kept sign-extended to 64 bits.
struct LazyFlags {
    u64 result = 0;
    u64 operand = 0;
    FlagKind kind = FlagKind::eager;

    void set_eager() { kind = FlagKind::eager; }

    [[nodiscard]] u64 merge(u64 stored) const {
        if (kind == FlagKind::eager) return stored;
        return (stored & ~rflags::status) | zero_sign_parity() | carry_overflow_adjust();
    }
    [[nodiscard]] u64 zero_sign_parity() const {
        const u64 parity = __builtin_parity(static_cast<unsigned>(result & 0xff)) != 0 ? 0 : rflags::pf;
        return (result == 0 ? rflags::zf : 0) | ((result >> 63) << 7) | parity;
    }
    [[nodiscard]] u64 carry_overflow_adjust() const {
        switch (kind) {
            case FlagKind::eager: return 0;
            case FlagKind::listed: return operand;
            case FlagKind::add8: case FlagKind::add16: case FlagKind::add32: case FlagKind::add64: {
                const u64 first = difference();
                const u64 carry = result < operand ? rflags::cf : 0;                    // sign extension keeps the unsigned order
                const u64 overflow = (((first ^ result) & (operand ^ result)) >> 63) << 11;
                return carry | overflow | ((first ^ operand ^ result) & rflags::af);
            }
            default: {
                const u64 first = sum();
                const u64 borrow = first < operand ? rflags::cf : 0;
                const u64 overflow = (((first ^ operand) & (first ^ result)) >> 63) << 11;
                return borrow | overflow | ((first ^ operand ^ result) & rflags::af);
            }
        }
    }
    [[nodiscard]] bool carry(u64 stored) const {
        switch (kind) {
            case FlagKind::eager: return (stored & rflags::cf) != 0;
            case FlagKind::listed: return (operand & rflags::cf) != 0;
            case FlagKind::add8: case FlagKind::add16: case FlagKind::add32: case FlagKind::add64: return result < operand;
            default: return sum() < operand;
        }
    }
    [[nodiscard]] bool zero(u64 stored) const { return kind == FlagKind::eager ? (stored & rflags::zf) != 0 : result == 0; }
    [[nodiscard]] bool sign(u64 stored) const { return kind == FlagKind::eager ? (stored & rflags::sf) != 0 : static_cast<i64>(result) < 0; }

private:
    [[nodiscard]] u64 narrow(u64 value, unsigned log2_bytes) const {
        switch (log2_bytes) {
            case 0: return static_cast<u64>(static_cast<i64>(static_cast<i8>(value)));
            case 1: return static_cast<u64>(static_cast<i64>(static_cast<i16>(value)));
            case 2: return static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
            default: return value;
        }
    }
    [[nodiscard]] u64 difference() const { return narrow(result - operand, static_cast<unsigned>(kind) - static_cast<unsigned>(FlagKind::add8)); }
    [[nodiscard]] u64 sum() const { return narrow(result + operand, static_cast<unsigned>(kind) - static_cast<unsigned>(FlagKind::sub8)); }
};

}  // namespace vtsim::arch
