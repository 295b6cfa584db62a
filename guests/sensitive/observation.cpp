// SPDX-License-Identifier: Apache-2.0
#include "observation.h"

#include "common/cpu.h"
#include "common/local_apic.h"

namespace guest {
namespace {

constexpr u64 arithmetic_flags = 0x8d5;
constexpr unsigned exception_vectors = 32;
enum Service : u64 { service_number = 0x100, other_service_number = 0x200, ring0_service_number = 0x300 };

void end_snippet(InterruptFrame& frame) {
    record_end(*running.observation, frame, running.bits);
    running.leave(frame);
}

// As an operating system's entry: it sees from which ring it was called.
void serve(InterruptFrame& frame) {
    const Service number = frame.vector == SERVICE_VECTOR ? service_number : frame.vector == OTHER_SERVICE_VECTOR ? other_service_number : ring0_service_number;
    frame.rax = number | (frame.cs & ring3);
}

// An interrupt before the first instruction has woken nobody.
void wake(InterruptFrame& frame) {
    if (frame.rip != running.begin) running.observation->woken = true;
    end_of_interrupt();
}

}  // namespace

Running running;

Differences::Differences(const Observation& a, const Observation& b) {
    if (a.end != b.end) {
        words_ = ~u32{0};
        return;
    }
    for (unsigned i = 0; i < Observation::result_words; ++i)
        if (a.results[i] != b.results[i]) words_ |= 1u << i;
}

void install_handlers() {
    for (unsigned vector = 0; vector < exception_vectors; ++vector) handle_interrupt(u8(vector), end_snippet);
    handle_interrupt(END_VECTOR, end_snippet);
    for (const u8 vector : {SERVICE_VECTOR, OTHER_SERVICE_VECTOR, RING0_SERVICE_VECTOR}) handle_interrupt(vector, serve);
    handle_interrupt(TIMER_VECTOR, wake);
}

void record_end(Observation& o, const InterruptFrame& f, unsigned bits) {
    o.end = f.vector == END_VECTOR ? Observation::End::done : Observation::End::fault;
    o.vector = f.vector;
    o.error_code = f.error_code;
    o.ring = f.cs & ring3;
    const u64 words[] = {f.rax, f.rbx, f.rcx, f.rdx, f.rsi, f.rdi, f.rbp, f.rsp, f.r8, f.r9, f.r10, f.r11, f.r12, f.r13, f.r14, f.r15, f.rflags & arithmetic_flags, f.rip};
    const u64 mask = bits == 32 ? 0xffffffff : ~u64{0};         // the upper halves are undefined after a change of mode
    unsigned at = 0;
    for (const u64 word : words) o.results[at++] = word & mask;
    for (const u64 word : output) o.results[at++] = word;
    static_assert(std::size(words) + output_words == Observation::result_words);
}

void clear_output() {
    for (u64& word : output) word = 0;
}

void set_operands(const Tables& tables, u64 other_cr3, u8 ring) {
    operands.other_gdtr = tables.gdt(true);
    operands.other_idtr = tables.idt(true);
    operands.other_cr3 = other_cr3;
    operands.own_code = probe_code_selector | ring;
}

void wait_a_while() {
    static unsigned runs;
    constexpr unsigned step = 7, longest = 61;
    for (unsigned i = 10 + runs++ * step % longest; i; --i) pause();
}

Selectors selectors_of(u8 ring, unsigned bits) {
    switch (ring) {
    case 0: return {u16(bits == 32 ? SELECTOR_CODE32_RING0 : u16{kernel_code}), kernel_data};
    case 1: return {u16((bits == 32 ? SELECTOR_CODE32_RING1 : SELECTOR_CODE64_RING1) | 1), SELECTOR_DATA_RING1 | 1};
    default: return {u16((bits == 32 ? user_code_32 : user_code) | ring3), u16(user_data | ring3)};
    }
}

}  // namespace guest
