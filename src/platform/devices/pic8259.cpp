// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/pic8259.h"

#include <bit>

namespace vtsim::platform {

u64 Pic8259::read(u64 offset, unsigned /*size*/) {
    if ((offset & 1) != 0) return mask_;
    return read_in_service_ ? in_service_ : request_;
}

void Pic8259::write(u64 offset, unsigned /*size*/, u64 value) {
    (offset & 1) != 0 ? write_data(static_cast<u8>(value)) : write_command(static_cast<u8>(value));
    notify();
}

void Pic8259::write_command(u8 value) {
    if ((value & 0x10) != 0) {                    // ICW1
        request_ = in_service_ = mask_ = 0;
        read_in_service_ = auto_end_ = false;
        single_ = (value & 2) != 0;
        needs_word4_ = (value & 1) != 0;
        next_word_ = 2;
    } else if ((value & 0x08) != 0) {             // OCW3
        if ((value & 2) != 0) read_in_service_ = (value & 1) != 0;
    } else {                                      // OCW2
        end_of_interrupt(value);
    }
}

void Pic8259::write_data(u8 value) {
    switch (next_word_) {
        case 2:
            vector_base_ = value & 0xf8;
            next_word_ = single_ ? (needs_word4_ ? 4 : 0) : 3;
            break;
        case 3: next_word_ = needs_word4_ ? 4 : 0; break;          // the cascade is wired as on a PC, whatever is said
        case 4:
            auto_end_ = (value & 2) != 0;
            next_word_ = 0;
            break;
        default: mask_ = value; break;            // OCW1
    }
}

void Pic8259::end_of_interrupt(u8 command) {
    if ((command & 0x20) == 0) return;
    const unsigned input = (command & 0x40) != 0 ? command & 7U : static_cast<unsigned>(std::countr_zero(in_service_));
    if (input < 8) in_service_ = static_cast<u8>(in_service_ & ~(1U << input));
}

void Pic8259::set_line(unsigned input, bool level) {
    const auto flag = static_cast<u8>(1U << input);
    if (level && (level_ & flag) == 0) request_ |= flag;
    level_ = static_cast<u8>(level ? level_ | flag : level_ & ~flag);
    notify();
}

void Pic8259::set_cascade(unsigned input, bool level) {
    if (!level) request_ = static_cast<u8>(request_ & ~(1U << input));
    set_line(input, level);
}

std::optional<unsigned> Pic8259::pending() const {
    const auto wanted = static_cast<u8>(request_ & ~mask_);
    if (wanted == 0 || next_word_ != 0) return std::nullopt;
    const auto input = static_cast<unsigned>(std::countr_zero(wanted));
    if (in_service_ != 0 && input >= static_cast<unsigned>(std::countr_zero(in_service_))) return std::nullopt;
    return input;
}

u8 Pic8259::acknowledge(unsigned input) {
    const auto flag = static_cast<u8>(1U << input);
    request_ = static_cast<u8>(request_ & ~flag);
    if (!auto_end_) in_service_ |= flag;
    return static_cast<u8>(vector_base_ + input);
}

PicPair::PicPair() {
    first.on_change([this] { update(); });
    second.on_change([this] {
        const bool wanted = second.pending().has_value();
        first.set_cascade(2, wanted);
    });
}

void PicPair::update() {
    const bool level = first.pending().has_value();
    if (level == output_) return;
    output_ = level;
    if (listener_) listener_(level);
}

u8 PicPair::acknowledge() {
    const auto input = first.pending();
    if (!input) return static_cast<u8>(first.vector_base() + 7);
    u8 vector = first.acknowledge(*input);
    if (*input == 2) {
        const auto below = second.pending();
        vector = below ? second.acknowledge(*below) : static_cast<u8>(second.vector_base() + 7);
        first.set_cascade(2, false);
        first.set_cascade(2, second.pending().has_value());
    }
    update();
    return vector;
}

}  // namespace vtsim::platform
