// SPDX-License-Identifier: Apache-2.0
#include "shadow/guest_walk.h"

namespace guest {
namespace {

constexpr u64 accessed = 1u << 5, dirty = 1u << 6, large = page_large, global = 1u << 8;

// SDM vol. 3, tables of the formats of 4-level paging entries.
bool has_reserved_bit(u64 entry, int level, const GuestPaging& paging) {
    u64 reserved = paging.reserved;
    if (!paging.no_execute) reserved |= page_no_execute;
    if (level == 4) reserved |= large;
    else if (level > 1 && entry & large) reserved |= (page_bytes(level) - 1) & frame_mask & ~u64{1u << 12};  // bit 12 is PAT
    return entry & reserved;
}

bool denied(const Walk& walk, const GuestPaging& paging, u32 access) {
    if (access & fault_user) return !walk.user || (access & fault_write && !walk.writable) || (access & fault_fetch && !walk.executable);
    if (access & fault_fetch) return !walk.executable || (paging.smep && walk.user);
    if (paging.smap && walk.user && !paging.access_control) return true;
    return access & fault_write && !walk.writable && paging.write_protect;
}

}  // namespace

Walk walk_guest(const GuestMemory& memory, const GuestPaging& paging, u64 linear, u32 access) {
    Walk walk;
    walk.error = access;
    walk.writable = walk.user = walk.executable = true;
    u64* slots[5];
    u64 table = paging.cr3 & frame_mask;
    int level = 4;
    for (;; --level) {
        walk.table[level] = table >> 12;
        if (!memory.contains(table, 4096)) return walk;         // nothing is there: as if not present
        slots[level] = reinterpret_cast<u64*>(memory.at(table)) + table_index(linear, level);
        const u64 entry = walk.entry[level] = *slots[level];
        if (!(entry & page_present)) return walk;
        if (has_reserved_bit(entry, level, paging)) {
            walk.error |= fault_present | fault_reserved;
            return walk;
        }
        walk.writable &= (entry & page_write) != 0;
        walk.user &= (entry & page_user) != 0;
        walk.executable &= !(entry & page_no_execute);
        if (level == 1 || entry & large) break;
        table = entry & frame_mask;
    }
    const u64 leaf = walk.entry[level];
    walk.leaf_level = level;
    walk.global = leaf & global;
    walk.frame = ((leaf & frame_mask & ~(page_bytes(level) - 1)) | (linear & (page_bytes(level) - 1))) >> 12;
    if (denied(walk, paging, access)) {
        walk.error |= fault_present;
        return walk;
    }
    walk.permitted = true;
    walk.supervisor_write = access & fault_write && !walk.writable;
    for (int at = 4; at >= level; --at) {
        const u64 flags = accessed | (at == level && access & fault_write ? dirty : 0);
        if ((walk.entry[at] & flags) == flags) continue;
        *slots[at] = walk.entry[at] |= flags;
    }
    walk.dirty = walk.entry[level] & dirty;
    return walk;
}

}  // namespace guest
