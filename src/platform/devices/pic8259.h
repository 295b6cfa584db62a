// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "base/types.h"

namespace vtsim::platform {

// One Intel 8259A: initialisation command words, masks, requests, priorities and end of interrupt. Intel 8259A data sheet,
// "Programming the 8259A". Rotating priorities and polling are not there.
class Pic8259 {
public:
    static constexpr unsigned access_size = 1;
    u64 read(u64 offset, unsigned size);
    void write(u64 offset, unsigned size, u64 value);

    // Edge triggered: a request is made when the line rises and stays until it is taken, as in the chipsets of PCs (Intel 82801 I/O Controller Hub data sheets, "Interrupt
    // Request Register").
    void set_line(unsigned input, bool level);
    // The second 8259 on an input: the request follows its output.
    void set_cascade(unsigned input, bool level);
    // The input that would interrupt now: requested, not masked, of higher priority than what is in service.
    [[nodiscard]] std::optional<unsigned> pending() const;
    // Interrupt acknowledge cycle: takes `input` into service and returns its vector.
    u8 acknowledge(unsigned input);
    [[nodiscard]] u8 mask() const { return mask_; }
    [[nodiscard]] u8 vector_base() const { return vector_base_; }
    void on_change(std::function<void()> listener) { changed_ = std::move(listener); }

private:
    void write_command(u8 value);
    void write_data(u8 value);
    void end_of_interrupt(u8 command);
    void notify() { if (changed_) changed_(); }

    u8 request_ = 0, in_service_ = 0, mask_ = 0xff, level_ = 0, vector_base_ = 0;
    u8 next_word_ = 0;                 // 2 to 4: the initialisation command word that is expected; 0: none
    bool needs_word4_ = false, single_ = false, auto_end_ = false, read_in_service_ = false;
    std::function<void()> changed_;
};

// The two of a PC: the second's output is input 2 of the first.
class PicPair {
public:
    PicPair();
    Pic8259 first, second;
    void set_line(unsigned line, bool level) { line < 8 ? first.set_line(line, level) : second.set_line(line - 8, level); }
    [[nodiscard]] bool output() const { return output_; }
    u8 acknowledge();                  // vector; of a spurious interrupt (input 7) when nothing is pending
    void on_output(std::function<void(bool level)> listener) { listener_ = std::move(listener); }

private:
    void update();
    bool output_ = false;
    std::function<void(bool)> listener_;
};

}  // namespace vtsim::platform
