// SPDX-License-Identifier: Apache-2.0
// An ALU operation on registers and the Jcc after it as one dispatch. Both micro-ops stay in the block: the second gives offset and links, so that
// fault addresses, tracing and single step do not know about the pair.
#include "cpu/exec/alu_rows.h"
#include "cpu/exec/branch.h"
#include "cpu/exec/build.h"

namespace vtsim::cpu::exec {
namespace {

template <Alu operation, class T, bool immediate, u8 code, bool timed>
Next alu_and_branch(Core& core, const MicroOp& op) {
    const T a = core.reg<T>(op.dst);
    const T b = immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
    const T result = alu<operation, T, true>(core, a, b);
    if constexpr (writes_result(operation)) core.set_reg<T>(op.dst, result);
    return branch_if<timed>(core, (&op)[1], fused_condition<operation, T, code>(a, b));
}

// INC and DEC set the flags of an addition of 1 or -1, but for CF: conditions that ask for it are left to condition<>.
template <bool increment, class T, u8 code, bool timed>
Next step_and_branch(Core& core, const MicroOp& op) {
    const T a = core.reg<T>(op.dst);
    core.set_reg<T>(op.dst, increment_or_decrement<T, increment, true>(core, a));
    constexpr bool asks_carry = (code >> 1) == 1 || (code >> 1) == 3;
    if constexpr (asks_carry) return branch_if<timed>(core, (&op)[1], condition<code>(core));
    else return branch_if<timed>(core, (&op)[1], fused_condition<Alu::sub, T, code>(a, static_cast<T>(increment ? -1 : 1)));
}

template <Alu operation>
Handler choose(unsigned width, bool immediate, unsigned code, bool timed) {
    return by_width(width, [&]<class T>() -> Handler {
        if constexpr (sizeof(T) == 2) return nullptr;                                   // rare in compiled code
        else return by_condition(code, [&]<u8 c>() -> Handler {
            if (immediate) return timed ? &alu_and_branch<operation, T, true, c, true> : &alu_and_branch<operation, T, true, c, false>;
            return timed ? &alu_and_branch<operation, T, false, c, true> : &alu_and_branch<operation, T, false, c, false>;
        });
    });
}

}  // namespace

Handler fused_alu_handler(Alu operation, unsigned width, bool immediate, unsigned code, bool timed) {
    switch (operation) {
        case Alu::cmp: return choose<Alu::cmp>(width, immediate, code, timed);
        case Alu::test: return choose<Alu::test>(width, immediate, code, timed);
        case Alu::sub: return width >= 2 ? choose<Alu::sub>(width, immediate, code, timed) : nullptr;
        case Alu::and_: return width >= 2 ? choose<Alu::and_>(width, immediate, code, timed) : nullptr;
        case Alu::add: return width >= 2 ? choose<Alu::add>(width, immediate, code, timed) : nullptr;
        case Alu::or_: return width >= 2 ? choose<Alu::or_>(width, immediate, code, timed) : nullptr;
        case Alu::xor_: return width >= 2 ? choose<Alu::xor_>(width, immediate, code, timed) : nullptr;
        default: return nullptr;
    }
}

Handler fused_step_handler(bool increment, unsigned width, unsigned code, bool timed) {
    return by_width(width, [&]<class T>() -> Handler {
        if constexpr (sizeof(T) < 4) return nullptr;
        else return by_condition(code, [&]<u8 c>() -> Handler {
            if (increment) return timed ? &step_and_branch<true, T, c, true> : &step_and_branch<true, T, c, false>;
            return timed ? &step_and_branch<false, T, c, true> : &step_and_branch<false, T, c, false>;
        });
    });
}

}  // namespace vtsim::cpu::exec
