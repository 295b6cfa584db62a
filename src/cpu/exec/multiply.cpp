// SPDX-License-Identifier: Apache-2.0
// MUL, IMUL, DIV, IDIV, MULX and the decimal adjustments. Flags that the manual leaves undefined are what current Intel cores produce: after a multiplication SF and PF
// follow the low half, ZF and AF are clear.
#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"
#include "cpu/exec/integer_rows.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

template <class T>
using Wide = std::conditional_t<sizeof(T) == 8, u128, std::conditional_t<sizeof(T) == 4, u64, std::conditional_t<sizeof(T) == 2, u32, u16>>>;
template <class T>
using SignedWide = std::conditional_t<sizeof(T) == 8, i128, std::conditional_t<sizeof(T) == 4, i64, std::conditional_t<sizeof(T) == 2, i32, i16>>>;

// CF = OF = "the upper half is significant". The others are undefined; Intel cores leave SF and PF of the low half and ZF, AF clear.
template <class T>
void multiply_flags(Core& core, T low, bool significant) {
    const u64 others = core.s.rflags & ~arch::rflags::status;
    const u64 sign = (sext(low) >> 63) << 7;
    const u64 parity = __builtin_parity(static_cast<unsigned>(low & 0xff)) != 0 ? 0 : arch::rflags::pf;
    core.s.write_rflags(others | sign | parity | (significant ? arch::rflags::cf | arch::rflags::of : 0));
}

template <class T>
arch::Outcome<T> source(Core& core, const MicroOp& op) {
    if (op.memory()) return core.read<T>(op);
    return core.reg<T>(op.dst);
}

// The double-width accumulator: AX for bytes, else rDX:rAX.
template <class T>
void set_product(Core& core, Wide<T> product) {
    if constexpr (sizeof(T) == 1) {
        core.set_reg<u16>(arch::rax, product);
    } else {
        core.set_reg<T>(arch::rax, static_cast<T>(product));
        core.set_reg<T>(arch::rdx, static_cast<T>(product >> (8 * sizeof(T))));
    }
}
template <class T>
Wide<T> dividend(const Core& core) {
    if constexpr (sizeof(T) == 1) return core.reg<u16>(arch::rax);
    else return static_cast<Wide<T>>(static_cast<Wide<T>>(core.reg<T>(arch::rdx)) << (8 * sizeof(T)) | core.reg<T>(arch::rax));
}
template <class T>
void set_quotient(Core& core, T quotient, T remainder) {
    if constexpr (sizeof(T) == 1) {
        core.set_reg<u16>(arch::rax, static_cast<u16>(remainder << 8 | quotient));
    } else {
        core.set_reg<T>(arch::rax, quotient);
        core.set_reg<T>(arch::rdx, remainder);
    }
}

template <class T>
struct Mul {
    static Event run(Core& core, const MicroOp& op) {
        const auto b = source<T>(core, op);
        if (!b) return b.event;
        const auto product = static_cast<Wide<T>>(static_cast<Wide<T>>(core.reg<T>(arch::rax)) * b.value);
        set_product<T>(core, product);
        multiply_flags<T>(core, static_cast<T>(product), (product >> (8 * sizeof(T))) != 0);
        return {};
    }
};

template <class T>
bool fits(SignedWide<T> product) {
    return product == static_cast<SignedWide<T>>(static_cast<std::make_signed_t<T>>(product));
}

template <class T>
SignedWide<T> widen(T value) {
    return static_cast<SignedWide<T>>(static_cast<std::make_signed_t<T>>(value));
}

template <class T>
struct Imul {                                                     // one operand
    static Event run(Core& core, const MicroOp& op) {
        const auto b = source<T>(core, op);
        if (!b) return b.event;
        const auto product = static_cast<SignedWide<T>>(widen<T>(core.reg<T>(arch::rax)) * widen<T>(b.value));
        set_product<T>(core, static_cast<Wide<T>>(product));
        multiply_flags<T>(core, static_cast<T>(product), !fits<T>(product));
        return {};
    }
};

