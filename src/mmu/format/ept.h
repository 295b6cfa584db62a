// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"
#include "tlb/mapping.h"

namespace vtsim::mmu {

// EPTP fields. SDM vol. 3, "Extended-Page-Table Pointer (EPTP)".
struct Eptp {
    using MemoryType = Field<2, 0>;
    using WalkLengthMinus1 = Field<5, 3>;
    using AccessedDirty = Field<6>;
    using Root = Field<51, 12>;

    static constexpr unsigned levels(u64 eptp) { return static_cast<unsigned>(WalkLengthMinus1::get(eptp)) + 1; }
    static constexpr u64 table(u64 eptp) { return eptp & Root::mask; }
};

// What the walker of a second dimension must know of its entries; walk_second_level works with any format of this shape.
// SDM vol. 3, "Format of EPT Paging-Structure Entries", "EPT Misconfigurations".
struct EptFormat {
    using MemoryType = Field<5, 3>;
    static constexpr u64 read_bit = bit(0), write_bit = bit(1), execute_bit = bit(2), ignore_pat_bit = bit(6), large_bit = bit(7), accessed_bit = bit(8),
                         dirty_bit = bit(9), execute_user_bit = bit(10);

    unsigned physical_address_bits = 39;
    bool execute_only = true;           // IA32_VMX_EPT_VPID_CAP bits 0, 16, 17
    bool pages_2m = true;
    bool pages_1g = true;
    bool mode_based_execute = false;
    bool accessed_dirty = false;        // EPTP bit 6

    static constexpr unsigned shift(unsigned level) { return 12 + 9 * (level - 1); }
    static constexpr u64 slot(u64 table, u64 address, unsigned level) { return table + ((address >> shift(level)) & 511) * 8; }
    [[nodiscard]] bool present(u64 entry) const { return (entry & (mode_based_execute ? 7 | execute_user_bit : 7)) != 0; }
    static constexpr bool leaf(u64 entry, unsigned level) { return level == 1 || (level <= 3 && (entry & large_bit) != 0); }
    static constexpr u64 table(u64 entry) { return entry & Field<51, 12>::mask; }
    static constexpr u64 frame(u64 entry, unsigned level) { return entry & Field<51, 12>::mask & ~low_bits(shift(level)); }
    static constexpr u8 memory_type(u64 entry) { return static_cast<u8>(MemoryType::get(entry)); }
    static constexpr bool ignore_pat(u64 entry) { return (entry & ignore_pat_bit) != 0; }

    // Without mode-based execute control bit 2 speaks for both kinds of linear address.
    [[nodiscard]] u8 rights(u64 entry) const {
        const bool user = (entry & (mode_based_execute ? execute_user_bit : execute_bit)) != 0;
        return static_cast<u8>((entry & 7) << 4 | (user ? tlb::rights::second_execute_user : 0));
    }

    [[nodiscard]] bool misconfigured(u64 entry, unsigned level) const {
        const bool executable = (entry & execute_bit) != 0 || (mode_based_execute && (entry & execute_user_bit) != 0);
        if ((entry & read_bit) == 0 && ((entry & write_bit) != 0 || (executable && !execute_only))) return true;
        if ((entry & reserved(entry, level)) != 0) return true;
        return leaf(entry, level) && is_reserved_type(MemoryType::get(entry));
    }

private:
    static constexpr bool is_reserved_type(u64 type) { return type == 2 || type == 3 || type == 7; }
    [[nodiscard]] u64 reserved(u64 entry, unsigned level) const {
        u64 mask = Field<51, 0>::mask & ~low_bits(physical_address_bits);
        if (level >= 4) return mask | Field<7, 3>::mask;
        if (!leaf(entry, level)) return mask | Field<6, 3>::mask;
        if (level == 1) return mask;
        mask |= low_bits(shift(level)) & ~low_bits(12);
        return (level == 3 ? pages_1g : pages_2m) ? mask : mask | large_bit;
    }
};

}  // namespace vtsim::mmu
