// SPDX-License-Identifier: Apache-2.0
#include "common/interrupts.h"

#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/print.h"
#include "common/serial.h"

extern "C" char interrupt_stubs[];

namespace guest {
namespace {

constexpr u64 stub_bytes = 16;

// SDM vol. 3, "64-Bit Mode IDT".
struct Gate {
    u64 low, high;
};
alignas(16) Gate idt[256];
InterruptHandler handlers[256];

constexpr u64 interrupt_gate = 0x8e;  // present, DPL 0: IF is cleared on the way in
constexpr u64 open_to_ring3 = 0x60;   // DPL 3

Gate make_gate(unsigned vector) {
    const u64 entry = reinterpret_cast<u64>(interrupt_stubs) + vector * stub_bytes;
    const bool user = vector == breakpoint || vector == user_return_vector || vector == software_vector;
    const u64 type = interrupt_gate | (user ? open_to_ring3 : 0);
    const u64 stack = vector == double_fault ? double_fault_stack : 0;
    return {(entry & 0xffff) | u64{kernel_code} << 16 | stack << 32 | type << 40 | (entry >> 16 & 0xffff) << 48, entry >> 32};
}

void report(const InterruptFrame& f) {
    print("unexpected vector ", f.vector, " error=", hex(f.error_code), " cr2=", hex(read_cr2()), " cr3=", hex(read_cr3()), "\n");
    print("cs:rip=", hex(f.cs), ":", hex(f.rip), " rflags=", hex(f.rflags), " ss:rsp=", hex(f.ss), ":", hex(f.rsp), "\n");
    print("rax=", hex(f.rax), " rbx=", hex(f.rbx), " rcx=", hex(f.rcx), " rdx=", hex(f.rdx), "\n");
    print("rsi=", hex(f.rsi), " rdi=", hex(f.rdi), " rbp=", hex(f.rbp), " r8=", hex(f.r8), "\n");
    print("r9=", hex(f.r9), " r10=", hex(f.r10), " r11=", hex(f.r11), " r12=", hex(f.r12), "\n");
    print("r13=", hex(f.r13), " r14=", hex(f.r14), " r15=", hex(f.r15), "\n");
}

}  // namespace

extern "C" void dispatch_interrupt(InterruptFrame& frame) {
    if (const InterruptHandler handler = handlers[frame.vector]) return handler(frame);
    print_lock.unlock();  // perhaps this processor's own: better a mixed line than none
    report(frame);
    exit_machine(1);
}

void load_interrupts() {
    for (unsigned vector = 0; vector < 256; ++vector) idt[vector] = make_gate(vector);
    const DescriptorTablePointer pointer{sizeof idt - 1, reinterpret_cast<u64>(idt)};
    asm volatile("lidt %0" ::"m"(pointer));
}

void handle_interrupt(u8 vector, InterruptHandler handler) { handlers[vector] = handler; }

void mask_legacy_interrupts() {
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
}

}  // namespace guest
