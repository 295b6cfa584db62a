// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/events/events.h"

namespace vtsim::cpu::events {

// Delivers through the interrupt table, without VM-exit decisions and without dealing with what goes wrong: that comes back as an event, and then RIP, the stack pointer,
// segments and flags are as before.
[[nodiscard]] arch::Event deliver_once(Core& core, const Delivery& delivery);
// RFLAGS as an event saves it. SDM vol. 3, "Instruction-Breakpoint Exception Condition" (on RF).
[[nodiscard]] u64 pushed_flags(const Core& core, const Delivery& delivery);
[[nodiscard]] arch::Event with_selector(arch::Event event, u16 selector, u32 ext);
// A task gate in the IDT (task_switch.cpp).
[[nodiscard]] arch::Event task_gate(Core& core, const Delivery& delivery, u16 tss_selector);

}  // namespace vtsim::cpu::events
