// SPDX-License-Identifier: Apache-2.0
// A body of code that an interrupt ends, wherever it stands and whatever its stack and ring.
#pragma once
#include "common/interrupts.h"
#include "common/types.h"

namespace guest {

// Calls body(argument), which either returns or is ended by a handler that calls take_way_back.
extern "C" void call_with_way_back(void (*body)(u64), u64 argument);
// The handler of this frame returns to the caller of call_with_way_back, in ring 0. Data segments stay as the body left them.
void take_way_back(InterruptFrame& frame);

}  // namespace guest
