// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/stats/stats.h"
#include "timing/cache/params.h"

namespace vtsim::timing {

// Who asks a cache.
enum class Requester : u8 { data, fetch, walk };
inline constexpr unsigned requester_count = 3;

struct RequesterStats : stats::Group {
    using Group::Group;
    stats::Counter hits{*this, "hits", stats::Unit::events, "lookups that found their line"};
    stats::Counter misses{*this, "misses", stats::Unit::events, "lookups that went to the next level"};
    stats::Formula lookups{*this, "lookups", stats::Unit::events, "references to this level", [this] { return u64{hits} + u64{misses}; }};
};

struct CacheLevelStats : stats::Group {
    using Group::Group;
    RequesterStats data{*this, "data"}, fetch{*this, "fetch"}, walk{*this, "walk"};
    stats::Counter evictions{*this, "evictions", stats::Unit::events, "lines replaced"};
    stats::Counter writebacks{*this, "writebacks", stats::Unit::events, "modified lines handed to the next level"};
    stats::Counter invalidations{*this, "invalidations", stats::Unit::events, "lines removed by other cores, devices, inclusion and flushes"};
    [[nodiscard]] RequesterStats& of(Requester requester) { return requester == Requester::data ? data : requester == Requester::fetch ? fetch : walk; }
};

// The state of one cache: sets of ways with tag, stamp and dirty bit. Replacement is exact LRU by time stamps: a touch is one store.
class CacheLevel {
public:
    using Line = u64;                               // physical address / 64
    using Slot = u32;                               // set and way
    static constexpr Slot none = ~Slot{0};
    struct Victim {
        Line line;
        bool dirty;
    };

    CacheLevel(const CacheLevelParams& params, bool filters, stats::Group& parent, const char* name);
    CacheLevel(const CacheLevel&) = delete;
    CacheLevel& operator=(const CacheLevel&) = delete;

    [[nodiscard]] u32 latency() const { return latency_; }
    // The way that the hint names, if it holds the line: most hits of a first level. Otherwise none: search. Without filters no hint is left, and
    // the one that every line starts with, way 0 of set 0, is as good as any other: the tag decides.
    [[nodiscard]] Slot hinted(Line line) const {
        const Slot slot = hints_[hint_of(line)];
        return u64{tags_[slot]} == key_of(line) ? slot : none;
    }
    // Changes whenever a line comes, goes, or is touched.
    [[nodiscard]] u64 now() const { return *clock_; }
    [[nodiscard]] Slot search(Line line) const;
    // Search, and leave a hint.
    [[nodiscard]] Slot find(Line line) {
        const Slot slot = search(line);
        if (slot != none) leave_hint(line, slot);
        return slot;
    }
    void touch(Slot slot) { touch(slot, ++*clock_); }
    void touch(Slot slot, u64 now) { stamps_[slot] = now; }
    // Time comes from there: who touches two structures at once needs only one time. It never goes back.
    void use_clock(u64& clock) { clock_ = &clock; }
    [[nodiscard]] bool dirty(Slot slot) const { return dirty_[slot] != 0; }
    void set_dirty(Slot slot, bool dirty) { dirty_[slot] = dirty ? tags_[slot] : 0; }
    // For who remembers the slot of a line by its key: the line is still there, and modified.
    [[nodiscard]] static u32 key(Line line) { return static_cast<u32>(key_of(line)); }
    [[nodiscard]] bool holds(Slot slot, u32 key) const { return tags_[slot] == key; }
    [[nodiscard]] bool holds_modified(Slot slot, u32 key) const { return dirty_[slot] == key; }
    // Puts a line that is not there in the place of the least recently used one. The victim is returned and counted.
    std::optional<Victim> insert(Line line, bool dirty);
    // Removes the line; true if it was modified.
    bool remove(Line line);
    // Tags are 32 bits: lines above 256 GiB are not cached.
    [[nodiscard]] bool cacheable(Line line) const { return key_of(line) <= 0xffff'ffff; }
    template <class Visit>
    void for_each_line(Visit&& visit) const {
        for (Slot slot = 0; slot < tags_.size(); ++slot)
            if (tags_[slot] != 0) visit(line_of(slot), dirty_[slot] != 0);
    }
    void clear();

    CacheLevelStats stats;

private:
    static constexpr unsigned hint_log2 = 12;
    // By multiplication (Knuth, vol. 3, section 6.4): buffers a power of two apart would share their hints by any sum of the line's own bits.
    [[nodiscard]] static unsigned hint_of(Line line) { return static_cast<u32>(line) * 0x9e37'79b1U >> (32 - hint_log2); }
    [[nodiscard]] Slot first_slot(Line line) const { return static_cast<Slot>(line & set_mask_) * stride_; }
    [[nodiscard]] static u64 key_of(Line line) { return line + 1; }      // 0 is an empty way
    [[nodiscard]] Line line_of(Slot slot) const { return u64{tags_[slot]} - 1; }
    void leave_hint(Line line, Slot slot) {
        if (filters_) hints_[hint_of(line)] = static_cast<u16>(slot);
    }

    u64 set_mask_;
    u32 ways_;
    u32 stride_;                                    // ways rounded up to whole vectors; the rest stays empty
    u32 latency_;
    bool filters_;
    u64 own_clock_ = 0;
    u64* clock_ = &own_clock_;                      // counts touches
    std::vector<u32> tags_;
    std::vector<u64> stamps_;
    std::vector<u32> dirty_;                        // the tag again if the line is modified, else 0
    std::vector<u16> hints_;
};

}  // namespace vtsim::timing
