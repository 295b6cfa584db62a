// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/alu_rows.h"
#include "cpu/exec/build.h"

namespace vtsim::cpu::exec {
namespace {

template <Alu operation, class T, Form form, bool timed>
Next alu_from_memory(Core& core, const MicroOp& op) {                // op reg, [mem]
    const auto b = load<T, form, timed>(core, op);
    if (!b) [[unlikely]] return raise(core, op, b.event);
    const T result = alu<operation, T, true>(core, core.reg<T>(op.dst), b.value);
    if constexpr (writes_result(operation)) core.set_reg<T>(op.dst, result);
    return next(core, op);
}

template <Alu operation, class T, bool immediate, Form form, bool timed>
Next alu_to_memory(Core& core, const MicroOp& op) {                  // op [mem], reg or immediate
    const T b = immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
    if constexpr (writes_result(operation)) {
        // The flags change only when the store succeeded: a fault must find the old ones.
        T a{}, result{};
        const auto event = read_modify_write<T, form, timed>(core, op, [&](T old) {
            a = old;
            if constexpr (operation == Alu::adc) result = static_cast<T>(old + b + (core.s.lazy.carry(core.s.rflags) ? 1 : 0));
            else if constexpr (operation == Alu::sbb) result = static_cast<T>(old - b - (core.s.lazy.carry(core.s.rflags) ? 1 : 0));
            else if constexpr (operation == Alu::add) result = static_cast<T>(old + b);
            else if constexpr (operation == Alu::sub) result = static_cast<T>(old - b);
            else if constexpr (operation == Alu::or_) result = static_cast<T>(old | b);
            else if constexpr (operation == Alu::and_) result = static_cast<T>(old & b);
            else result = static_cast<T>(old ^ b);
            return result;
        });
        if (event) [[unlikely]] return raise(core, op, event);
        alu<operation, T, true>(core, a, b);
    } else {
        const auto a = load<T, form, timed>(core, op);
        if (!a) [[unlikely]] return raise(core, op, a.event);
        alu<operation, T, true>(core, a.value, b);
    }
    return next(core, op);
}

template <Alu operation>
Handler choose(unsigned width, AluKind kind, Form form, bool timed) {
    // ADC and SBB to memory are rare: one form.
    if constexpr (operation == Alu::adc || operation == Alu::sbb) form = Form::checked;
    return by_width(width, [&]<class T>() -> Handler {
        return by_form(form, timed, [&]<Form f, bool t>() -> Handler {
            switch (kind) {
                case AluKind::register_memory: return &alu_from_memory<operation, T, f, t>;
                case AluKind::memory_register: return &alu_to_memory<operation, T, false, f, t>;
                default: return &alu_to_memory<operation, T, true, f, t>;
            }
        });
    });
}

}  // namespace

Handler alu_memory_handler(Alu operation, unsigned width, AluKind kind, const MicroOp& op, const DecodeMode& mode) {
    const Form form = form_of(op, mode);
    switch (operation) {
        case Alu::add: return choose<Alu::add>(width, kind, form, mode.timed);
        case Alu::or_: return choose<Alu::or_>(width, kind, form, mode.timed);
        case Alu::adc: return choose<Alu::adc>(width, kind, form, mode.timed);
        case Alu::sbb: return choose<Alu::sbb>(width, kind, form, mode.timed);
        case Alu::and_: return choose<Alu::and_>(width, kind, form, mode.timed);
        case Alu::sub: return choose<Alu::sub>(width, kind, form, mode.timed);
        case Alu::xor_: return choose<Alu::xor_>(width, kind, form, mode.timed);
        case Alu::cmp: return choose<Alu::cmp>(width, kind, form, mode.timed);
        default: return choose<Alu::test>(width, kind, form, mode.timed);
    }
}

}  // namespace vtsim::cpu::exec
