// SPDX-License-Identifier: Apache-2.0
// Starts a guest as a multiboot loader does.
#pragma once
#include "common/multiboot.h"
#include "ept.h"

namespace guest {

struct GuestEntry {
    u32 rip;
    u32 information;  // guest-physical address of its MultibootInfo
};

// An ELF32 or ELF64 file in `module` goes to the physical addresses of its segments, information and memory map below 1 MiB.
// Ends the machine with a message if it is not such a file or does not fit.
GuestEntry load_guest(const GuestMemory& memory, const MultibootModule& module);

}  // namespace guest
