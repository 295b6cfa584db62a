// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <string_view>

#include "base/types.h"

namespace vtsim::platform {

// Serial port: National Semiconductor PC16550D, "Registers". Transmission takes no time, so the transmitter is always empty;
// received bytes wait in an unbounded queue and never overrun.
class Uart16550 {
public:
    static constexpr unsigned access_size = 1;
    using Sink = std::function<void(std::string_view)>;
    using Line = std::function<void(bool level)>;

    void on_transmit(Sink sink) { transmit_ = std::move(sink); }
    void on_interrupt(Line line) { interrupt_ = std::move(line); }
    void receive(std::string_view bytes);

    u64 read(u64 offset, unsigned size);
    void write(u64 offset, unsigned size, u64 value);
    [[nodiscard]] bool interrupt_level() const { return level_; }

private:
    [[nodiscard]] bool divisor_latch() const { return (lcr_ & 0x80) != 0; }
    [[nodiscard]] bool loopback() const { return (mcr_ & 0x10) != 0; }
    [[nodiscard]] bool fifo() const { return (fcr_ & 1) != 0; }
    [[nodiscard]] unsigned trigger() const;
    [[nodiscard]] u8 interrupt_source() const;
    u8 read_receiver();
    u8 read_interrupt_identification();
    u8 read_modem_status();
    void write_transmitter(u8 value);
    void write_fifo_control(u8 value);
    void write_modem_control(u8 value);
    void update_line();

    std::deque<u8> received_;
    u16 divisor_ = 12;
    u8 ier_ = 0, fcr_ = 0, lcr_ = 0, mcr_ = 0, scratch_ = 0;
    u8 modem_status_ = 0xb0;               // DCD, DSR and CTS asserted: somebody listens
    bool transmitter_interrupt_ = false;   // the transmitter became empty and nobody has looked
    bool level_ = false;
    Sink transmit_;
    Line interrupt_;
};

}  // namespace vtsim::platform
