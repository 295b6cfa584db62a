// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cpu/core.h"

namespace vtsim::usermode {

// A statically linked program and what it is given. Both ways of running it give it the same.
struct Command {
    std::vector<std::string> arguments;                      // the first is the path of the program
    std::string input = "/dev/null";                         // file that is standard input
    std::vector<std::string> environment = {"LC_ALL=C", "TZ=UTC", "PATH=/bin"};
};

struct Result {
    int status = -1;                                         // exit status, or 128 + signal
    std::string output;                                      // standard output and standard error in their order
    double seconds = 0;                                      // of the host
};

struct SimulatedResult : Result {
    std::string problem;                                     // why it did not end: an exception, the limit; and the system calls that were missing
    u64 instructions = 0, cycles = 0;
};

// On a core of vtsim. Throws InputError when the program cannot be loaded.
[[nodiscard]] SimulatedResult run_simulated(const Command& command, cpu::Mode mode, u64 instruction_limit = 5'000'000'000);

// On the host's processor. Throws InputError when the program cannot be started.
[[nodiscard]] Result run_natively(const Command& command);

}  // namespace vtsim::usermode
