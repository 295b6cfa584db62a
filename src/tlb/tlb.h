// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "tlb/counters.h"
#include "tlb/mapping.h"
#include "tlb/params.h"
#include "tlb/set_array.h"
#include "tlb/tag.h"

namespace vtsim::tlb {

// One level of TLB: a bank of sets for each page size (or one shared by 4 KBytes and 2 MBytes). Looks up linear or guest-physical
// addresses, whatever its owner fills in. A page size without a bank is held as fragments of the next smaller one.
class Tlb {
public:
    Tlb(stats::Group& parent, std::string name, const TlbParams& params, u64 seed);

    // The way that may serve an access, or no_way. Counts a hit or a miss; a hit is a use for the replacement policy.
    [[nodiscard]] u32 lookup(u64 address, Space space);
    // The same without any effect.
    [[nodiscard]] u32 find(u64 address, Space space) const;
    [[nodiscard]] const Mapping& mapping(u32 way) const { return array_.value(way); }
    [[nodiscard]] Mapping& mapping(u32 way) { return array_.value(way); }
    [[nodiscard]] u32 serial(u32 way) const { return array_.serial(way); }

    // The way that a translation cache remembers is still the same entry.
    [[nodiscard]] bool holds(u32 way, u32 serial) const { return array_.current(way, serial); }
    // Counts a hit in it.
    bool touch(u32 way, u32 serial) {
        if (!holds(way, serial)) return false;
        array_.touch(way);
        ++stats_.hits;
        return true;
    }
    // The same in two halves, for replacement by time stamps.
    [[nodiscard]] bool stamps_only() const { return array_.stamps_only(); }
    [[nodiscard]] u64 wide_serial(u32 way) const { return array_.wide_serial(way); }
    void stamp(u32 way) {
        array_.stamp(way);
        ++stats_.hits;
    }
    // With the time of a clock that was given to use_clock.
    void stamp(u32 way, u64 now) {
        array_.stamp(way, now);
        ++stats_.hits;
    }
    void use_clock(u64& clock) { array_.use_clock(clock); }
    // Translation caches forget everything: no remembered way counts any more. The TLB itself keeps its mappings.
    void renew_serials() { array_.renew_all(); }

    // Writes the mapping of the page around `address` (a fragment of it if there is no bank of its size) and returns its way.
    // An entry that could serve the same accesses is replaced, never doubled.
    u32 fill(u64 address, Space space, const Mapping& mapping);

    // Removes the mappings of one address, with all fragments of its page, whose tag satisfies `match(space)`.
    template <class Match>
    void drop_address(u64 address, Cause cause, Match&& match);
    // Removes all mappings whose tag satisfies `match(space)`.
    template <class Match>
    void drop_if(Cause cause, Match&& match);
    void clear(Cause cause) {
        drop_if(cause, [](Space) { return true; });
    }
    [[nodiscard]] u32 live() const { return live_; }
    [[nodiscard]] unsigned latency() const { return latency_; }
    [[nodiscard]] const LookupCounters& stats() const { return stats_; }

private:
    struct Key {
        u64 page = 0;           // address >> shift, with the size class in the lowest two bits
        Space space;
    };
    static constexpr u32 no_bank = ~u32{0};
    static constexpr std::array<u8, 3> shifts{12, 21, 30};

    static u64 page_key(u64 address, unsigned size) { return (address >> shifts[size]) << 2 | size; }
    [[nodiscard]] u64 hash(u64 address, unsigned size) const;
    [[nodiscard]] Set set_of(u64 address, unsigned size) const { return array_.set(bank_[size], hash(address, size)); }
    [[nodiscard]] unsigned size_class(u8 shift) const;
    void forget(u32 way);               // keeps the counts of live entries

    SetArray<Key, Mapping> array_;
    std::array<u32, 3> bank_{no_bank, no_bank, no_bank};
    std::array<u32, 3> live_of_{};      // entries of each size: a size without any needs no look-up
    u32 live_ = 0;
    u32 fractured_ = 0;                 // entries that are fragments of a larger page
    bool xor_index_;
    unsigned latency_;
    LookupCounters stats_;
};

template <class Match>
void Tlb::drop_address(u64 address, Cause cause, Match&& match) {
    if (live_ == 0) return;
    const auto drops = [&](const Key& key, const Mapping& mapping) {
        const u8 shift = mapping.fractured() ? mapping.leaf_shift : mapping.shift;
        return (((key.page >> 2 << mapping.shift) ^ address) >> shift) == 0 && match(key.space);
    };
    const auto before = [this](u32 way) { forget(way); };
    u64 removed = 0;
    if (fractured_ != 0) {
        removed = array_.drop_if(drops, before);
    } else {
        for (unsigned size = 0; size < shifts.size(); ++size)
            if (live_of_[size] != 0) removed += array_.drop_in(set_of(address, size), drops, before);
    }
    stats_.removed.add(cause, removed);
}

template <class Match>
void Tlb::drop_if(Cause cause, Match&& match) {
    if (live_ == 0) return;
    stats_.removed.add(cause, array_.drop_if([&](const Key& key, const Mapping&) { return match(key.space); }, [this](u32 way) { forget(way); }));
}

}  // namespace vtsim::tlb
