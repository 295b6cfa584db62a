// SPDX-License-Identifier: Apache-2.0
// The ALU families with their forms, INC, DEC, NEG, NOT, flag instructions, NOP and the magic instruction.
#include "cpu/exec/alu.h"
#include "cpu/exec/alu_rows.h"
#include "cpu/exec/build.h"
#include "cpu/exec/integer_rows.h"
#include "vtsim/guest/magic.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

template <Alu operation>
Handler fuse_alu(const Built& self, const Built& jcc, bool timed) {
    return fused_alu_handler(operation, self.width, (self.flags & MicroOp::has_immediate) != 0, jcc.aux, timed);
}

template <bool increment>
Handler fuse_step(const Built& self, const Built& jcc, bool timed) {
    return fused_step_handler(increment, self.width, jcc.aux, timed);
}

template <Alu operation>
constexpr Simple simple_kind(bool immediate) {
    switch (operation) {
        case Alu::add: return immediate ? Simple::add_immediate : Simple::add_register;
        case Alu::sub: return immediate ? Simple::sub_immediate : Simple::sub_register;
        case Alu::and_: return immediate ? Simple::and_immediate : Simple::and_register;
        case Alu::or_: return immediate ? Simple::or_immediate : Simple::or_register;
        case Alu::xor_: return immediate ? Simple::xor_immediate : Simple::xor_register;
        default: return Simple::none;
    }
}

template <Alu operation>
bool build_alu(const Decoded& decoded, Built& op) {
    if (decoded.is_memory(1)) {
        op.handler = alu_memory_handler(operation, op.width, AluKind::register_memory, op, decoded.mode);
    } else if (decoded.is_memory(0)) {
        op.handler = alu_memory_handler(operation, op.width, decoded.is_immediate(1) ? AluKind::memory_immediate : AluKind::memory_register, op, decoded.mode);
    } else {
        const bool immediate = decoded.is_immediate(1);
        op.may_leave = false;
        op.handler = alu_register_handler(operation, op.width, immediate, true);
        // ADC and SBB read the carry: what came before them stays alive whatever becomes of their own flags.
        const bool reads_carry = operation == Alu::adc || operation == Alu::sbb;
        if (writes_result(operation)) op.without_flags = alu_register_handler(operation, op.width, immediate, false);
        op.overwrites_flags = !reads_carry;
        op.fuse = &fuse_alu<operation>;
        if (op.width >= 2) op.simple = simple_kind<operation>(immediate);
        if (operation == Alu::sbb && op.width >= 2 && !immediate && op.dst == op.src) op.simple = Simple::carry_mask;
    }
    return op.handler != nullptr;
}

template <class T, bool increment, bool live>
Next step_register(Core& core, const MicroOp& op) {
    core.set_reg<T>(op.dst, increment_or_decrement<T, increment, live>(core, core.reg<T>(op.dst)));
    return next(core, op);
}

template <class T, bool increment, Form form, bool timed>
Next step_memory(Core& core, const MicroOp& op) {
    return modify<T, At<form>, timed>(
        core, op, [](Core&, const MicroOp&, T old) { return static_cast<T>(increment ? old + 1 : old - 1); },
        [](Core& c, const MicroOp& o, T old) {
            increment_or_decrement<T, increment, true>(c, old);
            return next(c, o);
        });
}

template <bool increment>
bool build_step(const Decoded& decoded, Built& op) {
    if (op.memory()) {
        op.handler = by_width(op.width, [&]<class T>() -> Handler {
            return by_form(form_of(op, decoded.mode), decoded.mode.timed, []<Form f, bool t>() -> Handler { return &step_memory<T, increment, f, t>; });
        });
    } else {
        op.may_leave = false;
        op.handler = by_width(op.width, []<class T>() -> Handler { return &step_register<T, increment, true>; });
        op.without_flags = by_width(op.width, []<class T>() -> Handler { return &step_register<T, increment, false>; });
        op.fuse = &fuse_step<increment>;
    }
    return op.handler != nullptr;
}

template <class T, bool live>
Next neg_register(Core& core, const MicroOp& op) {
    core.set_reg<T>(op.dst, alu<Alu::sub, T, live>(core, T{0}, core.reg<T>(op.dst)));
    return next(core, op);
}

template <class T>
Next not_register(Core& core, const MicroOp& op) {
    core.set_reg<T>(op.dst, static_cast<T>(~core.reg<T>(op.dst)));
    return next(core, op);
}

