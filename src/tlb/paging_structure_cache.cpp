// SPDX-License-Identifier: Apache-2.0
#include "tlb/paging_structure_cache.h"

namespace vtsim::tlb {

PagingStructureCache::PagingStructureCache(stats::Group& parent, std::string name, const PagingStructureCacheParams& params, u64 seed)
    : stats_{parent, std::move(name)} {
    const auto add = [&](unsigned level, unsigned entries) {
        const auto number = std::to_string(level);
        hits_at_[level] = &counters_.emplace_back(stats_, "hits_level" + number, stats::Unit::events, "look-ups whose deepest entry was one of level " + number);
        if (entries != 0) bank_[level] = array_.add_bank(1, entries, "lru", seed);
    };
    add(5, params.level5);
    add(4, params.level4);
    add(3, params.level3);
    add(2, params.level2);
}

void PagingStructureCache::fill(u64 prefix, unsigned shift, unsigned level, Space space, const TablePointer& pointer) {
    if (bank_[level] == no_bank) return;
    const u32 held = find(prefix, level, space);
    const Key key{prefix, static_cast<u8>(level), static_cast<u8>(shift), space};
    if (held != no_way) array_.write(held, key, pointer);
    else array_.fill(bank_[level], array_.set(bank_[level], 0), key, pointer);
    live_ = true;
    ++stats_.fills;
}

}  // namespace vtsim::tlb
