// SPDX-License-Identifier: Apache-2.0
// Driver of a remapping unit in legacy mode: one device, one second-stage domain, invalidation by registers.
#pragma once
#include "common/paging.h"

namespace guest {

struct DmaFault {
    bool recorded = false;
    u16 source_id = 0;
    u8 reason = 0;
    bool read = false;
    u64 address = 0;  // of the page
};

class RemappingUnit {
public:
    explicit RemappingUnit(MemoryPool& pool) : pool_(pool) {}

    bool find();                        // false: no unit, or none with three or four levels
    int levels() const { return levels_; }
    void attach(u16 source_id, u16 domain);
    void enable();                      // root table, context and IOTLB invalidation, then translation
    void disable();
    void map(u64 address, u64 physical, u64 rights);
    void unmap(u64 address);
    void invalidate_context_cache();
    void invalidate_iotlb();
    bool fault_pending() const;
    DmaFault take_fault();              // reads the record and clears it

    static constexpr u64 readable = 1, writable = 2;

private:
    void command(u32 bit, bool on, bool one_shot);
    void flush(const void* data, u64 bytes) const;

    MemoryPool& pool_;
    int levels_ = 0;
    bool coherent_ = false;
    u64 fault_records_ = 0, iotlb_ = 0;  // register offsets
    u64 root_ = 0, context_ = 0, stage_ = 0;
    u32 enabled_ = 0;                    // the command bits that must be repeated
};

}  // namespace guest
