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
    // Where the first-level data cache takes its time from.
    void use_data_clock(u64& clock) { l1d_.use_clock(clock); }
    MemoryPort(const MemoryPort&) = delete;
    MemoryPort& operator=(const MemoryPort&) = delete;

    u32 load(PhysicalAddress address) { return read(l1d_, address, Requester::data, l1d_.stats.data); }
    u32 store(PhysicalAddress address) { return write(address, Requester::data, l1d_.stats.data); }
    u32 fetch(PhysicalAddress address) {
        last_code_ = 0;
        return read(l1i_, address, Requester::fetch, l1i_.stats.fetch);
    }
    // A reference of the page walker; it uses the data cache. `is_write`: sets an accessed or dirty flag.
    u32 walk(PhysicalAddress address, bool is_write) {
        return is_write ? write(address, Requester::walk, l1d_.stats.walk) : read(l1d_, address, Requester::walk, l1d_.stats.walk);
    }
    // The slot of the first-level data cache where a hint finds the line (modified already, for a store), else CacheLevel::none. Changes nothing.
    [[nodiscard]] CacheLevel::Slot find_data(PhysicalAddress address, bool is_store) const {
        const auto slot = l1d_.hinted(address.value() >> line_log2);
        return slot == CacheLevel::none || !is_store || l1d_.dirty(slot) ? slot : CacheLevel::none;
    }
    // The line with that CacheLevel::key is in the slot (and modified, for a store).
    [[nodiscard]] bool holds_data(CacheLevel::Slot slot, u32 key, bool is_store) const { return is_store ? l1d_.holds_modified(slot, key) : l1d_.holds(slot, key); }
    // A load or store that hits it, with the time of a clock that was given to use_data_clock.
    void touch_data(CacheLevel::Slot slot, u64 now) {
        l1d_.touch(slot, now);
        ++l1d_.stats.data.hits;
    }
    // Fetches lines `first` to `last` of code. `missed(cycles)` is told of each that took longer than a first-level hit.
    template <class Missed>
    void fetch_lines(u64 first, u64 last, Missed&& missed) {
        for (u64 line = first; line <= last; ++line) {
            // The line that was fetched last, again: a further touch would change no order.
            if (CacheLevel::key(line) == last_code_ && l1i_.holds(last_code_slot_, last_code_)) [[likely]] {
                ++l1i_.stats.fetch.hits;
                continue;
            }
            const u32 latency = fetch(PhysicalAddress{line << line_log2});
            const auto slot = l1i_.hinted(line);
            last_code_ = slot == CacheLevel::none ? 0 : CacheLevel::key(line);
            last_code_slot_ = slot == CacheLevel::none ? 0 : slot;
            if (latency > l1i_.latency()) [[unlikely]] missed(latency - l1i_.latency());
        }
    }
    // Fetches lines again that the last fetches have touched, in the same order: `fetch_time` has not changed since.
    void fetch_again(u64 lines) { l1i_.stats.fetch.hits += lines; }
    [[nodiscard]] u64 fetch_time() const { return l1i_.now(); }
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
    u32 last_code_ = 0;                     // CacheLevel::key of the line that was fetched last; 0: unknown
    CacheLevel::Slot last_code_slot_ = 0;
};

}  // namespace vtsim::timing
