// SPDX-License-Identifier: Apache-2.0
// The Multiboot Specification, version 0.6.96: what a boot loader hands over, and what the VMM hands to its guest.
#pragma once
#include "common/types.h"

namespace guest {

constexpr u32 multiboot_loader_magic = 0x2badb002;  // EAX at the entry point

enum MultibootFlag : u32 { multiboot_memory = 1u << 0, multiboot_command_line = 1u << 2, multiboot_modules = 1u << 3, multiboot_memory_map = 1u << 6 };

struct MultibootInfo {
    u32 flags;
    u32 mem_lower, mem_upper;  // KiB below 1 MiB, and from 1 MiB up to the first hole
    u32 boot_device;
    u32 command_line;
    u32 module_count, modules;
    u32 symbols[4];
    u32 memory_map_length, memory_map;
};

struct MultibootModule {
    u32 start, end;
    u32 command_line;
    u32 reserved;
};

struct [[gnu::packed]] MultibootMemoryRange {
    u32 size;  // of the rest of the entry
    u64 base, length;
    u32 type;  // 1: usable
};

}  // namespace guest
