// SPDX-License-Identifier: Apache-2.0
// Trees of four levels with 512 entries: ordinary 4-level paging, EPT and the remapping unit's second stage differ only in bits.
#pragma once
#include "common/memory.h"
#include "common/types.h"

namespace guest {

struct TableFormat {
    u64 table;  // bits of an entry that points to a table
    u64 leaf;   // bits of every leaf
};

// SDM vol. 3, "4-Level Paging". The rights of a linear address are the AND of all levels, so tables allow everything.
enum PageBit : u64 {
    page_present = 1,
    page_write = 2,
    page_user = 4,
    page_uncached = 1 << 4,
    page_accessed = 1 << 5,
    page_dirty = 1 << 6,
    page_large = 1 << 7,
    page_global = 1 << 8,
    page_no_execute = u64{1} << 63
};
constexpr TableFormat linear_format{page_present | page_write | page_user, page_present};

constexpr u64 page_bytes(int level) { return u64{4096} << 9 * (level - 1); }  // 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
int leaf_level(const char* name);                                             // "4k", "2m", "1g"; 0: none of them

class PageTables {
public:
    PageTables(TableFormat format, MemoryPool& pool, int levels = 4) : format_(format), pool_(pool), levels_(levels), root_(pool.take_zeroed_page()) {}

    void map(u64 address, u64 physical, u64 bits, int level = 1) { *entry(address, level) = physical | format_.leaf | bits | (level > 1 ? u64{page_large} : 0); }
    void map_range(u64 address, u64 physical, u64 bytes, u64 bits, int level);
    u64* entry(u64 address, int level);  // makes the tables above it
    u64 root() const { return root_; }
    u64 tables() const { return tables_; }  // pages of memory that the tree takes

private:
    TableFormat format_;
    MemoryPool& pool_;
    int levels_;
    u64 root_;
    u64 tables_ = 1;
};

}  // namespace guest
