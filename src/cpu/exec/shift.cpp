// SPDX-License-Identifier: Apache-2.0
// Shifts and rotates. SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD". Flags that the manual leaves undefined (AF; OF for counts above 1) are what
// current Intel cores produce: AF = 0, OF as for the last single-bit step.
#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"
#include "cpu/exec/integer_rows.h"
#include "cpu/exec/shift.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

template <Shift kind, class T>
T rotate(Core& core, T a, unsigned masked) {
    if constexpr (kind == Shift::rol || kind == Shift::ror) {
        return rotate_whole<kind, T, true>(core, a, masked);
    } else {
        bool carry = core.s.lazy.carry(core.s.rflags);
        T result = a;
        const unsigned count = masked % (bits_of<T> + 1);
        for (unsigned i = 0; i < count; ++i) {
            if constexpr (kind == Shift::rcl) {
                const bool out = top_bit(result);
                result = static_cast<T>(result << 1 | (carry ? 1 : 0));
                carry = out;
            } else {
                const bool out = (result & 1) != 0;
                result = static_cast<T>(result >> 1 | static_cast<T>(static_cast<T>(carry ? 1 : 0) << (bits_of<T> - 1)));
                carry = out;
            }
        }
        const bool overflow = kind == Shift::rcl ? top_bit(result) != carry : top_bit(result) != top_bit(static_cast<T>(result << 1));
        core.s.change_carry_overflow(carry, overflow);
        return result;
    }
}

template <class T>
constexpr unsigned count_mask = sizeof(T) == 8 ? 63 : 31;

// By CL; a count of 0 changes nothing but a 32-bit destination, which is still zero-extended.
template <Shift kind, class T, bool live>
Next shift_by_cl(Core& core, const MicroOp& op) {
    const unsigned count = static_cast<unsigned>(core.s.gpr[arch::rcx]) & count_mask<T>;
    const T a = core.reg<T>(op.dst);
    if (count == 0) [[unlikely]] core.set_reg<T>(op.dst, a);
    else if constexpr (is_rotate(kind)) core.set_reg<T>(op.dst, rotate_whole<kind, T, live>(core, a, count));
    else core.set_reg<T>(op.dst, shift<kind, T, live>(core, a, count - 1));
    return next(core, op);
}

// By an immediate that is not 0: `aux` holds the masked count, of shifts less one.
template <Shift kind, class T, bool live>
Next shift_by_immediate(Core& core, const MicroOp& op) {
    const T a = core.reg<T>(op.dst);
    if constexpr (is_rotate(kind)) core.set_reg<T>(op.dst, rotate_whole<kind, T, live>(core, a, op.aux));
    else core.set_reg<T>(op.dst, shift<kind, T, live>(core, a, op.aux));
    return next(core, op);
}

// RCL, RCR, and all of them by an immediate 0.
template <Shift kind, class T>
Event rotate_or_nothing(Core& core, const MicroOp& op) {
    const unsigned count = ((op.flags & MicroOp::has_immediate) != 0 ? static_cast<unsigned>(op.imm) : static_cast<unsigned>(core.s.gpr[arch::rcx])) & count_mask<T>;
    T value = core.reg<T>(op.dst);
    if constexpr (kind == Shift::rcl || kind == Shift::rcr)
        if (count != 0) value = rotate<kind, T>(core, value, count);
    core.set_reg<T>(op.dst, value);
    return {};
}

template <Shift kind, class T>
Event shift_memory(Core& core, const MicroOp& op) {
    const unsigned count = ((op.flags & MicroOp::has_immediate) != 0 ? static_cast<unsigned>(op.imm) : static_cast<unsigned>(core.s.gpr[arch::rcx])) & count_mask<T>;
    const auto old = slow::load_for_write_checked<T>(core, op);
    if (!old) return old.event;
    if (count == 0) return slow::store_back<T>(core, old.value);
    const u64 rflags = core.s.rflags;
    const auto lazy = core.s.lazy;
    T result;
    if constexpr (is_rotate(kind)) result = rotate<kind, T>(core, old.value, count);
    else result = shift<kind, T, true>(core, old.value, count - 1);
    const auto event = slow::store_back<T>(core, result);
    if (event) {
        core.s.rflags = rflags;
        core.s.lazy = lazy;
    }
    return event;
}

constexpr Simple simple_kind(Shift kind) {
    switch (kind) {
        case Shift::shl: return Simple::shl_immediate;
        case Shift::shr: return Simple::shr_immediate;
        case Shift::sar: return Simple::sar_immediate;
        case Shift::rol: return Simple::rol_immediate;
        case Shift::ror: return Simple::ror_immediate;
        default: return Simple::none;
    }
}

template <Shift kind>
bool build_shift(const Decoded& decoded, Built& op) {
    if (op.memory()) {
        op.handler = by_width(op.width, []<class T>() -> Handler { return &complex<shift_memory<kind, T>>; });
        return true;
    }
    op.may_leave = false;
    const unsigned count = static_cast<unsigned>(op.imm) & (op.width == 3 ? 63 : 31);
    const bool by_cl = !decoded.is_immediate(1);
    if (kind == Shift::rcl || kind == Shift::rcr || (!by_cl && count == 0)) {
        op.handler = by_width(op.width, []<class T>() -> Handler { return &complex<rotate_or_nothing<kind, T>>; });
    } else if constexpr (kind != Shift::rcl && kind != Shift::rcr) {
        op.aux = static_cast<u8>(is_rotate(kind) ? count : count - 1);
        op.handler = by_width(op.width, [&]<class T>() -> Handler { return by_cl ? &shift_by_cl<kind, T, true> : &shift_by_immediate<kind, T, true>; });
        op.without_flags = by_width(op.width, [&]<class T>() -> Handler { return by_cl ? &shift_by_cl<kind, T, false> : &shift_by_immediate<kind, T, false>; });
        op.overwrites_flags = !by_cl && !is_rotate(kind);
        if (op.width >= 2 && !by_cl) op.simple = simple_kind(kind);
    }
    return true;
}

