// SPDX-License-Identifier: Apache-2.0
#include "timing/cache/memory_port.h"

#include <algorithm>

namespace vtsim::timing {

MemoryPort::MemoryPort(MemoryHierarchy& hierarchy, stats::Group& parent)
    : hierarchy_(hierarchy),
      l1i_(hierarchy.params().l1i, hierarchy.params().filters, parent, "l1i"),
      l1d_(hierarchy.params().l1d, hierarchy.params().filters, parent, "l1d"),
      l2_(hierarchy.params().l2, false, parent, "l2") {
    hierarchy.ports_.push_back(this);
}

MemoryPort::~MemoryPort() { std::erase(hierarchy_.ports_, this); }

u32 MemoryPort::read_searching(CacheLevel& first, Line line, Requester requester) {
    auto& counted = first.stats.of(requester);
    if (const auto slot = first.find(line); slot != CacheLevel::none) {
        first.touch(slot);
        ++counted.hits;
        return first.latency();
    }
    ++counted.misses;
    return fill(first, line, requester, false);
}

u32 MemoryPort::write_searching(Line line, Requester requester) {
    auto& counted = l1d_.stats.of(requester);
    const auto slot = l1d_.find(line);
    if (slot != CacheLevel::none) {
        l1d_.touch(slot);
        ++counted.hits;
        if (l1d_.dirty(slot)) return l1d_.latency();
        l1d_.set_dirty(slot, true);
        return l1d_.latency() + (take_ownership(line) ? hierarchy_.params().snoop_latency : 0);
    }
    ++counted.misses;
    const u32 snoop = take_ownership(line) ? hierarchy_.params().snoop_latency : 0;
    return fill(l1d_, line, requester, true) + snoop;
}

u32 MemoryPort::fill(CacheLevel& first, Line line, Requester requester, bool dirty) {
    if (!first.cacheable(line)) {
        hierarchy_.dram().read_line();
        return hierarchy_.dram().latency();
    }
    u32 latency = l2_.latency();
    auto& counted = l2_.stats.of(requester);
    if (const auto slot = l2_.search(line); slot != CacheLevel::none) {
        l2_.touch(slot);
        ++counted.hits;
    } else {
        ++counted.misses;
        latency = hierarchy_.access(line, requester, *this);
        insert_l2(line, false);
    }
    if (const auto victim = first.insert(line, dirty); victim && victim->dirty) write_back_to_l2(victim->line);
    return latency;
}

// The second level does not include the first: a modified line may have left it already.
void MemoryPort::write_back_to_l2(Line line) {
    if (const auto slot = l2_.search(line); slot != CacheLevel::none)
        l2_.set_dirty(slot, true);
    else
        insert_l2(line, true);
}

void MemoryPort::insert_l2(Line line, bool dirty) {
    if (const auto victim = l2_.insert(line, dirty); victim && victim->dirty) hierarchy_.write_back(victim->line);
}

bool MemoryPort::take_ownership(Line line) {
    bool dirty = false;
    const bool found = hierarchy_.remove_others(line, this, dirty);
    if (dirty) hierarchy_.write_back(line);
    return found;
}

bool MemoryPort::clean(Line line) {
    bool was_dirty = false;
    for (CacheLevel* level : {&l1d_, &l2_}) {
        const auto slot = level->search(line);
        if (slot == CacheLevel::none || !level->dirty(slot)) continue;
        level->set_dirty(slot, false);
        was_dirty = true;
    }
    return was_dirty;
}

MemoryPort::Removed MemoryPort::remove(Line line) {
    Removed removed{};
    for (CacheLevel* level : {&l1i_, &l1d_, &l2_}) {
        if (level->search(line) == CacheLevel::none) continue;
        removed.present = true;
        removed.dirty |= level->remove(line);
    }
    return removed;
}

}  // namespace vtsim::timing
