// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)": the processor's own, by memory (xAPIC) or by MSR (x2APIC).
#pragma once
#include "common/types.h"

namespace guest {

// Offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16.
enum class ApicRegister : u32 { eoi = 0xb0, spurious = 0xf0, icr_low = 0x300, icr_high = 0x310, lvt_timer = 0x320, initial_count = 0x380, current_count = 0x390, divide = 0x3e0, self_ipi = 0x3f0 };
constexpr u8 spurious_vector = 0xff;

bool has_local_apic();
bool has_x2apic();
void enable_local_apic(bool by_msr);  // changes the mode if need be
void use_local_apic_as_it_is();
u32 read_apic(ApicRegister reg);
void write_apic(ApicRegister reg, u32 value);
void send_to_self(u8 vector);
// Another processor begins in real mode at `page` * 4 KiB, as after INIT. SDM vol. 3, "MP Initialization Protocol Algorithm for MP Systems".
void send_start_up(u32 apic_id, u8 page);
void end_of_interrupt();

}  // namespace guest
