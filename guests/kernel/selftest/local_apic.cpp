// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)": timer and self IPI, by memory and by MSR.
#include "checks.h"
#include "common/interrupts.h"

namespace guest {
namespace {

// Offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16.
enum Register : u32 { id = 0x20, eoi = 0xb0, spurious = 0xf0, icr_low = 0x300, lvt_timer = 0x320, initial_count = 0x380, current_count = 0x390, divide = 0x3e0, self_ipi = 0x3f0 };
enum ApicBase : u64 { x2apic_enable = 1u << 10, global_enable = 1u << 11 };
constexpr u8 timer_vector = 0x40, ipi_vector = 0x41, spurious_vector = 0xff;
constexpr u32 software_enable = 0x100, shorthand_self = 1u << 18, level_assert = 1u << 14, masked = 1u << 16;
constexpr u64 patience = 20'000'000;  // turns of a PAUSE loop

bool by_msr;
volatile u64 timer_interrupts, ipis;

u32 read_apic(Register reg) {
    if (by_msr) return u32(read_msr(msr_x2apic + reg / 16));
    return *reinterpret_cast<volatile u32*>((read_msr(msr_apic_base) & 0xf'ffff'f000) + reg);
}
void write_apic(Register reg, u32 value) {
    if (by_msr) write_msr(msr_x2apic + reg / 16, value);
    else *reinterpret_cast<volatile u32*>((read_msr(msr_apic_base) & 0xf'ffff'f000) + reg) = value;
}

void on_timer(InterruptFrame&) {
    timer_interrupts = timer_interrupts + 1;
    write_apic(eoi, 0);
}
void on_ipi(InterruptFrame&) {
    ipis = ipis + 1;
    write_apic(eoi, 0);
}

bool wait_for(const volatile u64& counter, u64 value) {
    asm volatile("sti");
    for (u64 turn = 0; turn < patience && counter < value; ++turn) pause();
    asm volatile("cli");
    return counter == value;
}

void start_timer(u32 count) {
    write_apic(divide, 0xb);  // by 1
    write_apic(lvt_timer, timer_vector);
    write_apic(initial_count, count);
}

void check_mode(Checks& checks, const char* const (&names)[4]) {
    timer_interrupts = 0;
    ipis = 0;
    write_apic(spurious, software_enable | spurious_vector);
    start_timer(20'000);
    checks.check(names[0], wait_for(timer_interrupts, 1) && read_apic(current_count) == 0);

    // STI holds interrupts back for one instruction, so the wake-up cannot come before HLT.
    start_timer(20'000);
    while (timer_interrupts < 2) asm volatile("sti; hlt; cli" ::: "memory");
    checks.check(names[1], timer_interrupts == 2);
    write_apic(lvt_timer, masked | timer_vector);

    if (by_msr) write_apic(self_ipi, ipi_vector);
    else write_apic(icr_low, shorthand_self | level_assert | ipi_vector);
    checks.check(names[2], wait_for(ipis, 1));

    const u64 before = ipis;
    if (by_msr) write_apic(self_ipi, ipi_vector);
    else write_apic(icr_low, shorthand_self | level_assert | ipi_vector);
    for (int i = 0; i < 1000; ++i) pause();
    const bool held_back = ipis == before;  // IF = 0
    checks.check(names[3], held_back && wait_for(ipis, before + 1));
}

}  // namespace

void check_local_apic(Checks& checks, Context& context) {
    if (!context.options.flag("apic", true)) return checks.skip("local APIC", "apic=0");
    if (!cpuid_1_edx(9)) return checks.skip("local APIC", "not in CPUID");
    handle_interrupt(timer_vector, on_timer);
    handle_interrupt(ipi_vector, on_ipi);
    handle_interrupt(spurious_vector, [](InterruptFrame&) {});

    // From x2APIC mode the way to xAPIC mode leads through the disabled state: SDM vol. 3, "x2APIC State Transitions".
    u64 base = read_msr(msr_apic_base);
    if (base & x2apic_enable) write_msr(msr_apic_base, base &= ~u64{x2apic_enable | global_enable});
    write_msr(msr_apic_base, base | global_enable);
    by_msr = false;
    check_mode(checks, {"xAPIC: timer interrupt", "xAPIC: timer ends HLT", "xAPIC: self IPI", "xAPIC: IF = 0 holds an interrupt back"});

    if (!cpuid_1_ecx(21)) return checks.skip("x2APIC", "not in CPUID");
    write_msr(msr_apic_base, read_msr(msr_apic_base) | x2apic_enable);
    by_msr = true;
    check_mode(checks, {"x2APIC: timer interrupt", "x2APIC: timer ends HLT", "x2APIC: self IPI", "x2APIC: IF = 0 holds an interrupt back"});
}

}  // namespace guest
