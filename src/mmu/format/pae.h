// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mmu/format/long_mode.h"

namespace vtsim::mmu {

// The four page-directory-pointer-table entries live in registers that MOV CR3 and VM entry load: a walk reads two levels.
// SDM vol. 3, "PAE Paging".
struct PaePaging : Entry64 {
    static constexpr unsigned top = 2;
    using Entry64::Entry64;

    static std::optional<u64> root(const arch::PagingContext& context, u64 address) {
        const u64 pdpte = context.pdpte[(address >> 30) & 3];
        if (!present(pdpte)) return std::nullopt;
        return table(pdpte);
    }
    static bool leaf(u64 entry, unsigned level) { return level == 1 || (entry & large_bit) != 0; }
    [[nodiscard]] bool reserved_bits_set(u64 entry, unsigned level) const {
        u64 reserved = above_address | Field<62, 52>::mask | execute_disable_reserved;
        if (level == 2 && leaf(entry, level)) reserved |= large_page_reserved(level);
        return (entry & reserved) != 0;
    }
    static u8 protection_key(u64) { return 0; }

    // May MOV CR3 load this PDPTE? Otherwise #GP(0). SDM vol. 3, "PDPTE Registers".
    static bool pdpte_valid(u64 pdpte, unsigned physical_address_bits) {
        const u64 reserved = Field<2, 1>::mask | Field<8, 5>::mask | (~u64{0} & ~low_bits(physical_address_bits));
        return !present(pdpte) || (pdpte & reserved) == 0;
    }
};

}  // namespace vtsim::mmu
