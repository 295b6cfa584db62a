// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "platform/loader/input_file.h"

namespace vtsim::platform {

// What of an executable goes to memory. System V ABI, "Program Header".
struct ElfSegment {
    u64 file_offset, virtual_address, physical_address, file_bytes, memory_bytes;
};

struct ElfImage {
    bool wide = false;               // ELF64
    u64 entry = 0;                   // physical
    std::vector<ElfSegment> segments;
};

[[nodiscard]] bool is_elf(const InputFile& file);

// Throws InputError for anything that is not a complete ELF executable for i386 or x86-64.
[[nodiscard]] ElfImage parse_elf(const InputFile& file);

}  // namespace vtsim::platform