template <class T>
struct NegMemory {
    static Event run(Core& core, const MicroOp& op) {
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        if (const auto event = slow::store_back<T>(core, static_cast<T>(T{0} - old.value))) return event;
        alu<Alu::sub, T, true>(core, T{0}, old.value);
        return {};
    }
};

template <class T>
struct NotMemory {
    static Event run(Core& core, const MicroOp& op) {
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        return slow::store_back<T>(core, static_cast<T>(~old.value));
    }
};

bool build_neg(const Decoded& decoded, Built& op) {
    if (op.memory()) return build_sized<NegMemory, Flow::next>(decoded, op);
    op.may_leave = false;
    op.handler = by_width(op.width, []<class T>() -> Handler { return &neg_register<T, true>; });
    op.without_flags = by_width(op.width, []<class T>() -> Handler { return &neg_register<T, false>; });
    op.overwrites_flags = true;
    return true;
}

bool build_not(const Decoded& decoded, Built& op) {
    if (op.memory()) return build_sized<NotMemory, Flow::next>(decoded, op);
    op.may_leave = false;
    op.handler = by_width(op.width, []<class T>() -> Handler { return &not_register<T>; });
    return true;
}

// CMPXCHG and XADD (LOCK changes nothing: one host thread runs all cores).
template <class T>
struct CompareExchange {
    static Event run(Core& core, const MicroOp& op) {
        const T accumulator = core.reg<T>(arch::rax);
        const T replacement = core.reg<T>(op.src);
        if (!op.memory()) {
            const T old = core.reg<T>(op.dst);
            alu<Alu::cmp, T, true>(core, accumulator, old);
            if (old == accumulator) core.set_reg<T>(op.dst, replacement);
            else core.set_reg<T>(arch::rax, old);
            return {};
        }
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        // The destination is written in both cases, as the bus would see it.
        if (const auto event = slow::store_back<T>(core, old.value == accumulator ? replacement : old.value)) return event;
        alu<Alu::cmp, T, true>(core, accumulator, old.value);
        if (old.value != accumulator) core.set_reg<T>(arch::rax, old.value);
        return {};
    }
};

template <class T>
struct ExchangeAdd {
    static Event run(Core& core, const MicroOp& op) {
        const T addend = core.reg<T>(op.src);
        if (!op.memory()) {
            const T old = core.reg<T>(op.dst);
            const T sum = alu<Alu::add, T, true>(core, old, addend);
            core.set_reg<T>(op.src, old);
            core.set_reg<T>(op.dst, sum);
            return {};
        }
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) return old.event;
        if (const auto event = slow::store_back<T>(core, static_cast<T>(old.value + addend))) return event;
        alu<Alu::add, T, true>(core, old.value, addend);
        core.set_reg<T>(op.src, old.value);
        return {};
    }
};

// CMPXCHG8B and CMPXCHG16B: Half is the width of the register halves.
template <class Half>
Event compare_exchange_pair(Core& core, const MicroOp& op) {
    using Full = std::conditional_t<sizeof(Half) == 8, u128, u64>;
    const auto address = core.linear(op, sizeof(Full), true);
    if (!address) return address.event;
    if (sizeof(Half) == 8 && address.value % 16 != 0) return arch::general_protection();
    if (const auto event = core.probe_write(address.value, sizeof(Full))) return event;
    const auto old = core.read_linear<Full>(address.value);
    if (!old) return old.event;
    const auto join = [](Half high, Half low) { return static_cast<Full>(static_cast<Full>(high) << (8 * sizeof(Half)) | low); };
    const Full expected = join(core.reg<Half>(arch::rdx), core.reg<Half>(arch::rax));
    const bool equal = old.value == expected;
    const Full stored = equal ? join(core.reg<Half>(arch::rcx), core.reg<Half>(arch::rbx)) : old.value;
    if (const auto event = core.write_linear<Full>(address.value, stored)) return event;
    if (!equal) {
        core.set_reg<Half>(arch::rdx, static_cast<Half>(old.value >> (8 * sizeof(Half))));
        core.set_reg<Half>(arch::rax, static_cast<Half>(old.value));
    }
    const u64 flags = core.s.read_rflags();
    core.s.write_rflags(equal ? flags | arch::rflags::zf : flags & ~arch::rflags::zf);
    return {};
}

// ---- flags -----------------------------------------------------------------------------------------------------------------

