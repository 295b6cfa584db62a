// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"
#include "tlb/mapping.h"

namespace vtsim::iommu {

// VT-d, "Second-Level Paging Entries": what an entry may contain at which level (1 maps 4 KBytes), in the shape that
// mmu::walk_second_level asks for. Without the tables' own accessed and dirty bits, which belong to scalable mode.
struct SecondLevelFormat {
    static constexpr u64 read_bit = bit(0), write_bit = bit(1), large_bit = bit(7), accessed_bit = bit(8), dirty_bit = bit(9), snoop_bit = bit(11),
                         transient_bit = bit(62);
    using Address = Field<51, 12>;
    static constexpr bool accessed_dirty = false;

    unsigned host_width = 46;
    bool pages_2m = true;
    bool pages_1g = true;
    bool snoop_control = true;

    static constexpr unsigned shift(unsigned level) { return 12 + 9 * (level - 1); }
    static constexpr u64 slot(u64 table, u64 address, unsigned level) { return table + ((address >> shift(level)) & 511) * 8; }
    static constexpr bool present(u64 entry) { return (entry & (read_bit | write_bit)) != 0; }
    static constexpr bool leaf(u64 entry, unsigned level) { return level == 1 || (level <= 3 && (entry & large_bit) != 0); }
    static constexpr u64 table(u64 entry) { return entry & Address::mask; }
    static constexpr u64 frame(u64 entry, unsigned level) { return entry & Address::mask & ~low_bits(shift(level)); }
    static constexpr u8 rights(u64 entry) {
        return static_cast<u8>(((entry & read_bit) != 0 ? tlb::rights::second_read : 0) | ((entry & write_bit) != 0 ? tlb::rights::second_write : 0));
    }
    static constexpr bool snoop(u64 entry) { return (entry & snoop_bit) != 0; }

    // Reserved bits of a present entry. A large page of a size that CAP.SLLPS lacks sets one.
    [[nodiscard]] bool misconfigured(u64 entry, unsigned level) const {
        u64 reserved = (Address::mask & ~low_bits(host_width)) | transient_bit;     // transient mappings need a device-TLB
        if (!snoop_control) reserved |= snoop_bit;
        if (!(level == 2 && pages_2m) && !(level == 3 && pages_1g) && level != 1) reserved |= large_bit;
        if (leaf(entry, level)) reserved |= Address::mask & low_bits(shift(level));
        return (entry & reserved) != 0;
    }
};

}  // namespace vtsim::iommu
