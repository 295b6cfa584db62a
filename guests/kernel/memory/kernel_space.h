// SPDX-License-Identifier: Apache-2.0
// The kernel's linear addresses: RAM one to one in pages of the size the command line wants, and the devices below 4 GiB. They are
// global pages below the first entry of the top table, which every AddressSpace shares.
#pragma once
#include "common/cpu.h"
#include "common/paging.h"

namespace guest {

class KernelSpace {
public:
    KernelSpace(MemoryPool& pool, int level, u64 memory_bytes);

    void enable() const;                                     // the first load; also EFER.NXE and CR4.PGE where they exist
    void load() const { write_cr3(root()); }
    void map_page(u64 linear, u64 physical, u64 bits);       // 4 KiB, outside of RAM and devices
    u64 root() const { return tables_.root(); }
    static bool supports(int level);
    static bool no_execute();
    static constexpr u64 free_linear = u64{512} * gib;       // nothing is mapped from here on

private:
    PageTables tables_;
};

}  // namespace guest