enum class FlagChange : u8 { clear, set, complement };
template <u64 mask, FlagChange change>
Event change_flag(Core& core, const MicroOp&) {
    const u64 flags = core.s.read_rflags();
    core.s.write_rflags(change == FlagChange::clear ? flags & ~mask : change == FlagChange::set ? flags | mask : flags ^ mask);
    return {};
}

constexpr u64 ah_flags = arch::rflags::sf | arch::rflags::zf | arch::rflags::af | arch::rflags::pf | arch::rflags::cf;
Event lahf(Core& core, const MicroOp&) {
    core.set_reg<u8>(1, static_cast<u8>((core.s.read_rflags() & ah_flags) | arch::rflags::one));      // byte 1 of RAX is AH
    return {};
}
Event sahf(Core& core, const MicroOp&) {
    core.s.write_rflags((core.s.read_rflags() & ~ah_flags) | (core.reg<u8>(1) & ah_flags));
    return {};
}
// SALC (undocumented, legacy modes): AL = CF ? FFH : 0.
Event salc(Core& core, const MicroOp&) {
    core.set_reg<u8>(0, core.s.lazy.carry(core.s.rflags) ? u8{0xff} : u8{0});
    return {};
}

// ---- the magic instruction (vtsim/guest/magic.h) ---------------------------------------------------------------------

Event magic(Core&, const MicroOp& op) { return {arch::EventKind::magic, static_cast<u16>(op.disp & 0xffff), 0}; }

bool build_nop_or_magic(const Decoded& decoded, Built& op) {
    const auto& memory = decoded.operand(0).mem;
    const bool rax = memory.base == ZYDIS_REGISTER_RAX || memory.base == ZYDIS_REGISTER_EAX;        // EAX: the same bytes in 32-bit code
    if (decoded.is_memory(0) && rax && memory.index == ZYDIS_REGISTER_NONE &&
        (static_cast<u32>(op.disp) & 0xffff'0000) == VTSIM_MAGIC_DISPLACEMENT) {
        op.flow = Flow::ends;
        return build_body<magic, Flow::ends>(decoded, op);
    }
    return build_nop(decoded, op);
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_ADD, &build_alu<Alu::add>},
    {ZYDIS_MNEMONIC_OR, &build_alu<Alu::or_>},
    {ZYDIS_MNEMONIC_ADC, &build_alu<Alu::adc>},
    {ZYDIS_MNEMONIC_SBB, &build_alu<Alu::sbb>},
    {ZYDIS_MNEMONIC_AND, &build_alu<Alu::and_>},
    {ZYDIS_MNEMONIC_SUB, &build_alu<Alu::sub>},
    {ZYDIS_MNEMONIC_XOR, &build_alu<Alu::xor_>},
    {ZYDIS_MNEMONIC_CMP, &build_alu<Alu::cmp>},
    {ZYDIS_MNEMONIC_TEST, &build_alu<Alu::test>},
    {ZYDIS_MNEMONIC_INC, &build_step<true>},
    {ZYDIS_MNEMONIC_DEC, &build_step<false>},
    {ZYDIS_MNEMONIC_NEG, &build_neg},
    {ZYDIS_MNEMONIC_NOT, &build_not},
    sized_row<CompareExchange>(ZYDIS_MNEMONIC_CMPXCHG),
    sized_row<ExchangeAdd>(ZYDIS_MNEMONIC_XADD),
    row<compare_exchange_pair<u32>>(ZYDIS_MNEMONIC_CMPXCHG8B),
    row<compare_exchange_pair<u64>>(ZYDIS_MNEMONIC_CMPXCHG16B),
    row<change_flag<arch::rflags::cf, FlagChange::clear>>(ZYDIS_MNEMONIC_CLC),
    row<change_flag<arch::rflags::cf, FlagChange::set>>(ZYDIS_MNEMONIC_STC),
    row<change_flag<arch::rflags::cf, FlagChange::complement>>(ZYDIS_MNEMONIC_CMC),
    row<change_flag<arch::rflags::df, FlagChange::clear>>(ZYDIS_MNEMONIC_CLD),
    row<change_flag<arch::rflags::df, FlagChange::set>>(ZYDIS_MNEMONIC_STD),
    row<lahf>(ZYDIS_MNEMONIC_LAHF),
    row<sahf>(ZYDIS_MNEMONIC_SAHF),
    row<salc>(ZYDIS_MNEMONIC_SALC),
    {ZYDIS_MNEMONIC_NOP, &build_nop_or_magic},
};

}  // namespace

std::span<const Row> integer_rows() { return rows; }

}  // namespace vtsim::cpu::exec