template <class T>
[[gnu::always_inline]] inline void multiply_into(Core& core, const MicroOp& op, T a, T b) {
    const auto product = static_cast<SignedWide<T>>(widen<T>(a) * widen<T>(b));
    core.set_reg<T>(op.dst, static_cast<T>(product));
    multiply_flags<T>(core, static_cast<T>(product), !fits<T>(product));
}

template <class T, bool immediate, bool live>
Next imul_register(Core& core, const MicroOp& op) {               // reg *= reg; reg = reg * imm
    const T a = core.reg<T>(immediate ? op.src : op.dst);
    const T b = immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
    if constexpr (live) multiply_into<T>(core, op, a, b);
    else core.set_reg<T>(op.dst, static_cast<T>(widen<T>(a) * widen<T>(b)));
    return next(core, op);
}

template <class T>
struct ImulMemory {
    static Event run(Core& core, const MicroOp& op) {
        const auto m = core.read<T>(op);
        if (!m) return m.event;
        multiply_into<T>(core, op, (op.flags & MicroOp::has_immediate) != 0 ? static_cast<T>(op.imm) : core.reg<T>(op.dst), m.value);
        return {};
    }
};

bool build_imul(const Decoded& decoded, Built& op) {
    if (decoded.visible() == 1) return build_sized<Imul, Flow::next>(decoded, op);
    if (op.memory()) return build_sized<ImulMemory, Flow::next>(decoded, op);
    op.may_leave = false;
    const bool immediate = decoded.is_immediate(2);
    op.handler = by_width(op.width, [&]<class T>() -> Handler { return immediate ? &imul_register<T, true, true> : &imul_register<T, false, true>; });
    op.without_flags = by_width(op.width, [&]<class T>() -> Handler { return immediate ? &imul_register<T, true, false> : &imul_register<T, false, false>; });
    op.overwrites_flags = true;
    if (immediate && op.width >= 2) op.simple = Simple::imul_immediate;
    return true;
}

// DIV and IDIV leave the flags as they are (undefined in the manual).
template <class T>
struct Div {
    static Event run(Core& core, const MicroOp& op) {
        const auto divisor = source<T>(core, op);
        if (!divisor) return divisor.event;
        if (divisor.value == 0) return arch::exception(arch::Vector::de);
        const Wide<T> n = dividend<T>(core);
        const auto quotient = static_cast<Wide<T>>(n / divisor.value);
        if ((quotient >> (8 * sizeof(T))) != 0) return arch::exception(arch::Vector::de);
        set_quotient<T>(core, static_cast<T>(quotient), static_cast<T>(n % divisor.value));
        return {};
    }
};

template <class T>
struct Idiv {
    static Event run(Core& core, const MicroOp& op) {
        const auto operand = source<T>(core, op);
        if (!operand) return operand.event;
        const SignedWide<T> divisor = widen<T>(operand.value);
        const auto n = static_cast<SignedWide<T>>(dividend<T>(core));
        if (divisor == 0) return arch::exception(arch::Vector::de);
        // The most negative dividend by -1 overflows the host's division too.
        const auto lowest = static_cast<SignedWide<T>>(static_cast<Wide<T>>(Wide<T>{1} << (16 * sizeof(T) - 1)));
        if (n == lowest && divisor == -1) return arch::exception(arch::Vector::de);
        const auto quotient = static_cast<SignedWide<T>>(n / divisor);
        if (!fits<T>(quotient)) return arch::exception(arch::Vector::de);
        set_quotient<T>(core, static_cast<T>(quotient), static_cast<T>(n % divisor));
        return {};
    }
};

// MULX r, r, r/m: dst = high half, src = low half, rDX times the operand; no flags.
template <class T>
Event mulx(Core& core, const MicroOp& op) {
    T b;
    if (op.memory()) {
        const auto value = core.read<T>(op);
        if (!value) return value.event;
        b = value.value;
    } else {
        b = core.reg<T>(op.aux);
    }
    const auto product = static_cast<Wide<T>>(static_cast<Wide<T>>(core.reg<T>(arch::rdx)) * b);
    core.set_reg<T>(op.src, static_cast<T>(product));
    core.set_reg<T>(op.dst, static_cast<T>(product >> (8 * sizeof(T))));
    return {};
}

