// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/state.h"

namespace vtsim::platform {

// How a loaded image wants the bootstrap processor.
struct BootState {
    enum class Entry : u8 { protected32, real };
    Entry entry = Entry::real;
    u64 address = 0;        // physical address of the first instruction
    u32 eax = 0;
    u32 ebx = 0;
    u32 edx = 0;
    u32 esp = 0;
};

// protected32: Multiboot Specification 0.6.96, "I386 machine state". real: as a PC's firmware enters a boot sector.
void apply(const BootState& boot, arch::State& state);

}  // namespace vtsim::platform
