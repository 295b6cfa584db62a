// SPDX-License-Identifier: Apache-2.0
#include "checks.h"
#include "common/descriptors.h"
#include "common/interrupts.h"

extern "C" void call_with_way_back(void (*body)(std::uint64_t), std::uint64_t argument);
extern "C" char way_back[];
extern "C" std::uint64_t way_back_stack;

namespace guest {
namespace {

Caught caught;
constexpr u64 rflags_fixed = 2;

void unwind(InterruptFrame& frame) {
    caught = {frame.vector, frame.error_code, read_cr2(), frame.cs, frame.rax, frame.r8, frame.r9};
    frame.rip = reinterpret_cast<u64>(way_back);
    frame.rsp = way_back_stack;
    frame.cs = kernel_code;
    frame.ss = kernel_data;
    frame.rflags = rflags_fixed;
}

}  // namespace

Caught run_and_catch(u8 vector, void (*body)(u64), u64 argument) {
    caught = {};
    handle_interrupt(vector, unwind);
    call_with_way_back(body, argument);
    handle_interrupt(vector, nullptr);
    // Ring 3 may have loaded its own data segments on the way.
    asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(u32{kernel_data}));
    return caught;
}

}  // namespace guest
