// SPDX-License-Identifier: Apache-2.0
#include "tlb/retained.h"

#include <algorithm>

namespace vtsim::tlb {

const Mapping* RetainedMappings::find(u64 address, Space space) const {
    const auto page = pages_.find(address >> 12);
    if (page == pages_.end()) return nullptr;
    const auto entry = std::ranges::find_if(page->second, [&](const Entry& e) { return e.space.serves(space); });
    return entry == page->second.end() ? nullptr : &entry->mapping;
}

void RetainedMappings::keep(u64 address, Space space, const Mapping& mapping) {
    const Space tag = space.with_global(mapping.global);
    auto& entries = pages_[address >> 12];
    std::erase_if(entries, [&](const Entry& e) { return e.space.serves(space) || tag.serves(e.space.with_global(false)); });
    entries.push_back({tag, mapping});
    large_ = large_ || mapping.leaf_shift > 12;
}

}  // namespace vtsim::tlb
