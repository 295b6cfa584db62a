// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/alu_rows.h"
#include "cpu/exec/build.h"

namespace vtsim::cpu::exec {
namespace {

template <Alu operation, class T, Form form, bool timed, bool live>
Next alu_from_memory(Core& core, const MicroOp& op) {                // op reg, [mem]
    return load<T, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, T b) {
        const T result = alu<operation, T, live>(c, c.reg<T>(o.dst), b);
        if constexpr (writes_result(operation)) c.set_reg<T>(o.dst, result);
        return next(c, o);
    });
}

template <class T, bool immediate>
[[gnu::always_inline]] inline T second(const Core& core, const MicroOp& op) {
    return immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
}

template <Alu operation, class T, bool immediate, Form form, bool timed, bool live>
Next alu_to_memory(Core& core, const MicroOp& op) {                  // op [mem], reg or immediate
    if constexpr (writes_result(operation)) {
        return modify<T, At<form>, timed>(
            core, op, [](Core& c, const MicroOp& o, T old) { return alu<operation, T, false>(c, old, second<T, immediate>(c, o)); },
            [](Core& c, const MicroOp& o, T old) {
                if constexpr (live) alu<operation, T, true>(c, old, second<T, immediate>(c, o));
                return next(c, o);
            });
    } else {
        return load<T, At<form>, timed>(core, op, [](Core& c, const MicroOp& o, T a) {
            alu<operation, T, true>(c, a, second<T, immediate>(c, o));
            return next(c, o);
        });
    }
}

template <Alu operation>
Handler choose(unsigned width, AluKind kind, Form form, bool timed) {
    // ADC and SBB to memory are rare: one form.
    if constexpr (operation == Alu::adc || operation == Alu::sbb) form = Form::checked;
    return by_width(width, [&]<class T>() -> Handler {
        return by_form(form, timed, [&]<Form f, bool t>() -> Handler {
            switch (kind) {
                case AluKind::register_memory: return &alu_from_memory<operation, T, f, t, true>;
                case AluKind::memory_register: return &alu_to_memory<operation, T, false, f, t, true>;
                default: return &alu_to_memory<operation, T, true, f, t, true>;
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
