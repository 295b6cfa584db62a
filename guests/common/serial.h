// SPDX-License-Identifier: Apache-2.0
// The 16550 at 0x3f8, polled, and the port that ends the machine.
#pragma once
#include "common/types.h"

namespace guest {

constexpr u16 serial_port = 0x3f8;
constexpr u16 exit_port = 0xf4;

void initialize_serial();
void put_serial(char c);

[[noreturn]] void exit_machine(u32 status);  // prints the last line, "exit: 0xNN"; HLT where nothing listens at the port

}  // namespace guest
