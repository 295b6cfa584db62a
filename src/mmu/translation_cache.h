// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/address.h"
#include "base/types.h"

// What inline code of the core reads before it asks the MMU: linear page and interned context -> host address. An entry
// grants only what has been checked (permissions, dirty bits); in warm and timing mode it counts only while the modelled
// TLB way it names still has the same serial number (Mmu::touch_data).
namespace vtsim::mmu {

inline constexpr u64 no_tag = ~u64{0};              // page ~0 with context 0xfff, which is never handed out
inline constexpr u64 never_context = 0xffe;         // neither is this one: a core that must see every access compares with it

constexpr u64 page_tag(u64 linear, u64 context) { return (linear & ~page_offset_mask) | context; }

// Host address = linear address + addend. Hit: page_tag(linear + size - 1, context) == entry.read_tag, with the entry
// chosen by the page of the *first* byte; exact for accesses that cross a page, as neighbouring pages differ in index.
// The fields of one entry, where they lie.
struct TranslationEntry {
    u64& read_tag;
    u64& write_tag;                                 // valid only for writable RAM pages with D set that hold no decoded code
    u64& addend;
    u32& way;                                       // of the first-level data TLB; for Mmu::touch_data
    u32& serial;

    void clear() const { read_tag = write_tag = no_tag; }
};

// One page of code: `frame` is its physical address, a host address is PhysicalMemory::host(frame).
struct FetchEntry {
    u64 tag = no_tag;
    u64 frame = 0;
    u32 way = 0;                                    // of the first-level instruction TLB; for Mmu::touch_fetch
    u32 serial = 0;
};

// The index of a direct-mapped cache is folded by addition: by XOR the pages 0x7fff and 0x8000 would share a slot.
template <unsigned log2_entries>
constexpr u64 folded_index(u64 linear) {
    const u64 page = linear >> 12;
    return (page + (page >> log2_entries)) & ((u64{1} << log2_entries) - 1);
}

template <class Entry, unsigned log2_entries>
class DirectMapped {
public:
    static constexpr u64 count = u64{1} << log2_entries;

    static constexpr u64 index(u64 linear) { return folded_index<log2_entries>(linear); }
    [[nodiscard]] Entry& at(u64 linear) { return entries_[index(linear)]; }
    [[nodiscard]] const Entry& at(u64 linear) const { return entries_[index(linear)]; }
    void clear() { entries_.fill(Entry{}); }
    auto begin() { return entries_.begin(); }
    auto end() { return entries_.end(); }

private:
    std::array<Entry, count> entries_{};
};

// A field is an array: the processor's addressing modes scale an index by 8, and a load touches no tags of stores.
class TranslationCache {
public:
    static constexpr unsigned log2_entries = 12;
    static constexpr u64 count = u64{1} << log2_entries;

    TranslationCache() { clear(); }
    static constexpr u64 index(u64 linear) { return folded_index<log2_entries>(linear); }
    [[nodiscard]] TranslationEntry at(u64 linear) { return entry(index(linear)); }
    [[nodiscard]] TranslationEntry entry(u64 i) { return {read_tags_[i], write_tags_[i], addends_[i], ways_[i].way, ways_[i].serial}; }
    void clear() {
        read_tags_.fill(no_tag);
        write_tags_.fill(no_tag);
    }

private:
    struct Way {
        u32 way, serial;
    };
    std::array<u64, count> read_tags_, write_tags_;
    std::array<u64, count> addends_{};
    std::array<Way, count> ways_{};
};
using FetchCache = DirectMapped<FetchEntry, 8>;

}  // namespace vtsim::mmu
