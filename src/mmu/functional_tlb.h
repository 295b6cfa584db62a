// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
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

// Which 2-MByte regions had a page larger than 4 KBytes: may say yes too often, never no wrongly.
class LargePageFilter {
public:
    void add(u64 linear, u8 shift) {
        if (shift >= 30) huge_ = true;
        else if (shift > 12) regions_.set(index(linear));
    }
    // log2 of the range around `linear` in which pieces of a larger page may be cached; 12 if only its own page.
    [[nodiscard]] u8 range(u64 linear) const {
        if (huge_) return 30;
        return regions_.test(index(linear)) ? 22 : 12;
    }
    void clear() {
        regions_.reset();
        huge_ = false;
    }

private:
    static constexpr std::size_t index(u64 linear) { return ((linear >> 22) ^ (linear >> 32)) & 1023; }     // both halves of a 4-MByte page

    std::bitset<1024> regions_;
    bool huge_ = false;
};

}  // namespace vtsim::mmu
