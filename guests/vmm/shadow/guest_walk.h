// SPDX-License-Identifier: Apache-2.0
// A walk of the guest's own page tables, as its processor would make it. SDM vol. 3, "4-Level Paging", "Access Rights", "Accessed and Dirty Flags".
#pragma once
#include "ept.h"

namespace guest {

// SDM vol. 3, "Page-Fault Exceptions".
enum PageFaultError : u32 { fault_present = 1u << 0, fault_write = 1u << 1, fault_user = 1u << 2, fault_reserved = 1u << 3, fault_fetch = 1u << 4 };

constexpr u64 frame_mask = 0x000f'ffff'ffff'f000;  // of an entry
constexpr unsigned table_index(u64 linear, int level) { return linear >> (12 + 9 * (level - 1)) & 511; }

// What decides a walk besides the tables.
struct GuestPaging {
    u64 cr3 = 0;
    bool write_protect = false, no_execute = false, smep = false, smap = false;
    bool access_control = false;  // RFLAGS.AC: no SMAP
    u64 reserved = 0;             // address bits that the processor does not have
};

struct Walk {
    bool permitted = false;
    u32 error = 0;       // of the page fault otherwise
    int leaf_level = 0;  // 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
    u64 table[5];        // by level: the frame number of the table, and its entry
    u64 entry[5];
    u64 frame = 0;       // frame number of the 4 KiB at the address
    bool writable = false, user = false, executable = false, global = false;
    bool dirty = false;
    bool supervisor_write = false;  // permitted only because CR0.WP = 0
};

// With the accessed and dirty flags set that the access sets. `access`: the bits write, user and fetch of an error code.
Walk walk_guest(const GuestMemory& memory, const GuestPaging& paging, u64 linear, u32 access);

}  // namespace guest