bool build_mulx(const Decoded&, Built& op) {
    op.handler = op.width == 3 ? &complex<mulx<u64>> : &complex<mulx<u32>>;
    return true;
}

// ---- decimal adjustments (legacy modes). SDM vol. 2, AAA, AAD, AAM, AAS, DAA, DAS -----------------------------------------

constexpr u64 cf = arch::rflags::cf, af = arch::rflags::af;

void decimal_flags(Core& core, u64 carry_adjust) { set_listed_flags<u8>(core, core.reg<u8>(0), carry_adjust); }

template <bool add>
Event ascii_adjust(Core& core, const MicroOp&) {
    const u64 flags = core.s.read_rflags();
    u16 ax = core.reg<u16>(arch::rax);
    const bool adjust = (ax & 15) > 9 || (flags & af) != 0;
    if (adjust) ax = static_cast<u16>(add ? ax + 0x106 : ax - 0x106);
    ax &= 0xff0f;
    core.set_reg<u16>(arch::rax, ax);
    decimal_flags(core, adjust ? cf | af : 0);
    return {};
}

template <bool add>
Event decimal_adjust(Core& core, const MicroOp&) {
    const u64 flags = core.s.read_rflags();
    const u8 old = core.reg<u8>(0);
    u8 al = old;
    u64 out = 0;
    if ((old & 15) > 9 || (flags & af) != 0) {
        out |= af;
        if (!add && (old < 6 || (flags & cf) != 0)) out |= cf;
        al = static_cast<u8>(add ? al + 6 : al - 6);
    }
    if (old > 0x99 || (flags & cf) != 0) {
        al = static_cast<u8>(add ? al + 0x60 : al - 0x60);
        out |= cf;
    }
    core.set_reg<u8>(0, al);
    decimal_flags(core, out);
    return {};
}

Event ascii_multiply(Core& core, const MicroOp& op) {
    const auto base = static_cast<u8>((op.flags & MicroOp::has_immediate) != 0 ? op.imm : 10);
    if (base == 0) return arch::exception(arch::Vector::de);
    const u8 al = core.reg<u8>(0);
    core.set_reg<u16>(arch::rax, static_cast<u16>((al / base) << 8 | (al % base)));
    decimal_flags(core, 0);
    return {};
}

Event ascii_divide(Core& core, const MicroOp& op) {
    const auto base = static_cast<u8>((op.flags & MicroOp::has_immediate) != 0 ? op.imm : 10);
    const u16 ax = core.reg<u16>(arch::rax);
    core.set_reg<u16>(arch::rax, static_cast<u8>((ax >> 8) * base + (ax & 0xff)));
    decimal_flags(core, 0);
    return {};
}

constexpr Row rows[] = {
    sized_row<Mul>(ZYDIS_MNEMONIC_MUL),
    {ZYDIS_MNEMONIC_IMUL, &build_imul},
    sized_row<Div>(ZYDIS_MNEMONIC_DIV),
    sized_row<Idiv>(ZYDIS_MNEMONIC_IDIV),
    {ZYDIS_MNEMONIC_MULX, &build_mulx},
    row<ascii_adjust<true>>(ZYDIS_MNEMONIC_AAA),
    row<ascii_adjust<false>>(ZYDIS_MNEMONIC_AAS),
    row<decimal_adjust<true>>(ZYDIS_MNEMONIC_DAA),
    row<decimal_adjust<false>>(ZYDIS_MNEMONIC_DAS),
    row<ascii_multiply>(ZYDIS_MNEMONIC_AAM),
    row<ascii_divide>(ZYDIS_MNEMONIC_AAD),
};

}  // namespace

std::span<const Row> multiply_rows() { return rows; }

}  // namespace vtsim::cpu::exec
