// SPDX-License-Identifier: Apache-2.0
#include "timing/cache/memory_hierarchy.h"

#include "timing/cache/memory_port.h"

namespace vtsim::timing {

MemoryHierarchy::MemoryHierarchy(const CacheParams& caches, const DramParams& dram, stats::Group& parent)
    : params_((caches.validate(), dram.validate(), caches)),
      group_(parent, "memory"),
      dram_(dram, group_),
      l3_(caches.l3, false, group_, "l3") {}

u32 MemoryHierarchy::access(Line line, Requester requester, const MemoryPort& port) {
    const bool modified_elsewhere = clean_others(line, &port);
    if (modified_elsewhere) write_back(line);
    const u32 snoop = modified_elsewhere ? params_.snoop_latency : 0;
    auto& counted = l3_.stats.of(requester);
    if (const auto slot = l3_.search(line); slot != CacheLevel::none) {
        l3_.touch(slot);
        ++counted.hits;
        return l3_.latency() + snoop;
    }
    ++counted.misses;
    dram_.read_line();
    insert(line, false);
    return dram_.latency() + snoop;
}

void MemoryHierarchy::write_back(Line line) {
    if (const auto slot = l3_.search(line); slot != CacheLevel::none)
        l3_.set_dirty(slot, true);
    else
        insert(line, true);
}

void MemoryHierarchy::insert(Line line, bool dirty) {
    const auto victim = l3_.insert(line, dirty);
    if (!victim) return;
    bool modified = victim->dirty;
    if (params_.l3_inclusive) remove_others(victim->line, nullptr, modified);
    if (modified) dram_.write_line();
}

bool MemoryHierarchy::clean_others(Line line, const MemoryPort* port) {
    bool modified = false;
    for (MemoryPort* other : ports_)
        if (other != port) modified |= other->clean(line);
    return modified;
}

bool MemoryHierarchy::remove_others(Line line, const MemoryPort* port, bool& dirty) {
    bool found = false;
    for (MemoryPort* other : ports_) {
        if (other == port) continue;
        const auto removed = other->remove(line);
        found |= removed.present;
        dirty |= removed.dirty;
    }
    return found;
}

void MemoryHierarchy::snoop(PhysicalAddress address, u64 bytes, bool write) {
    if (bytes == 0) return;
    const Line last = (address.value() + bytes - 1) >> line_log2;
    for (Line line = address.value() >> line_log2; line <= last; ++line) {
        if (write) {
            flush(PhysicalAddress{line << line_log2});
            continue;
        }
        bool modified = clean_others(line, nullptr);
        if (const auto slot = l3_.search(line); slot != CacheLevel::none && l3_.dirty(slot)) {
            l3_.set_dirty(slot, false);
            modified = true;
        }
        if (modified) dram_.write_line();
    }
}

void MemoryHierarchy::flush(PhysicalAddress address) {
    const Line line = address.value() >> line_log2;
    bool dirty = false;
    remove_others(line, nullptr, dirty);
    dirty |= l3_.remove(line);
    if (dirty) dram_.write_line();
}

void MemoryHierarchy::flush_all() {
    // A line may be modified in several levels: each hands it to the next one before memory gets it once.
    const auto drain = [](const CacheLevel& from, auto&& hand_on) {
        from.for_each_line([&](Line line, bool dirty) {
            if (dirty) hand_on(line);
        });
    };
    for (MemoryPort* port : ports_) {
        drain(port->l1d_, [port](Line line) { port->write_back_to_l2(line); });
        drain(port->l2_, [this](Line line) { write_back(line); });
        for (CacheLevel* level : {&port->l1i_, &port->l1d_, &port->l2_}) level->clear();
    }
    drain(l3_, [this](Line) { dram_.write_line(); });
    l3_.clear();
}

}  // namespace vtsim::timing
