// SPDX-License-Identifier: Apache-2.0
// A guest's physical memory under EPT. SDM vol. 3, "The Extended Page Table Mechanism (EPT)".
#pragma once
#include "common/paging.h"

namespace guest {

// A range of the VMM's memory that the guest sees from guest-physical address 0 on.
struct GuestMemory {
    u64 base;   // aligned to the leaves that map it
    u64 bytes;  // a multiple of their size
    u8* at(u64 address) const { return reinterpret_cast<u8*>(base + address); }
    bool contains(u64 address, u64 size = 1) const { return address < bytes && size <= bytes - address; }
};

class Ept {
public:
    Ept(MemoryPool& pool, const GuestMemory& memory, int level, bool accessed_dirty);

    void map_all();
    bool map_at(u64 address);             // the leaf that holds this guest-physical address; false outside the guest's memory
    void map_device(u64 address);         // 4 KiB of the real machine at the same address, uncached
    void invalidate() const;              // INVEPT for this tree
    u64 pointer() const { return pointer_; }
    u64 leaves() const { return leaves_; }
    u64 table_bytes() const { return tables_.tables() * 4096; }

private:
    const GuestMemory& memory_;
    PageTables tables_;
    int level_;
    u64 pointer_;
    u64 leaves_ = 0;
};

}  // namespace guest