// SHLD, SHRD. For 16 bits and counts above 16 Intel cores shift the concatenation dst:src:dst.
template <bool left, class T>
Event double_shift(Core& core, const MicroOp& op) {
    const unsigned count = ((op.flags & MicroOp::has_immediate) != 0 ? static_cast<unsigned>(op.imm) : static_cast<unsigned>(core.s.gpr[arch::rcx])) & count_mask<T>;
    T a;
    if (op.memory()) {
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        a = old.value;
    } else {
        a = core.reg<T>(op.dst);
    }
    const T b = core.reg<T>(op.src);
    if (count == 0) {
        if (op.memory()) return slow::store_back<T>(core, a);
        core.set_reg<T>(op.dst, a);
        return {};
    }
    T result;
    bool carry;
    if constexpr (sizeof(T) == 2) {
        if constexpr (left) {
            const u64 wide = u64{a} << 32 | u64{b} << 16 | a;
            result = static_cast<T>(wide << count >> 32);
            carry = ((wide >> (48 - count)) & 1) != 0;
        } else {
            const u64 wide = u64{a} << 32 | u64{b} << 16 | a;
            result = static_cast<T>(wide >> count);
            carry = ((wide >> (count - 1)) & 1) != 0;
        }
    } else if constexpr (left) {
        result = static_cast<T>(a << count | b >> (bits_of<T> - count));
        carry = ((a >> (bits_of<T> - count)) & 1) != 0;
    } else {
        result = static_cast<T>(a >> count | b << (bits_of<T> - count));
        carry = ((a >> (count - 1)) & 1) != 0;
    }
    if (op.memory()) {
        if (const auto event = slow::store_back<T>(core, result)) return event;
    } else {
        core.set_reg<T>(op.dst, result);
    }
    const bool overflow = left ? top_bit(result) != carry : top_bit(result) != top_bit(static_cast<T>(result << 1));
    set_listed_flags(core, result, carry_overflow(carry, overflow));
    return {};
}

template <bool left>
bool build_double_shift(const Decoded& decoded, Built& op) {
    op.may_leave = op.memory();
    if (decoded.is_immediate(2)) op.imm = decoded.operand(2).imm.value.u;
    op.handler = by_width(op.width, []<class T>() -> Handler {
        if constexpr (sizeof(T) == 1) return nullptr;
        else return &complex<double_shift<left, T>>;
    });
    return op.handler != nullptr;
}

// BMI2: SHLX, SHRX, SARX, RORX: no flags. operand 1 = source (register or memory), operand 2 = count.
template <Shift kind, class T>
Event shift_without_flags(Core& core, const MicroOp& op) {
    T a;
    if (op.memory()) {
        const auto value = core.read<T>(op);
        if (!value) return value.event;
        a = value.value;
    } else {
        a = core.reg<T>(op.src);
    }
    const unsigned count = (kind == Shift::ror ? static_cast<unsigned>(op.imm) : static_cast<unsigned>(core.s.gpr[op.aux])) & count_mask<T>;
    T result;
    if constexpr (kind == Shift::shl) result = static_cast<T>(a << count);
    else if constexpr (kind == Shift::shr) result = static_cast<T>(a >> count);
    else if constexpr (kind == Shift::sar) result = static_cast<T>(static_cast<std::make_signed_t<T>>(a) >> count);
    else result = count == 0 ? a : static_cast<T>(a >> count | a << (bits_of<T> - count));
    core.set_reg<T>(op.dst, result);
    return {};
}

template <Shift kind>
bool build_shift_without_flags(const Decoded&, Built& op) {
    if (op.width == 2) op.handler = &complex<shift_without_flags<kind, u32>>;
    else if (op.width == 3) op.handler = &complex<shift_without_flags<kind, u64>>;
    else return false;
    return true;
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_SHL, &build_shift<Shift::shl>},
    {ZYDIS_MNEMONIC_SHR, &build_shift<Shift::shr>},
    {ZYDIS_MNEMONIC_SAR, &build_shift<Shift::sar>},
    {ZYDIS_MNEMONIC_ROL, &build_shift<Shift::rol>},
    {ZYDIS_MNEMONIC_ROR, &build_shift<Shift::ror>},
    {ZYDIS_MNEMONIC_RCL, &build_shift<Shift::rcl>},
    {ZYDIS_MNEMONIC_RCR, &build_shift<Shift::rcr>},
    {ZYDIS_MNEMONIC_SHLD, &build_double_shift<true>},
    {ZYDIS_MNEMONIC_SHRD, &build_double_shift<false>},
    {ZYDIS_MNEMONIC_SHLX, &build_shift_without_flags<Shift::shl>},
    {ZYDIS_MNEMONIC_SHRX, &build_shift_without_flags<Shift::shr>},
    {ZYDIS_MNEMONIC_SARX, &build_shift_without_flags<Shift::sar>},
    {ZYDIS_MNEMONIC_RORX, &build_shift_without_flags<Shift::ror>},
};

}  // namespace

std::span<const Row> shift_rows() { return rows; }

}  // namespace vtsim::cpu::exec
