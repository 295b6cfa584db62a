// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/uart16550.h"

#include <array>

namespace vtsim::platform {
namespace {

enum Register : u8 { data = 0, interrupt_enable = 1, identification = 2, line_control = 3, modem_control = 4, line_status = 5, modem_status = 6, scratch = 7 };

// Interrupt identification codes; "PC16550D Interrupt Control Functions", highest priority first after line status (which never happens here).
enum Source : u8 { received_data = 0x4, timeout = 0xc, transmitter_empty = 0x2, modem = 0x0, none = 0x1 };

constexpr u8 ier_received = 1, ier_transmitter = 2, ier_modem = 8;
constexpr u8 mcr_out2 = 8;                 // on a PC this output gates the interrupt line
constexpr u8 lsr_data_ready = 1, lsr_transmitter_empty = 0x60;

}  // namespace

void Uart16550::receive(std::string_view bytes) {
    received_.insert(received_.end(), bytes.begin(), bytes.end());
    update_line();
}

unsigned Uart16550::trigger() const {
    static constexpr std::array<unsigned, 4> levels{1, 4, 8, 14};
    return fifo() ? levels[fcr_ >> 6] : 1;
}

u8 Uart16550::interrupt_source() const {
    if ((ier_ & ier_received) != 0 && !received_.empty()) return received_.size() >= trigger() ? received_data : timeout;
    if ((ier_ & ier_transmitter) != 0 && transmitter_interrupt_) return transmitter_empty;
    if ((ier_ & ier_modem) != 0 && (modem_status_ & 0xf) != 0) return modem;
    return none;
}

void Uart16550::update_line() {
    const bool level = interrupt_source() != none && (mcr_ & mcr_out2) != 0 && !loopback();
    if (level == level_) return;
    level_ = level;
    if (interrupt_) interrupt_(level);
}

u8 Uart16550::read_receiver() {
    if (received_.empty()) return 0;
    const u8 byte = received_.front();
    received_.pop_front();
    return byte;
}

u8 Uart16550::read_interrupt_identification() {
    const u8 source = interrupt_source();
    if (source == transmitter_empty) transmitter_interrupt_ = false;      // reading it acknowledges it
    return static_cast<u8>(source | (fifo() ? 0xc0 : 0));
}

u8 Uart16550::read_modem_status() {
    // In loopback DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD.
    const u8 inputs = loopback() ? static_cast<u8>((mcr_ & 1) << 5 | (mcr_ & 2) << 3 | (mcr_ & 0xc) << 4) : static_cast<u8>(modem_status_ & 0xf0);
    const u8 value = static_cast<u8>(inputs | (modem_status_ & 0xf));
    modem_status_ &= 0xf0;
    return value;
}

u64 Uart16550::read(u64 offset, unsigned /*size*/) {
    u8 value = 0;
    switch (offset & 7) {
        case data: value = divisor_latch() ? static_cast<u8>(divisor_) : read_receiver(); break;
        case interrupt_enable: value = divisor_latch() ? static_cast<u8>(divisor_ >> 8) : ier_; break;
        case identification: value = read_interrupt_identification(); break;
        case line_control: value = lcr_; break;
        case modem_control: value = mcr_; break;
        case line_status: value = static_cast<u8>(lsr_transmitter_empty | (received_.empty() ? 0 : lsr_data_ready)); break;
        case modem_status: value = read_modem_status(); break;
        default: value = scratch_; break;
    }
    update_line();
    return value;
}

void Uart16550::write_transmitter(u8 value) {
    transmitter_interrupt_ = false;
    update_line();
    if (loopback()) received_.push_back(value);
    else if (transmit_) {
        const char character = static_cast<char>(value);
        transmit_({&character, 1});
    }
    transmitter_interrupt_ = true;
}

void Uart16550::write_fifo_control(u8 value) {
    if (((value ^ fcr_) & 1) != 0 || (value & 2) != 0) received_.clear();
    fcr_ = static_cast<u8>(value & 0xc9);
}

void Uart16550::write_modem_control(u8 value) { mcr_ = value & 0x1f; }

void Uart16550::write(u64 offset, unsigned /*size*/, u64 raw) {
    const u8 value = static_cast<u8>(raw);
    switch (offset & 7) {
        case data:
            if (divisor_latch()) divisor_ = static_cast<u16>((divisor_ & 0xff00) | value);
            else write_transmitter(value);
            break;
        case interrupt_enable:
            if (divisor_latch()) divisor_ = static_cast<u16>((divisor_ & 0xff) | value << 8);
            else {
                // Enabling the transmitter interrupt while the transmitter is empty raises it.
                if ((value & ~ier_ & ier_transmitter) != 0) transmitter_interrupt_ = true;
                ier_ = value & 0xf;
            }
            break;
        case identification: write_fifo_control(value); break;
        case line_control: lcr_ = value; break;
        case modem_control: write_modem_control(value); break;
        case line_status: case modem_status: break;                       // read-only in normal operation
        default: scratch_ = value; break;
    }
    update_line();
}

}  // namespace vtsim::platform
