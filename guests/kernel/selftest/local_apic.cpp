// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)": timer and self IPI, by memory and by MSR.
#include "checks.h"
#include "common/interrupts.h"
#include "common/local_apic.h"

namespace guest {
namespace {

constexpr u8 timer_vector = 0x40, ipi_vector = 0x41;
constexpr u32 masked = 1u << 16;
constexpr u64 patience = 20'000'000;  // turns of a PAUSE loop

volatile u64 timer_interrupts, ipis;

void on_timer(InterruptFrame&) {
    timer_interrupts = timer_interrupts + 1;
    end_of_interrupt();
}
void on_ipi(InterruptFrame&) {
    ipis = ipis + 1;
    end_of_interrupt();
}

bool wait_for(const volatile u64& counter, u64 value) {
    asm volatile("sti");
    for (u64 turn = 0; turn < patience && counter < value; ++turn) pause();
    asm volatile("cli");
    return counter == value;
}

void start_timer(u32 count) {
    write_apic(ApicRegister::divide, 0xb);  // by 1
    write_apic(ApicRegister::lvt_timer, timer_vector);
    write_apic(ApicRegister::initial_count, count);
}

void check_mode(Checks& checks, const char* const (&names)[4]) {
    timer_interrupts = 0;
    ipis = 0;
    start_timer(20'000);
    checks.check(names[0], wait_for(timer_interrupts, 1) && read_apic(ApicRegister::current_count) == 0);

    // STI holds interrupts back for one instruction, so the wake-up cannot come before HLT.
    start_timer(20'000);
    while (timer_interrupts < 2) asm volatile("sti; hlt; cli" ::: "memory");
    checks.check(names[1], timer_interrupts == 2);
    write_apic(ApicRegister::lvt_timer, masked | timer_vector);

    send_to_self(ipi_vector);
    checks.check(names[2], wait_for(ipis, 1));

    const u64 before = ipis;
    send_to_self(ipi_vector);
    for (int i = 0; i < 1000; ++i) pause();
    const bool held_back = ipis == before;  // IF = 0
    checks.check(names[3], held_back && wait_for(ipis, before + 1));
}

}  // namespace

void check_local_apic(Checks& checks, Context& context) {
    if (!context.options.flag("apic", true)) return checks.skip("local APIC", "apic=0");
    if (!has_local_apic()) return checks.skip("local APIC", "not in CPUID");
    handle_interrupt(timer_vector, on_timer);
    handle_interrupt(ipi_vector, on_ipi);

    enable_local_apic(false);
    check_mode(checks, {"xAPIC: timer interrupt", "xAPIC: timer ends HLT", "xAPIC: self IPI", "xAPIC: IF = 0 holds an interrupt back"});

    if (!has_x2apic()) return checks.skip("x2APIC", "not in CPUID");
    enable_local_apic(true);
    check_mode(checks, {"x2APIC: timer interrupt", "x2APIC: timer ends HLT", "x2APIC: self IPI", "x2APIC: IF = 0 holds an interrupt back"});
}

}  // namespace guest
