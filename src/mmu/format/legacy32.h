// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>

#include "arch/access.h"
#include "base/bits.h"
#include "tlb/mapping.h"

namespace vtsim::mmu {

// 32-bit paging with 4-KByte pages, and 4-MByte ones of up to 40 address bits (PSE-36). SDM vol. 3, "32-Bit Paging".
struct Legacy32Paging {
    using Raw = u32;
    static constexpr unsigned top = 2;
    static constexpr u64 accessed_bit = bit(5), dirty_bit = bit(6), large_bit = bit(7), global_bit = bit(8);

    bool page_size_extension;
    u64 large_page_reserved;

    Legacy32Paging(const arch::PagingContext& context, unsigned physical_address_bits, bool)
        : page_size_extension{context.page_size_extension}, large_page_reserved{Field<21, 13>::mask & ~low_bits(std::min(physical_address_bits, 40U) - 32 + 13)} {}

    static constexpr unsigned shift(unsigned level) { return level == 2 ? 22 : 12; }
    static std::optional<u64> root(const arch::PagingContext& context, u64) { return context.cr3 & Field<31, 12>::mask; }
    static constexpr u64 slot(u64 table, u64 address, unsigned level) { return table + ((address >> shift(level)) & 1023) * 4; }
    static constexpr bool present(u64 entry) { return (entry & 1) != 0; }
    [[nodiscard]] bool leaf(u64 entry, unsigned level) const { return level == 1 || (page_size_extension && (entry & large_bit) != 0); }
    [[nodiscard]] bool reserved_bits_set(u64 entry, unsigned level) const {
        return level == 2 && leaf(entry, level) && (entry & large_page_reserved) != 0;
    }
    static constexpr u64 table(u64 entry) { return entry & Field<31, 12>::mask; }
    static constexpr u64 frame(u64 entry, unsigned level) {
        if (level == 1) return entry & Field<31, 12>::mask;
        return (entry & Field<31, 22>::mask) | Field<20, 13>::get(entry) << 32;
    }
    static constexpr u8 rights(u64 entry) {
        return static_cast<u8>(((entry & bit(1)) != 0 ? tlb::rights::write : 0) | ((entry & bit(2)) != 0 ? tlb::rights::user : 0) | tlb::rights::execute);
    }
    static constexpr u8 pat_index(u64 entry, unsigned level) {
        const u64 pat = level == 1 ? Field<7>::get(entry) : Field<12>::get(entry);
        return static_cast<u8>(pat << 2 | Field<4, 3>::get(entry));
    }
    static u8 protection_key(u64) { return 0; }
};

}  // namespace vtsim::mmu
