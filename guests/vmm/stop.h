// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "common/print.h"
#include "common/serial.h"

namespace guest {

// The VMM cannot go on: one line that says why, and the machine ends with status 1.
template <class... Items>
[[noreturn]] void stop(const Items&... items) {
    print("vmm: ", items..., "\n");
    exit_machine(1);
}

}  // namespace guest
