// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"
#include "cpu/exec/memory.h"

// Choosing a handler's instance at decode.
namespace vtsim::cpu {

// The cheapest address form that is right for the operand in this mode.
inline Form form_of(const MicroOp& op, const DecodeMode& mode) {
    const auto segment = op.segment();
    if (!mode.code64 || op.address_size() != AddressSize::a64 || segment == arch::fs || segment == arch::gs) return Form::checked;
    return op.index == arch::State::zero_register ? Form::base : Form::indexed;
}

// Calls `make.template operator()<T>()` with the type of an operand width of 1, 2, 4 or 8 bytes.
template <class Make>
Handler by_width(unsigned width, Make make) {
    switch (width) {
        case 0: return make.template operator()<u8>();
        case 1: return make.template operator()<u16>();
        case 2: return make.template operator()<u32>();
        case 3: return make.template operator()<u64>();
        default: return nullptr;
    }
}

// Calls `make.template operator()<form, timed>()`.
template <class Make>
Handler by_form(Form form, bool timed, Make make) {
    switch (form) {
        case Form::base: return timed ? make.template operator()<Form::base, true>() : make.template operator()<Form::base, false>();
        case Form::indexed: return timed ? make.template operator()<Form::indexed, true>() : make.template operator()<Form::indexed, false>();
        default: return make.template operator()<Form::checked, false>();     // the slow path looks at the mode itself
    }
}

// Calls `make.template operator()<code>()` with the condition code 0 to 15.
template <class Make>
Handler by_condition(unsigned code, Make make) {
    return [&]<std::size_t... codes>(std::index_sequence<codes...>) {
        Handler handler = nullptr;
        ((code == codes ? void(handler = make.template operator()<static_cast<u8>(codes)>()) : void()), ...);
        return handler;
    }(std::make_index_sequence<16>{});
}

}  // namespace vtsim::cpu
