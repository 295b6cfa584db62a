// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/alu_rows.h"
#include "cpu/exec/build.h"

namespace vtsim::cpu::exec {
namespace {

template <Alu operation, class T, bool immediate, bool live>
Next alu_register(Core& core, const MicroOp& op) {
    const T a = core.reg<T>(op.dst);
    const T b = immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
    const T result = alu<operation, T, live>(core, a, b);
    if constexpr (writes_result(operation)) core.set_reg<T>(op.dst, result);
    return next(core, op);
}

template <Alu operation>
Handler choose(unsigned width, bool immediate, bool live) {
    return by_width(width, [&]<class T>() -> Handler {
        if (immediate) return live ? &alu_register<operation, T, true, true> : &alu_register<operation, T, true, false>;
        return live ? &alu_register<operation, T, false, true> : &alu_register<operation, T, false, false>;
    });
}

}  // namespace

Handler alu_register_handler(Alu operation, unsigned width, bool immediate, bool live) {
    switch (operation) {
        case Alu::add: return choose<Alu::add>(width, immediate, live);
        case Alu::or_: return choose<Alu::or_>(width, immediate, live);
        case Alu::adc: return choose<Alu::adc>(width, immediate, live);
        case Alu::sbb: return choose<Alu::sbb>(width, immediate, live);
        case Alu::and_: return choose<Alu::and_>(width, immediate, live);
        case Alu::sub: return choose<Alu::sub>(width, immediate, live);
        case Alu::xor_: return choose<Alu::xor_>(width, immediate, live);
        case Alu::cmp: return choose<Alu::cmp>(width, immediate, true);
        default: return choose<Alu::test>(width, immediate, true);
    }
}

}  // namespace vtsim::cpu::exec
