// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "tlb/counters.h"
#include "tlb/params.h"
#include "tlb/set_array.h"
#include "tlb/tag.h"

namespace vtsim::tlb {

// What a walk remembers of the entries above a table: where that table is, and the rights so far.
struct TablePointer {
    u64 table = 0;              // physical address of the next table (for combined mappings: already translated by EPT)
    u8 rights = 0;              // ANDed over the entries above it
    u8 table_rights = 0;        // second-level rights of the page that holds the table
};

// The paging-structure caches of one dimension: for each level 5 to 2 the entries of that level, found by the address bits above the
// table they point to. SDM vol. 3, "Paging-Structure Caches".
class PagingStructureCache {
public:
    static constexpr unsigned lowest = 2, highest = 5;

    struct Hit {
        unsigned level = 0;     // of the cached entry: the walk goes on at level - 1; 0 is a miss
        TablePointer pointer;
    };

    PagingStructureCache(stats::Group& parent, std::string name, const PagingStructureCacheParams& params, u64 seed);

    // The deepest cached entry at or below level `top` for the address. `shift_of(level)` is the lowest address bit that indexes `level`.
    template <class ShiftOf>
    [[nodiscard]] Hit lookup(u64 address, Space space, unsigned top, ShiftOf&& shift_of) {
        for (unsigned level = lowest; level <= top; ++level) {
            if (bank_[level] == no_bank) continue;
            const u32 way = find(address >> shift_of(level), level, space);
            if (way == no_way) continue;
            array_.touch(way);
            ++stats_.hits;
            ++*hits_at_[level];
            return {level, array_.value(way)};
        }
        ++stats_.misses;
        return {};
    }

    // `prefix`: the address without the bits below those that index `level`.
    void fill(u64 prefix, unsigned shift, unsigned level, Space space, const TablePointer& pointer);

    template <class Match>
    void drop_if(Cause cause, Match&& match) {
        if (live_) stats_.removed.add(cause, array_.drop_if([&](const Key& key, const TablePointer&) { return match(key.space); }));
    }
    // Removes what translates one address.
    template <class Match>
    void drop_address(u64 address, Cause cause, Match&& match) {
        if (live_)
            stats_.removed.add(cause, array_.drop_if([&](const Key& key, const TablePointer&) {
                return key.prefix == address >> key.shift && match(key.space);
            }));
    }
    void clear(Cause cause) {
        drop_if(cause, [](Space) { return true; });
        live_ = false;
    }
    [[nodiscard]] const LookupCounters& stats() const { return stats_; }

private:
    struct Key {
        u64 prefix = 0;
        u8 level = 0;
        u8 shift = 0;
        Space space;
    };
    static constexpr u32 no_bank = ~u32{0};

    [[nodiscard]] u32 find(u64 prefix, unsigned level, Space space) const {
        return array_.find(array_.set(bank_[level], 0), [&](const Key& key) { return key.prefix == prefix && key.space == space; });
    }

    SetArray<Key, TablePointer> array_;
    std::array<u32, highest + 1> bank_{no_bank, no_bank, no_bank, no_bank, no_bank, no_bank};
    bool live_ = false;         // something was filled since the last clear
    LookupCounters stats_;
    std::deque<stats::Counter> counters_;
    std::array<stats::Counter*, highest + 1> hits_at_{};
};

}  // namespace vtsim::tlb
