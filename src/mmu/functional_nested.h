// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "tlb/mapping.h"
#include "tlb/tag.h"

namespace vtsim::mmu {

// Guest-physical mappings of functional mode: a walk over a nested guest then costs about as much as a native one. Holds 4-KByte pieces.
class FunctionalNestedTlb {
public:
    struct Entry {
        u64 page = ~u64{0};
        tlb::Space space;
        tlb::Mapping mapping;
    };
    [[nodiscard]] const Entry* find(u64 address, tlb::Space space) const {
        const auto& entry = entries_[index(address)];
        return entry.page == address >> 12 && entry.space == space ? &entry : nullptr;
    }
    void fill(u64 address, tlb::Space space, const tlb::Mapping& mapping) { entries_[index(address)] = {address >> 12, space, mapping}; }
    void drop_page(u64 address) {
        auto& entry = entries_[index(address)];
        if (entry.page == address >> 12) entry = {};
    }
    template <class Match>
    void drop_if(Match&& match) {
        for (auto& entry : entries_)
            if (match(entry.space)) entry = {};
    }
    void clear() { entries_.fill({}); }

private:
    static constexpr std::size_t size = 1024;
    static std::size_t index(u64 address) { return ((address >> 12) + (address >> 22)) & (size - 1); }
    std::array<Entry, size> entries_{};
};

}  // namespace vtsim::mmu
