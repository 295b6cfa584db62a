// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "usermode/address_space.h"

namespace vtsim::usermode {

// A loaded program: what the system needs of it to start it.
struct Program {
    std::string path;
    u64 entry = 0;
    u64 headers = 0;             // linear address of its program headers
    u64 header_count = 0;
    u64 end = 0;                 // behind its last segment
};

// Maps the segments of a statically linked ELF executable, position-independent or not. Throws InputError for any other file.
[[nodiscard]] Program load_program(AddressSpace& space, const std::string& path);

// Maps the stack and writes what a program finds there: arguments, environment and auxiliary vector (System V ABI, AMD64 supplement, "Process
// Initialization"). Returns the stack pointer.
[[nodiscard]] u64 build_stack(AddressSpace& space, const Program& program, const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                              u32 hardware_capabilities);

}  // namespace vtsim::usermode
