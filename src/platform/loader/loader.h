// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/config/schema.h"
#include "base/physical_memory.h"
#include "platform/loader/boot_state.h"
#include "platform/loader/input_file.h"

namespace vtsim::platform {

struct LoaderParams {
    std::string format = "auto";
    u64 flat_address = 0x7c00;
    bool firmware_interrupts = false;
};

struct LoadRequest {
    struct Module { std::string path, command_line; };
    std::string path;
    std::string command_line;
    std::vector<Module> modules;
};

// Puts an image into memory (which must be fresh: all zero) and says how to start it. Throws InputError with one line.
[[nodiscard]] BootState load_image(const LoadRequest& request, const LoaderParams& params, PhysicalMemory& memory);

// The formats; `load_image` chooses.
[[nodiscard]] bool has_multiboot_header(const InputFile& file);
[[nodiscard]] BootState load_multiboot(const InputFile& file, const LoadRequest& request, PhysicalMemory& memory);
[[nodiscard]] BootState load_flat(const InputFile& file, u64 address, PhysicalMemory& memory);

// Copies bytes to physical memory; throws InputError naming the file when they do not fit into RAM.
void place(const InputFile& file, const char* what, PhysicalMemory& memory, u64 address, u64 file_offset, u64 file_bytes, u64 memory_bytes);

}  // namespace vtsim::platform

namespace vtsim::config {

template <>
inline constexpr auto schema<platform::LoaderParams> = std::tuple{
    Param{"format", &platform::LoaderParams::format, "what the image is: auto, multiboot or flat"},
    Param{"flat_address", &platform::LoaderParams::flat_address, "physical address at which a flat binary is loaded and entered in real mode, below 1 MiB"},
    Param{"firmware_interrupts", &platform::LoaderParams::firmware_interrupts,
          "the interrupt controllers are set up as a PC's firmware leaves them: 8259s at vectors 08H and 70H with open inputs, virtual wire mode (off: as after reset)"},
};

}  // namespace vtsim::config
