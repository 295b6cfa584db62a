// SPDX-License-Identifier: Apache-2.0
#include "common/serial.h"

#include "common/cpu.h"
#include "common/print.h"

namespace guest {
namespace {

// Register offsets and bits of the 16550.
enum : u16 { data = 0, interrupt_enable = 1, fifo_control = 2, line_control = 3, modem_control = 4, line_status = 5 };
constexpr u8 divisor_latch = 0x80, eight_bits_no_parity = 0x03, transmitter_empty = 1u << 5;

}  // namespace

void initialize_serial() {
    out8(serial_port + interrupt_enable, 0);
    out8(serial_port + line_control, divisor_latch | eight_bits_no_parity);
    out8(serial_port + data, 1);  // divisor 1: 115,200 baud
    out8(serial_port + interrupt_enable, 0);
    out8(serial_port + line_control, eight_bits_no_parity);
    out8(serial_port + fifo_control, 0x07);
    out8(serial_port + modem_control, 0x03);
}

void put_serial(char c) {
    if (c == '\n') put_serial('\r');
    while (!(in8(serial_port + line_status) & transmitter_empty)) pause();
    out8(serial_port + data, u8(c));
}

void exit_machine(u32 status) {
    print("exit: ", hex(status, 2), "\n");
    out32(exit_port, status);
    for (;;) asm volatile("cli; hlt");
}

}  // namespace guest
