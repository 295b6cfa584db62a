// SPDX-License-Identifier: Apache-2.0
// The machine's processors. The first one is number 0; the others, with the local APIC ids 1, 2, ..., wait for INIT and SIPI.
#pragma once
#include "common/memory.h"

namespace guest {

constexpr unsigned most_processors = 8;

// Each of the processors 1 to count - 1 runs `main(number)` with descriptors, interrupts and a stack of its own, and halts for good when that returns. Ends the machine with a message
// when one does not answer.
void start_processors(MemoryPool& pool, unsigned count, void (*main)(unsigned number));

}  // namespace guest
