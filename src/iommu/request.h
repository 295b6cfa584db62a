// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/address.h"
#include "iommu/fault.h"
#include "iommu/source_id.h"

namespace vtsim::iommu {

// The address type of PCI Express; the numbers are those of FRCD.AT. VT-d, "Requests from Devices".
enum class RequestType : u8 { untranslated = 0, translation = 1, translated = 2 };

// One request of a device; it does not cross a 4-KByte boundary.
struct DmaRequest {
    SourceId source;
    u64 address = 0;
    u32 size = 4;                   // bytes; 0 for a zero-length read
    bool write = false;
    RequestType type = RequestType::untranslated;
};

enum class DmaStatus : u8 {
    translated,     // go on at `address`
    interrupt,      // a write to 0xFEExxxxx: an interrupt message, not memory
    blocked,        // completer abort or dropped; `reason` says why (none: a read of the interrupt address range)
};

struct DmaResult {
    DmaStatus status = DmaStatus::blocked;
    FaultReason reason = FaultReason::none;
    u8 page_shift = 12;             // the page of that size around `address` is mapped alike
    bool readable = false, writable = false;
    bool snoop = false;
    PhysicalAddress address;
    u64 cycles = 0;                 // lookups and table references
    explicit operator bool() const { return status == DmaStatus::translated; }
};

// How the unit reads its tables: physical memory through whatever caches the platform puts there.
struct TableRead {
    u64 value = 0;
    u32 cycles = 0;
    bool ok = true;                 // false: nothing readable at that address
};
struct TablePort {
    TableRead (*read)(void* self, PhysicalAddress address) = nullptr;       // 8 bytes
    void* self = nullptr;
};

// How the unit sends its fault event: a 32-bit write to the interrupt address range.
struct MessagePort {
    void (*write)(void* self, u64 address, u32 data) = nullptr;
    void* self = nullptr;
};

}  // namespace vtsim::iommu
