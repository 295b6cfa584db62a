// SPDX-License-Identifier: Apache-2.0
#include "guest_image.h"

#include <cstring>

#include "common/options.h"
#include "stop.h"

namespace guest {
namespace {

// System V ABI, "Object Files", for both classes.
struct ElfHeader {
    u8 magic[4], elf_class, data, rest_of_ident[10];
    u16 type, machine;
    u32 version;
};
struct Elf32 {
    using Word = u32;
    struct Segment {
        u32 type, offset, virtual_address, physical_address, file_bytes, memory_bytes, flags, alignment;
    };
};
struct Elf64 {
    using Word = u64;
    struct Segment {
        u32 type, flags;
        u64 offset, virtual_address, physical_address, file_bytes, memory_bytes, alignment;
    };
};
template <class Elf>
struct RestOfHeader {
    typename Elf::Word entry, segments, sections;
    u32 flags;
    u16 header_bytes, segment_bytes, segment_count;
};
constexpr u32 elf_magic = 0x464c457f, segment_is_loaded = 1;
constexpr u8 elf_class_32 = 1, elf_class_64 = 2;

constexpr u64 information_at = 0x1000, command_line_at = 0x2000, memory_map_at = 0x3000;
constexpr u64 low_memory = 640 * kib, high_memory_at = 1 * mib, command_line_bytes = 0x1000;

template <class Elf>
u32 load_segments(const GuestMemory& memory, const u8* file, u64 file_bytes) {
    const auto& header = *reinterpret_cast<const RestOfHeader<Elf>*>(file + sizeof(ElfHeader));
    if (sizeof(ElfHeader) + sizeof header > file_bytes || header.segments > file_bytes) stop("the module is truncated");
    if (u64{header.segment_count} * header.segment_bytes > file_bytes - header.segments) stop("the module's program headers lie outside its file");
    for (u16 i = 0; i < header.segment_count; ++i) {
        const auto& segment = *reinterpret_cast<const typename Elf::Segment*>(file + header.segments + u64{i} * header.segment_bytes);
        if (segment.type != segment_is_loaded) continue;
        if (segment.offset > file_bytes || segment.file_bytes > file_bytes - segment.offset) stop("segment ", u32{i}, " of the module lies outside its file");
        if (segment.file_bytes > segment.memory_bytes || !memory.contains(segment.physical_address, segment.memory_bytes))
            stop("segment ", u32{i}, " of the module at ", hex(segment.physical_address), " does not fit in the guest's memory of ", memory.bytes / mib, " MiB");
        memcpy(memory.at(segment.physical_address), file + segment.offset, segment.file_bytes);
        memset(memory.at(segment.physical_address + segment.file_bytes), 0, segment.memory_bytes - segment.file_bytes);
    }
    return u32(header.entry);
}

u32 load_elf(const GuestMemory& memory, const u8* file, u64 file_bytes) {
    const auto& header = *reinterpret_cast<const ElfHeader*>(file);
    u32 magic = 0;
    if (file_bytes >= sizeof header) memcpy(&magic, header.magic, sizeof magic);
    if (magic != elf_magic) stop("the module is not an ELF file");
    if (header.elf_class == elf_class_32) return load_segments<Elf32>(memory, file, file_bytes);
    if (header.elf_class == elf_class_64) return load_segments<Elf64>(memory, file, file_bytes);
    stop("the module is an ELF file of unknown class ", u32{header.elf_class});
}

void copy_text(char* to, const char* text) {
    for (u64 i = 0; i + 1 < command_line_bytes && text[i]; ++i) *to++ = text[i];
    *to = 0;
}

}  // namespace

GuestEntry load_guest(const GuestMemory& memory, const MultibootModule& module) {
    // Loaders may put command lines where the guest's memory is now: read before anything is written there.
    static char command_line[command_line_bytes];
    copy_text(command_line, module.command_line ? reinterpret_cast<const char*>(u64{module.command_line}) : "");
    const u8* const file = reinterpret_cast<const u8*>(u64{module.start});
    const u32 entry = load_elf(memory, file, module.end - module.start);
    copy_text(reinterpret_cast<char*>(memory.at(command_line_at)), command_line);

    auto* const map = reinterpret_cast<MultibootMemoryRange*>(memory.at(memory_map_at));
    constexpr u32 size = sizeof(MultibootMemoryRange) - sizeof map->size, usable = 1;
    map[0] = {size, 0, low_memory, usable};
    map[1] = {size, high_memory_at, memory.bytes - high_memory_at, usable};

    auto& information = *reinterpret_cast<MultibootInfo*>(memory.at(information_at));
    information = {};
    information.flags = multiboot_memory | multiboot_command_line | multiboot_memory_map;
    information.mem_lower = u32(low_memory / kib);
    information.mem_upper = u32((memory.bytes - high_memory_at) / kib);
    information.command_line = u32(command_line_at);
    information.memory_map = u32(memory_map_at);
    information.memory_map_length = 2 * sizeof(MultibootMemoryRange);
    return {entry, u32(information_at)};
}

}  // namespace guest
