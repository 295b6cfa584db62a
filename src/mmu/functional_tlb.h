// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>

#include "arch/access.h"
#include "mmu/translation_cache.h"
#include "tlb/mapping.h"

namespace vtsim::mmu {

// Behind the translation caches in functional mode: checked translations of more pages, so that a chase over some thousand pages does
// not walk. Also remembers where large pages may be cached, so that invalidating one address finds the other pieces of its page.
struct FunctionalEntry {
    u64 tag = no_tag;
    tlb::Mapping mapping;
    u8 allows = 0;                      // bit per kind of access: load, store, fetch

    static constexpr u8 load = 1, store = 2, fetch = 4;
    static constexpr u8 needed(arch::AccessKind kind) {
        constexpr u8 bits[] = {load, store, load | store, fetch};
        return bits[static_cast<unsigned>(kind)];
    }
};

using FunctionalTlb = DirectMapped<FunctionalEntry, 13>;

// Which regions of 2^shift bytes hold something: may say yes too often, never no wrongly.
template <unsigned shift, unsigned log2_slots>
class RegionFilter {
public:
    RegionFilter() { clear(); }
    void add(u64 linear) {
        u64& slot = slots_[index(linear)];
        slot = slot == none || slot == region(linear) ? region(linear) : several;
    }
    [[nodiscard]] bool has(u64 linear) const { return slots_[index(linear)] == region(linear) || slots_[index(linear)] == several; }
    void remove(u64 linear) {
        if (slots_[index(linear)] == region(linear)) slots_[index(linear)] = none;
    }
    void clear() { slots_.fill(none); }

private:
    static constexpr u64 none = ~u64{0}, several = none - 1;
    static constexpr u64 region(u64 linear) { return linear >> shift; }
    static constexpr std::size_t index(u64 linear) { return (region(linear) ^ region(linear) >> log2_slots) & ((u64{1} << log2_slots) - 1); }

    std::array<u64, std::size_t{1} << log2_slots> slots_;
};

// Where the translation caches may hold pieces of pages larger than 4 KBytes.
class LargePageFilter {
public:
    void add(u64 linear, u8 shift) {
        if (shift >= 30) huge_.add(linear);
        else if (shift > 12) large_.add(linear);
    }
    // log2 of the range around `linear` in which pieces of a larger page may be cached; 12 if only its own page.
    [[nodiscard]] u8 range(u64 linear) const { return huge_.has(linear) ? huge_shift : large_.has(linear) ? large_shift : 12; }
    // The caches hold no piece any more within 2^range bytes around `linear`.
    void dropped(u64 linear, u8 range) {
        if (range == huge_shift) huge_.remove(linear);
        else if (range == large_shift) large_.remove(linear);
    }
    void clear() {
        huge_.clear();
        large_.clear();
    }

private:
    static constexpr u8 huge_shift = 30, large_shift = 22;          // 22: both halves of a 4-MByte page
    RegionFilter<huge_shift, 8> huge_;
    RegionFilter<large_shift, 10> large_;
};

}  // namespace vtsim::mmu
