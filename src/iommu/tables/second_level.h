// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"

namespace vtsim::iommu {

// VT-d, "Second-Level Paging Entries", as data for a walk: what an entry may contain at which level. Level 1 maps 4 KBytes.
struct SecondLevelFormat {
    unsigned host_width = 46;
    bool large_2m = true;
    bool large_1g = true;
    bool snoop_control = true;

    static constexpr u64 read = bit(0), write = bit(1), page_size = bit(7), snoop = bit(11);
    using Address = Field<51, 12>;
    using Ignored = Field<61, 52>;          // and bit 63

    static constexpr unsigned shift(unsigned level) { return 12 + 9 * (level - 1); }
    static constexpr u64 entry_offset(u64 address, unsigned level) { return ((address >> shift(level)) & 511) * 8; }
    static constexpr bool present(u64 entry) { return (entry & (read | write)) != 0; }
    static constexpr u64 table(u64 entry) { return entry & Address::mask; }
    static constexpr u64 frame(u64 entry, unsigned level) { return entry & Address::mask & ~low_bits(shift(level)); }

    [[nodiscard]] bool leaf(u64 entry, unsigned level) const { return level == 1 || (large(level) && (entry & page_size) != 0); }
    [[nodiscard]] bool reserved_bits_set(u64 entry, unsigned level) const {
        u64 reserved = (Address::mask & ~low_bits(host_width)) | bit(62);               // transient mapping: with a device-TLB only
        if (!snoop_control) reserved |= snoop;
        if (level > 1 && !large(level)) reserved |= page_size;
        if (leaf(entry, level)) reserved |= low_bits(shift(level)) & Address::mask;
        return (entry & reserved) != 0;
    }

private:
    [[nodiscard]] bool large(unsigned level) const { return (level == 2 && large_2m) || (level == 3 && large_1g); }
};

}  // namespace vtsim::iommu
