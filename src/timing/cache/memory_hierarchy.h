// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/address.h"
#include "timing/cache/level.h"
#include "timing/dram.h"

namespace vtsim::timing {

class MemoryPort;

// What the cores of a machine share: the third level, memory, and the knowledge of each other. Lines are kept coherent by broadcast: a
// write removes the copies of other cores, a read cleans a modified one.
class MemoryHierarchy {
public:
    MemoryHierarchy(const CacheParams& caches, const DramParams& dram, stats::Group& parent);
    MemoryHierarchy(const MemoryHierarchy&) = delete;
    MemoryHierarchy& operator=(const MemoryHierarchy&) = delete;

    [[nodiscard]] const CacheParams& params() const { return params_; }
    [[nodiscard]] Dram& dram() { return dram_; }

    // A device reads or writes memory: modified lines go to memory; written ones leave the caches.
    void snoop(PhysicalAddress address, u64 bytes, bool write);
    // CLFLUSH: the line leaves every cache.
    void flush(PhysicalAddress address);
    // WBINVD, INVD: everything leaves every cache.
    void flush_all();

private:
    friend class MemoryPort;
    using Line = CacheLevel::Line;

    // Lookup and fill on behalf of a port's second level. Returns the load-to-use latency.
    u32 access(Line line, Requester requester, const MemoryPort& port);
    void write_back(Line line);                                    // a modified line leaves a second level
    void insert(Line line, bool dirty);
    bool clean_others(Line line, const MemoryPort* port);          // true if a modified copy was found
    bool remove_others(Line line, const MemoryPort* port, bool& dirty);   // true if a copy was found

    CacheParams params_;
    stats::Group group_;
    Dram dram_;
    CacheLevel l3_;
    std::vector<MemoryPort*> ports_;
};

}  // namespace vtsim::timing
