// SPDX-License-Identifier: Apache-2.0
#include "checks.h"
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/way_back.h"

namespace guest {
namespace {

Caught caught;

void unwind(InterruptFrame& frame) {
    caught = {frame.vector, frame.error_code, read_cr2(), frame.cs, frame.rax, frame.r8, frame.r9};
    take_way_back(frame);
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
