// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "arch/access.h"
#include "base/bits.h"
#include "tlb/mapping.h"

// Paging formats. Each tells the walker the same things about its entries:
//   Raw                        the integer that an entry is
//   top                        level of the first table that is read from memory (1 maps 4 KBytes)
//   shift(level)               lowest address bit that indexes the tables of a level
//   root(context, address)     address of the first table; nothing where a register entry says "not present"
//   slot(table, address, level), present, leaf, reserved_bits_set, table, frame, rights, pat_index, protection_key
namespace vtsim::mmu {

// Bits that 64-bit entries share. SDM vol. 3, "Paging-Structure Entries" of PAE, 4-level and 5-level paging.
struct Entry64 {
    using Raw = u64;
    static constexpr u64 present_bit = bit(0), write_bit = bit(1), user_bit = bit(2), accessed_bit = bit(5), dirty_bit = bit(6), large_bit = bit(7),
                         global_bit = bit(8), execute_disable = bit(63);
    using ProtectionKey = Field<62, 59>;

    u64 above_address;              // bits 51:MAXPHYADDR
    u64 execute_disable_reserved;   // bit 63 while EFER.NXE = 0
    bool pages_1g;

    Entry64(const arch::PagingContext& context, unsigned physical_address_bits, bool has_pages_1g)
        : above_address{Field<51, 0>::mask & ~low_bits(physical_address_bits)},
          execute_disable_reserved{context.no_execute ? 0 : execute_disable},
          pages_1g{has_pages_1g} {}

    static constexpr unsigned shift(unsigned level) { return 12 + 9 * (level - 1); }
    static constexpr u64 slot(u64 table, u64 address, unsigned level) { return table + ((address >> shift(level)) & 511) * 8; }
    static constexpr bool present(u64 entry) { return (entry & present_bit) != 0; }
    static constexpr u64 table(u64 entry) { return entry & Field<51, 12>::mask; }
    static constexpr u64 frame(u64 entry, unsigned level) { return entry & Field<51, 12>::mask & ~low_bits(shift(level)); }
    static constexpr u8 rights(u64 entry) {
        return static_cast<u8>(((entry & write_bit) != 0 ? tlb::rights::write : 0) | ((entry & user_bit) != 0 ? tlb::rights::user : 0) |
                               ((entry & execute_disable) == 0 ? tlb::rights::execute : 0));
    }
    static constexpr u8 pat_index(u64 entry, unsigned level) {
        const u64 pat = level == 1 ? Field<7>::get(entry) : Field<12>::get(entry);
        return static_cast<u8>(pat << 2 | Field<4, 3>::get(entry));
    }
    // Address bits below a large page's frame, but for its PAT bit.
    static constexpr u64 large_page_reserved(unsigned level) { return low_bits(shift(level)) & ~low_bits(13); }
};

// 4-level and 5-level paging. SDM vol. 3, "4-Level Paging and 5-Level Paging".
template <unsigned levels>
struct LongModePaging : Entry64 {
    static constexpr unsigned top = levels;
    using Entry64::Entry64;

    static std::optional<u64> root(const arch::PagingContext& context, u64) { return context.cr3 & Field<51, 12>::mask; }
    [[nodiscard]] bool leaf(u64 entry, unsigned level) const { return level == 1 || (level <= 3 && (entry & large_bit) != 0); }
    [[nodiscard]] bool reserved_bits_set(u64 entry, unsigned level) const {
        u64 reserved = above_address | execute_disable_reserved;
        if (level >= 4 || (level == 3 && !pages_1g)) reserved |= large_bit;
        if (level > 1 && leaf(entry, level)) reserved |= large_page_reserved(level);
        return (entry & reserved) != 0;
    }
    static u8 protection_key(u64 entry) { return static_cast<u8>(ProtectionKey::get(entry)); }
};

}  // namespace vtsim::mmu
