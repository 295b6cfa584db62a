// SPDX-License-Identifier: Apache-2.0
// The IDT: every vector has a gate; a vector without a handler prints the registers and ends the machine.
#pragma once
#include "common/types.h"

namespace guest {

enum Vector : u8 {
    divide_error = 0,
    breakpoint = 3,
    invalid_opcode = 6,
    double_fault = 8,
    general_protection = 13,
    page_fault = 14,
    user_return_vector = 0x80,  // its gate is open to ring 3, as those of #BP and the next one are
    software_vector = 0x81,
};

// What interrupts.S pushes below the frame of the processor.
struct InterruptFrame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error_code;
    u64 rip, cs, rflags, rsp, ss;
};

using InterruptHandler = void (*)(InterruptFrame&);

void load_interrupts();
void handle_interrupt(u8 vector, InterruptHandler handler);  // nullptr: the report again
void mask_legacy_interrupts();                               // both 8259s

}  // namespace guest
