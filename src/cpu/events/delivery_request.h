// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::cpu::events {

// How an event reaches the processor; numbered as the interruption type of VM-entry and VM-exit interruption information.
enum class Type : u8 { external = 0, nmi = 2, hardware_exception = 3, software_interrupt = 4, privileged_software_exception = 5, software_exception = 6, other = 7 };

struct Delivery {
    u8 vector = 0;
    Type type = Type::hardware_exception;
    bool has_error_code = false;
    u32 error_code = 0;
    bool injected = false;          // by VM entry: RFLAGS is pushed as it is, debug registers stay
    u64 debug_status = 0;           // #DB: DR6 bits, as the exit qualification has them
    u8 instruction_length = 0;      // of the instruction that causes it (software types): saved by VM exits
    u64 fault_rip = 0;              // software types: RIP of that instruction, where a nested fault finds it; s.rip is what is pushed
};

}  // namespace vtsim::cpu::events
