// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "cpu/decode/opcode_table.h"
#include "cpu/exec/alu.h"
#include "cpu/exec/memory.h"
#include "cpu/exec/shift.h"

// Two instructions on registers as one dispatch. Both micro-ops stay in the block, as with the fused Jcc. Worth it where the second instruction needs the
// first one's result: that stays in a host register instead of going through the register file in memory.
namespace vtsim::cpu::exec {

// A handler for both, which have the width of the name, or nullptr. `first_live`, `second_live`: it writes flags and somebody may look at them.
Handler pair_handler32(const Built& first, bool first_live, const Built& second, bool second_live);    // pairs32.cpp
Handler pair_handler64(const Built& first, bool first_live, const Built& second, bool second_live);    // pairs64.cpp

namespace pairs {

enum class Relation : u8 {
    chain,     // the second replaces the register that the first one wrote, and reads it in no other way
    feed,      // the second's source operand is the register that the first one wrote; it writes another one
};

constexpr bool is_lea(Simple kind) { return kind == Simple::lea_base || kind == Simple::lea_indexed; }
constexpr bool can_be_second(Simple kind) { return kind >= Simple::add_register; }
constexpr bool has_source(Simple kind) { return kind >= Simple::mov_register && kind <= Simple::xor_register; }

// The result of one instruction: `a` is the old value of its destination, `b` that of its source register.
template <Simple kind, class T, bool live>
[[gnu::always_inline]] inline T compute(Core& core, const MicroOp& op, T a, T b) {
    const T immediate = static_cast<T>(op.imm);
    using enum Simple;
    if constexpr (kind == mov_register) return b;
    else if constexpr (kind == mov_immediate) return immediate;
    else if constexpr (kind == carry_mask) return core.s.lazy.carry(core.s.rflags) ? static_cast<T>(~T{0}) : T{0};
    else if constexpr (kind == imul_immediate) return static_cast<T>(b * immediate);
    else if constexpr (kind == add_register) return alu<Alu::add, T, live>(core, a, b);
    else if constexpr (kind == sub_register) return alu<Alu::sub, T, live>(core, a, b);
    else if constexpr (kind == and_register) return alu<Alu::and_, T, live>(core, a, b);
    else if constexpr (kind == or_register) return alu<Alu::or_, T, live>(core, a, b);
    else if constexpr (kind == xor_register) return alu<Alu::xor_, T, live>(core, a, b);
    else if constexpr (kind == add_immediate) return alu<Alu::add, T, live>(core, a, immediate);
    else if constexpr (kind == sub_immediate) return alu<Alu::sub, T, live>(core, a, immediate);
    else if constexpr (kind == and_immediate) return alu<Alu::and_, T, live>(core, a, immediate);
    else if constexpr (kind == or_immediate) return alu<Alu::or_, T, live>(core, a, immediate);
    else if constexpr (kind == xor_immediate) return alu<Alu::xor_, T, live>(core, a, immediate);
    else if constexpr (kind == shl_immediate) return shift<Shift::shl, T, live>(core, a, op.aux);
    else if constexpr (kind == shr_immediate) return shift<Shift::shr, T, live>(core, a, op.aux);
    else if constexpr (kind == sar_immediate) return shift<Shift::sar, T, live>(core, a, op.aux);
    else if constexpr (kind == rol_immediate) return rotate_whole<Shift::rol, T, live>(core, a, op.aux);
    else if constexpr (kind == ror_immediate) return rotate_whole<Shift::ror, T, live>(core, a, op.aux);
    else if constexpr (kind == lea_base) return static_cast<T>(address_of<Form::base>(core, op));
    else return static_cast<T>(address_of<Form::indexed>(core, op));
}

// LEA when the register `number` has the value `value`, which is not in the register file.
template <Simple kind>
[[gnu::always_inline]] inline u64 address_with(const Core& core, const MicroOp& op, u8 number, u64 value) {
    const u64 base = (op.base == number ? value : core.s.gpr[op.base]) + static_cast<u64>(static_cast<i64>(op.disp));
    if constexpr (kind == Simple::lea_base) return base;
    else return base + ((op.index == number ? value : core.s.gpr[op.index]) << (op.shape & 3));
}

template <class T, Relation relation, Simple first, Simple second, bool live>
Next pair(Core& core, const MicroOp& op) {
    const MicroOp& other = (&op)[1];
    // What LEA finds cannot be dropped by LEA: then `live` speaks of the first one's flags.
    const T result = compute<first, T, live && is_lea(second)>(core, op, core.reg<T>(op.dst), core.reg<T>(op.src));
    if constexpr (relation == Relation::feed) {
        core.set_reg<T>(op.dst, result);
        core.set_reg<T>(other.dst, compute<second, T, live>(core, other, core.reg<T>(other.dst), result));
    } else if constexpr (is_lea(second)) {
        core.set_reg<T>(op.dst, static_cast<T>(address_with<second>(core, other, op.dst, result)));
    } else {
        core.set_reg<T>(op.dst, compute<second, T, live>(core, other, result, core.reg<T>(other.src)));
    }
    return next_but_one(core, op);
}

inline constexpr auto kinds = static_cast<std::size_t>(Simple::count);

template <class T, Relation relation, bool live>
constexpr auto table = []<std::size_t... cells>(std::index_sequence<cells...>) {
    constexpr auto handler = []<std::size_t cell>() -> Handler {
        constexpr auto first = static_cast<Simple>(cell / kinds), second = static_cast<Simple>(cell % kinds);
        if constexpr (first == Simple::none || !(relation == Relation::feed ? has_source(second) : can_be_second(second))) return nullptr;
        else return &pair<T, relation, first, second, live>;
    };
    return std::array<Handler, sizeof...(cells)>{handler.template operator()<cells>()...};
}(std::make_index_sequence<kinds * kinds>{});

template <class T>
Handler find(const Built& first, bool first_live, const Built& second, bool second_live) {
    const bool lea = is_lea(second.simple);
    if (first_live && !lea) return nullptr;
    const bool live = lea ? first_live : second_live;
    const std::size_t cell = static_cast<std::size_t>(first.simple) * kinds + static_cast<std::size_t>(second.simple);
    if (second.dst == first.dst) {
        if (has_source(second.simple) && second.src == first.dst) return nullptr;
        if (lea && second.base != first.dst && second.index != first.dst) return nullptr;
        return live ? table<T, Relation::chain, true>[cell] : table<T, Relation::chain, false>[cell];
    }
    if (!has_source(second.simple) || second.src != first.dst) return nullptr;
    return live ? table<T, Relation::feed, true>[cell] : table<T, Relation::feed, false>[cell];
}

}  // namespace pairs

}  // namespace vtsim::cpu::exec
