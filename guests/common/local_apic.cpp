// SPDX-License-Identifier: Apache-2.0
#include "common/local_apic.h"

#include "common/cpu.h"
#include "common/interrupts.h"

namespace guest {
namespace {

enum ApicBase : u64 { x2apic_enable = 1u << 10, global_enable = 1u << 11, base_address = 0xf'ffff'f000 };
constexpr u32 software_enable = 0x100, shorthand_self = 1u << 18, level_assert = 1u << 14, delivery_pending = 1u << 12, init = 5u << 8, start_up = 6u << 8;

bool msrs_in_use;
u64 page;

u32 msr_of(ApicRegister reg) { return msr_x2apic + u32(reg) / 16; }
volatile u32& word_of(ApicRegister reg) { return *reinterpret_cast<volatile u32*>(page + u32(reg)); }

}  // namespace

bool has_local_apic() { return cpuid_1_edx(9); }
bool has_x2apic() { return cpuid_1_ecx(21); }

void enable_local_apic(bool by_msr) {
    u64 base = read_msr(msr_apic_base);
    // From x2APIC mode the way to xAPIC mode leads through the disabled state: SDM vol. 3, "x2APIC State Transitions".
    if (!by_msr && base & x2apic_enable) write_msr(msr_apic_base, base &= ~u64{x2apic_enable | global_enable});
    write_msr(msr_apic_base, base |= global_enable);
    if (by_msr) write_msr(msr_apic_base, base | x2apic_enable);
    page = base & base_address;
    msrs_in_use = by_msr;
    handle_interrupt(spurious_vector, [](InterruptFrame&) {});
    write_apic(ApicRegister::spurious, software_enable | spurious_vector);
}

void use_local_apic_as_it_is() {
    const u64 base = read_msr(msr_apic_base);
    page = base & base_address;
    msrs_in_use = base & x2apic_enable;
}

u32 read_apic(ApicRegister reg) { return msrs_in_use ? u32(read_msr(msr_of(reg))) : word_of(reg); }

void write_apic(ApicRegister reg, u32 value) {
    if (msrs_in_use) write_msr(msr_of(reg), value);
    else word_of(reg) = value;
}

void send_to_self(u8 vector) {
    if (msrs_in_use) write_apic(ApicRegister::self_ipi, vector);
    else write_apic(ApicRegister::icr_low, shorthand_self | level_assert | vector);
}

namespace {

void send(u32 apic_id, u32 command) {
    constexpr u32 xapic_id_shift = 24;
    if (msrs_in_use) return write_msr(msr_of(ApicRegister::icr_low), u64{apic_id} << 32 | command);
    write_apic(ApicRegister::icr_high, apic_id << xapic_id_shift);
    write_apic(ApicRegister::icr_low, command);
    while (read_apic(ApicRegister::icr_low) & delivery_pending) pause();
}

}  // namespace

// The algorithm's pauses are for processors with an external APIC; Linux leaves them out on Intel family 6 (arch/x86/kernel/smpboot.c, init_udelay).
void send_start_up(u32 apic_id, u8 page_number) {
    send(apic_id, init | level_assert);
    for (int i = 0; i < 2; ++i) send(apic_id, start_up | level_assert | page_number);
}

void end_of_interrupt() { write_apic(ApicRegister::eoi, 0); }

}  // namespace guest
