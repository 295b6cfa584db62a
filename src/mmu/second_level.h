// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/address.h"
#include "base/types.h"
#include "tlb/mapping.h"

namespace vtsim::mmu {

enum class SecondLevelStatus : u8 { translated, not_present, misconfigured, denied };

// Where a walk begins: the root, or below a cached entry.
struct SecondLevelStart {
    u64 table = 0;
    unsigned level = 4;                         // of the entries of `table`
    u8 rights = tlb::rights::all_second;        // ANDed over the entries above
};

struct SecondLevelResult {
    SecondLevelStatus status = SecondLevelStatus::translated;
    u8 level = 0;                               // of the last entry read
    u8 shift = 12;                              // the leaf's page size
    u8 rights = 0;                              // ANDed over all entries; 0 if one was not present
    bool dirty = false;                         // a later write has no D bit to set
    u64 frame = 0;
    u64 entry = 0;                              // the last entry read
};

// Walks one dimension of 512-entry tables: EPT, and the second-stage tables of a remapping unit. `format` says what entries mean (see
// EptFormat), `port` makes the references:
//     u64 read(PhysicalAddress slot, unsigned level);
//     void set_flags(PhysicalAddress slot, unsigned level, u64 entry, bool accessed_was_set);   // A or D was added: write the entry
//     void passed(unsigned level, u64 table, u8 rights);     // a non-leaf entry of a walk that succeeded, for paging-structure caches
// Permissions are judged after the leaf; flags are set only by a walk that succeeds.
template <class Format, class Port>
SecondLevelResult walk_second_level(const Format& format, SecondLevelStart start, u64 address, u8 needed, bool writes, Port& port) {
    struct Visited {
        u64 slot, entry;
        u8 rights;
    };
    std::array<Visited, 5> path;
    unsigned depth = 0;
    SecondLevelResult result;
    u8 rights = start.rights;
    u64 table = start.table;
    for (unsigned level = start.level;; --level) {
        const u64 slot = Format::slot(table, address, level);
        const u64 entry = port.read(PhysicalAddress{slot}, level);
        result.level = static_cast<u8>(level);
        result.entry = entry;
        if (!format.present(entry)) {
            result.status = SecondLevelStatus::not_present;
            return result;
        }
        rights &= format.rights(entry);
        if (format.misconfigured(entry, level)) {
            result.status = SecondLevelStatus::misconfigured;
            return result;
        }
        path[depth++] = {slot, entry, rights};
        if (Format::leaf(entry, level)) break;
        table = Format::table(entry);
    }
    result.rights = rights;
    if ((needed & ~rights) != 0) {
        result.status = SecondLevelStatus::denied;
        return result;
    }
    for (unsigned i = 0; i < depth; ++i) {
        const unsigned level = start.level - i;
        const bool is_leaf = i + 1 == depth;
        u64 flags = 0;
        if (format.accessed_dirty) flags = Format::accessed_bit | (is_leaf && writes ? Format::dirty_bit : 0);
        if ((path[i].entry & flags) != flags) {
            const bool was_accessed = (path[i].entry & Format::accessed_bit) != 0;
            path[i].entry |= flags;
            port.set_flags(PhysicalAddress{path[i].slot}, level, path[i].entry, was_accessed);
        }
        if (!is_leaf) port.passed(level, Format::table(path[i].entry), path[i].rights);
    }
    result.entry = path[depth - 1].entry;
    result.shift = static_cast<u8>(Format::shift(result.level));
    result.frame = Format::frame(result.entry, result.level);
    result.dirty = !format.accessed_dirty || (result.entry & Format::dirty_bit) != 0;
    return result;
}

}  // namespace vtsim::mmu
