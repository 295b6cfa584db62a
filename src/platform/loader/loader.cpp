// SPDX-License-Identifier: Apache-2.0
#include "platform/loader/loader.h"

#include <fmt/format.h>

#include "base/error.h"
#include "platform/loader/elf.h"

namespace vtsim::platform {
namespace {

bool is_boot_sector(const InputFile& file) { return file.get<u16>(510) == 0xaa55; }
bool is_linux(const InputFile& file) { return file.get<u32>(0x202) == 0x53726448; }        // "HdrS"

std::string detect(const InputFile& file) {
    if (has_multiboot_header(file)) return "multiboot";
    if (is_elf(file)) {
        static_cast<void>(parse_elf(file));      // a damaged ELF file is reported as such
        file.fail("ELF file without a multiboot header in its first 8192 bytes: expected the magic number 0x1badb002");
    }
    if (is_linux(file)) file.fail("a Linux kernel (bzImage) needs firmware tables that this machine does not have: expected a multiboot or flat image");
    if (is_boot_sector(file)) return "flat";
    file.fail("not a multiboot image and not a boot sector: expected an ELF file with a multiboot header (loader.format=flat loads any file as it is)");
}

}  // namespace

void place(const InputFile& file, const char* what, PhysicalMemory& memory, u64 address, u64 file_offset, u64 file_bytes, u64 memory_bytes) {
    file.check(file_offset, file_bytes, what);
    if (address + memory_bytes < address || !memory.is_ram(PhysicalAddress{address}, memory_bytes))
        file.fail(fmt::format("{} at {:#x} to {:#x} lies outside memory: RAM ends at {:#x}", what, address, address + (memory_bytes - 1),
                              memory.high_end() > PhysicalMemory::hole_end ? memory.high_end() : memory.low_end()));
    memory.write_block(PhysicalAddress{address}, file.data() + file_offset, file_bytes);
}

BootState load_flat(const InputFile& file, u64 address, PhysicalMemory& memory) {
    if (address >= MiB) throw ConfigError("loader.flat_address", fmt::format("{:#x}", address), "an address below 0x100000: real mode starts there");
    place(file, "the flat image", memory, address, 0, file.size(), file.size());
    // As PC firmware enters the boot sector of the first hard disk: DL is its drive number, the stack grows down from it.
    return {.entry = BootState::Entry::real, .address = address, .edx = 0x80, .esp = 0x7c00};
}

BootState load_image(const LoadRequest& request, const LoaderParams& params, PhysicalMemory& memory) {
    const auto file = InputFile::open(request.path);
    const std::string format = params.format == "auto" ? detect(file) : params.format;
    if (format == "multiboot") return load_multiboot(file, request, memory);
    if (format != "flat") throw ConfigError("loader.format", params.format, "auto, multiboot or flat");
    if (!request.modules.empty()) file.fail("a flat image takes no modules");
    return load_flat(file, params.flat_address, memory);
}

}  // namespace vtsim::platform
