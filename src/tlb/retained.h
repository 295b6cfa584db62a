// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>
#include <vector>

#include "tlb/mapping.h"
#include "tlb/tag.h"

namespace vtsim::tlb {

// Every translation that was made and that no operation has had to remove: a TLB without limits, for the mode that shows software its
// missing invalidations. Held by 4-KByte pages, whatever the page size. Slow, and never used otherwise.
class RetainedMappings {
public:
    [[nodiscard]] const Mapping* find(u64 address, Space space) const;
    void keep(u64 address, Space space, const Mapping& mapping);

    template <class Match>
    void drop_if(Match&& match) {
        for (auto& [page, entries] : pages_) std::erase_if(entries, [&](const Entry& entry) { return match(entry.space); });
    }
    template <class Match>
    void drop_address(u64 address, Match&& match) {
        const auto covers = [&](u64 page, const Mapping& mapping) { return ((page << 12 ^ address) >> mapping.leaf_shift) == 0; };
        if (large_) {
            for (auto& [page, entries] : pages_)
                std::erase_if(entries, [&, number = page](const Entry& entry) { return covers(number, entry.mapping) && match(entry.space); });
        } else if (const auto found = pages_.find(address >> 12); found != pages_.end()) {
            std::erase_if(found->second, [&](const Entry& entry) { return match(entry.space); });
        }
    }
    void clear() {
        pages_.clear();
        large_ = false;
    }

private:
    struct Entry {
        Space space;
        Mapping mapping;
    };
    std::unordered_map<u64, std::vector<Entry>> pages_;     // only looked up and filtered: its order reaches nobody
    bool large_ = false;                                    // a mapping of a page beyond 4 KBytes was kept
};

}  // namespace vtsim::tlb
