// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96. Where it leaves a choice, as QEMU's -kernel does it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/bits.h"
#include "base/error.h"
#include "platform/loader/elf.h"
#include "platform/loader/loader.h"

namespace vtsim::platform {
namespace {

constexpr u32 header_magic = 0x1badb002;
constexpr u32 loader_magic = 0x2badb002;
constexpr u64 search_bytes = 8192;
constexpr u64 information_base = 0x9000;       // where QEMU puts it
constexpr u64 low_memory_end = 0x9fc00;        // the extended BIOS data area begins

// "The layout of Multiboot header": flags that must be understood are bits 15:0.
using AlignModules = Field<0>;
using WantMemory = Field<1>;
using WantVideo = Field<2>;
using UnknownRequirements = Field<15, 3>;
using AddressFields = Field<16>;

struct Header {
    u64 offset;
    u32 flags;
};

struct Extent {
    u64 first = ~u64{0};
    u64 end = 0;
    void include(u64 address, u64 bytes) {
        first = std::min(first, address);
        end = std::max(end, address + bytes);
    }
};

struct LoadedKernel {
    u64 entry;
    Extent extent;
};

std::optional<Header> find_header(const InputFile& file) {
    for (u64 offset = 0; offset + 12 <= std::min(search_bytes, file.size()); offset += 4) {
        if (*file.get<u32>(offset) != header_magic) continue;
        const u32 flags = *file.get<u32>(offset + 4);
        if (header_magic + flags + *file.get<u32>(offset + 8) == 0) return Header{offset, flags};
    }
    return std::nullopt;
}

// "The address fields of Multiboot header".
LoadedKernel load_by_address_fields(const InputFile& file, const Header& header, PhysicalMemory& memory) {
    const auto field = [&](unsigned index) { return file.require<u32>(header.offset + 4 * u64{index}, "the multiboot address fields"); };
    const u64 header_address = field(3), load_address = field(4), load_end = field(5), bss_end = field(6), entry = field(7);
    if (header_address < load_address || header_address - load_address > header.offset)
        file.fail(fmt::format("multiboot load address {:#x} is not in the file: the header is at {:#x}, file offset {:#x}", load_address, header_address, header.offset));
    const u64 first = header.offset - (header_address - load_address);
    const u64 bytes = load_end != 0 ? load_end - load_address : file.size() - first;
    if (load_end != 0 && load_end < load_address) file.fail(fmt::format("multiboot load end {:#x} lies before the load address {:#x}", load_end, load_address));
    const u64 memory_bytes = bss_end > load_address + bytes ? bss_end - load_address : bytes;
    place(file, "the multiboot image", memory, load_address, first, bytes, std::max<u64>(memory_bytes, 1));
    LoadedKernel kernel{.entry = entry, .extent = {}};
    kernel.extent.include(load_address, memory_bytes);
    return kernel;
}

LoadedKernel load_elf(const InputFile& file, PhysicalMemory& memory) {
    const auto image = parse_elf(file);
    LoadedKernel kernel{.entry = image.entry, .extent = {}};
    for (const auto& segment : image.segments) {
        place(file, "an ELF segment", memory, segment.physical_address, segment.file_offset, segment.file_bytes, segment.memory_bytes);
        kernel.extent.include(segment.physical_address, segment.memory_bytes);
    }
    return kernel;
}

// Builds tables in a byte buffer that will stand at a known address.
class Blob {
public:
    explicit Blob(u64 base) : base_{base} {}
    u32 here() const { return static_cast<u32>(base_ + bytes_.size()); }
    u32 string(const std::string& text) {
        const u32 at = here();
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        bytes_.push_back(0);
        return at;
    }
    void align() { bytes_.resize(align_up(bytes_.size(), 8)); }
    template <class T>
    void add(T value) {
        const auto* raw = reinterpret_cast<const u8*>(&value);
        bytes_.insert(bytes_.end(), raw, raw + sizeof value);
    }
    template <class T>
    void put(u64 offset, T value) { std::memcpy(bytes_.data() + offset, &value, sizeof value); }
    [[nodiscard]] const std::vector<u8>& bytes() const { return bytes_; }

private:
    u64 base_;
    std::vector<u8> bytes_;
};

struct LoadedModule {
    u64 first, end;
    std::string string;
};

// After the kernel, each at a page boundary.
std::vector<LoadedModule> load_modules(const LoadRequest& request, u64 address, PhysicalMemory& memory) {
    std::vector<LoadedModule> modules;
    for (const auto& module : request.modules) {
        const auto file = InputFile::open(module.path);
        address = align_up(address, page_size);
        place(file, "the module", memory, address, 0, file.size(), file.size());
        if ((address + file.size()) >> 32 != 0) file.fail("the module does not fit below 4 GiB, where multiboot can name it");
        modules.push_back({address, address + file.size(), module.command_line.empty() ? module.path : module.path + " " + module.command_line});
        address += file.size();
    }
    return modules;
}

// "Boot information format".
namespace info {
constexpr u64 flags = 0, mem_lower = 4, mem_upper = 8, boot_device = 12, cmdline = 16, mods_count = 20, mods_addr = 24, mmap_length = 44, mmap_addr = 48, boot_loader_name = 64, bytes = 120;
constexpr u32 has_memory = 1, has_boot_device = 2, has_command_line = 4, has_modules = 8, has_memory_map = 64, has_loader_name = 512;
}  // namespace info

u32 add_memory_map(Blob& blob, const PhysicalMemory& memory) {
    constexpr u32 available = 1, reserved = 2;
    const auto entry = [&](u64 first, u64 end, u32 type) {
        blob.add<u32>(20);
        blob.add(first);
        blob.add(end - first);
        blob.add(type);
    };
    const u32 at = blob.here();
    entry(0, std::min(low_memory_end, memory.low_end()), available);
    if (memory.low_end() > MiB) {
        entry(low_memory_end, 0xa0000, reserved);
        entry(0xf0000, MiB, reserved);
        entry(MiB, memory.low_end(), available);
    }
    if (memory.high_end() > PhysicalMemory::hole_end) entry(PhysicalMemory::hole_end, memory.high_end(), available);
    return at;
}

std::vector<u8> boot_information(u64 base, const LoadRequest& request, const std::vector<LoadedModule>& modules, const PhysicalMemory& memory) {
    Blob blob(base);
    for (u64 i = 0; i < info::bytes; i += 4) blob.add<u32>(0);
    blob.put(info::flags, info::has_memory | info::has_boot_device | info::has_command_line | info::has_modules | info::has_memory_map | info::has_loader_name);
    blob.put(info::mem_lower, static_cast<u32>(std::min(memory.low_end(), 640 * KiB) / KiB));
    blob.put(info::mem_upper, static_cast<u32>(memory.low_end() > MiB ? (memory.low_end() - MiB) / KiB : 0));
    blob.put(info::boot_device, u32{0x8000ffff});
    const u32 map = add_memory_map(blob, memory);
    blob.put(info::mmap_addr, map);
    blob.put(info::mmap_length, blob.here() - map);
    blob.put(info::cmdline, blob.string(request.command_line.empty() ? request.path : request.path + " " + request.command_line));
    blob.put(info::boot_loader_name, blob.string("vtsim"));
    std::vector<u32> strings;
    for (const auto& module : modules) strings.push_back(blob.string(module.string));
    blob.align();
    blob.put(info::mods_count, static_cast<u32>(modules.size()));
    blob.put(info::mods_addr, blob.here());
    for (std::size_t i = 0; i < modules.size(); ++i) {
        blob.add(static_cast<u32>(modules[i].first));
        blob.add(static_cast<u32>(modules[i].end));
        blob.add(strings[i]);
        blob.add<u32>(0);
    }
    return blob.bytes();
}

// In low memory if the kernel leaves it free, else behind everything else.
u64 information_address(const Extent& kernel, u64 bytes, u64 behind) {
    const bool free = kernel.first >= information_base + bytes || kernel.end <= information_base;
    return free && information_base + bytes <= low_memory_end ? information_base : align_up(behind, page_size);
}

}  // namespace

bool has_multiboot_header(const InputFile& file) { return find_header(file).has_value(); }

BootState load_multiboot(const InputFile& file, const LoadRequest& request, PhysicalMemory& memory) {
    const auto header = find_header(file);
    if (!header) file.fail("no multiboot header in the first 8192 bytes: expected the magic number 0x1badb002");
    if (UnknownRequirements::test(header->flags)) file.fail(fmt::format("multiboot header flags {:#x} demand features that do not exist in multiboot 1", header->flags));
    const auto kernel = AddressFields::test(header->flags) ? load_by_address_fields(file, *header, memory) : load_elf(file, memory);
    if (kernel.entry >> 32 != 0 || !memory.is_ram(PhysicalAddress{kernel.entry}))
        file.fail(fmt::format("entry point {:#x} lies outside memory below 4 GiB", kernel.entry));

    const u64 modules_at = std::max(kernel.extent.end, MiB);
    const auto modules = load_modules(request, modules_at, memory);
    const u64 behind = modules.empty() ? modules_at : modules.back().end;
    const u64 bytes = boot_information(0, request, modules, memory).size();
    const u64 base = information_address(kernel.extent, bytes, behind);
    const auto information = boot_information(base, request, modules, memory);
    if (base >> 32 != 0 || !memory.is_ram(PhysicalAddress{base}, information.size()))
        file.fail(fmt::format("no room for {} bytes of boot information behind the image: give the machine more memory", information.size()));
    memory.write_block(PhysicalAddress{base}, information.data(), information.size());
    return {.entry = BootState::Entry::protected32, .address = kernel.entry, .eax = loader_magic, .ebx = static_cast<u32>(base)};
}

}  // namespace vtsim::platform
