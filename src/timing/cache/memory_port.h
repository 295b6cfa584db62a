// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/address.h"
#include "timing/cache/level.h"
#include "timing/cache/memory_hierarchy.h"

namespace vtsim::timing {

// A core's way to memory: its first- and second-level caches in front of what all cores share. Every function returns the load-to-use
// latency in core cycles of one reference inside one line; it changes the modelled state and no data.
class MemoryPort {
public:
    // `parent` is the core's group: gets "l1i", "l1d" and "l2".
    MemoryPort(MemoryHierarchy& hierarchy, stats::Group& parent);
    ~MemoryPort();
    MemoryPort(const MemoryPort&) = delete;
    MemoryPort& operator=(const MemoryPort&) = delete;

    u32 load(PhysicalAddress address) { return read(l1d_, address, Requester::data, l1d_.stats.data); }
    u32 store(PhysicalAddress address) { return write(address, Requester::data, l1d_.stats.data); }
    u32 fetch(PhysicalAddress address) { return read(l1i_, address, Requester::fetch, l1i_.stats.fetch); }
    // A reference of the page walker; it uses the data cache. `is_write`: sets an accessed or dirty flag.
    u32 walk(PhysicalAddress address, bool is_write) {
        return is_write ? write(address, Requester::walk, l1d_.stats.walk) : read(l1d_, address, Requester::walk, l1d_.stats.walk);
    }
    [[nodiscard]] u32 load_hit_latency() const { return l1d_.latency(); }
    [[nodiscard]] u32 fetch_hit_latency() const { return l1i_.latency(); }
    [[nodiscard]] MemoryHierarchy& hierarchy() { return hierarchy_; }

private:
    friend class MemoryHierarchy;
    using Line = CacheLevel::Line;

    u32 read(CacheLevel& first, PhysicalAddress address, Requester requester, RequesterStats& counted) {
        const Line line = address.value() >> line_log2;
        if (const auto slot = first.hinted(line); slot != CacheLevel::none) [[likely]] {
            first.touch(slot);
            ++counted.hits;
            return first.latency();
        }
        return read_searching(first, line, requester);
    }
    // A store to a line that is modified already needs nobody's consent.
    u32 write(PhysicalAddress address, Requester requester, RequesterStats& counted) {
        const Line line = address.value() >> line_log2;
        if (const auto slot = l1d_.hinted(line); slot != CacheLevel::none && l1d_.dirty(slot)) [[likely]] {
            l1d_.touch(slot);
            ++counted.hits;
            return l1d_.latency();
        }
        return write_searching(line, requester);
    }
    u32 read_searching(CacheLevel& first, Line line, Requester requester);
    u32 write_searching(Line line, Requester requester);
    u32 fill(CacheLevel& first, Line line, Requester requester, bool dirty);    // after a first-level miss; returns the latency
    void write_back_to_l2(Line line);
    void insert_l2(Line line, bool dirty);
    bool take_ownership(Line line);                                             // true if another core held the line
    // Snoops of the hierarchy.
    bool clean(Line line);                                                      // true if it was modified here
    struct Removed {
        bool present, dirty;
    };
    Removed remove(Line line);

    MemoryHierarchy& hierarchy_;
    CacheLevel l1i_, l1d_, l2_;
};

}  // namespace vtsim::timing
