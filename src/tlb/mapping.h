// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::tlb {

// Rights of a mapping, ANDed over every entry that was used. One byte: paging in the low half, second level in the high half.
namespace rights {
inline constexpr u8 write = 1, user = 2, execute = 4;                                       // paging: R/W, U/S, not XD
inline constexpr u8 second_read = 16, second_write = 32, second_execute = 64, second_execute_user = 128;    // EPT bits 0, 1, 2, 10
inline constexpr u8 all_paging = write | user | execute;
inline constexpr u8 all_second = second_read | second_write | second_execute | second_execute_user;
inline constexpr u8 all = all_paging | all_second;
}  // namespace rights

// A cached translation: a page of `1 << shift` bytes at `frame`.
struct Mapping {
    u64 frame = 0;              // physical address of the first byte of the page
    u8 shift = 12;              // the smaller of the leaves of both dimensions
    u8 leaf_shift = 12;         // the paging leaf: invalidating any address in it removes all of its fragments
    u8 rights = 0;
    u8 protection_key = 0;
    u8 pat_index = 0;
    u8 second_type = 6;         // memory type of the second-level leaf
    bool ignore_pat = false;
    bool global = false;
    bool dirty = false;         // a write needs no D bit to be set in either dimension

    [[nodiscard]] u64 physical(u64 address) const { return frame | (address & ((u64{1} << shift) - 1)); }
    [[nodiscard]] bool fractured() const { return leaf_shift > shift; }
};

}  // namespace vtsim::tlb
