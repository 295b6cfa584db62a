// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <unordered_map>

#include "arch/access.h"
#include "base/bits.h"
#include "mmu/translation_cache.h"
#include "tlb/tag.h"

// Paging contexts, interned into the small numbers that tag the translation caches.
namespace vtsim::mmu {

// Who accesses, as far as a checked translation depends on it.
enum class Privilege : u8 { supervisor, user, supervisor_ac };
inline constexpr unsigned privileges = 3;

constexpr Privilege privilege_of(bool user, bool smap_off) {
    if (user) return Privilege::user;
    return smap_off ? Privilege::supervisor_ac : Privilege::supervisor;
}

// EPTRTAs get the numbers that Space::root holds; 0 is "EPT off".
class EptRoots {
public:
    static constexpr u64 address_mask = Field<51, 12>::mask;

    u16 number(u64 eptp) {
        const u64 root = eptp & address_mask;
        if (root == last_root_ && last_number_ != 0) return last_number_;
        return remember(root);
    }
    // The number of a root that was used before, or 0.
    [[nodiscard]] u16 find(u64 eptp) const;
    // All 65535 numbers are used: the owner must flush everything and call clear.
    [[nodiscard]] bool full() const { return numbers_.size() >= 0xffff; }
    void clear();

private:
    u16 remember(u64 root);

    std::unordered_map<u64, u16> numbers_;
    u64 last_root_ = 0;
    u16 last_number_ = 0;
};

// The tag of what may be cached in a context, and all else that decides whether a checked translation may be used.
struct ContextKey {
    tlb::Space space;
    u64 rules = 0;              // WP, NXE, SMEP, ... of the context, and its protection-key rights
    friend bool operator==(const ContextKey&, const ContextKey&) = default;
};

[[nodiscard]] ContextKey key_of(const arch::PagingContext& context, u16 root);

// Gives each context in use three numbers below never_context, one a privilege. Dropping a context means that it gets new numbers when it is
// used again: everything cached under the old ones is out of reach. When numbers run out the owner clears the caches and starts again.
class ContextTable {
public:
    static constexpr u32 limit = never_context - privileges;
    static constexpr u32 exhausted = ~u32{0};

    // The number of the context's first privilege, or `exhausted`.
    [[nodiscard]] u32 intern(const ContextKey& key) {
        const u32 first = set_of(key);
        for (u32 at = first; at < first + ways; ++at)
            if ((used_ >> at & 1) != 0 && slots_[at].key == key) return slots_[at].number;
        if (next_ > limit) return exhausted;
        const u32 at = place_in(first);
        slots_[at] = {key, next_};
        used_ |= 1U << at;
        next_ += privileges;
        return slots_[at].number;
    }
    template <class Match>
    void drop_if(Match&& match) {
        for (u32 left = used_; left != 0; left &= left - 1) {
            const u32 at = static_cast<u32>(std::countr_zero(left));
            if (match(slots_[at].key.space)) used_ &= ~(1U << at);
        }
    }
    void restart() {
        used_ = 0;
        next_ = 0;
    }

private:
    struct Slot {
        ContextKey key;
        u32 number = 0;
    };
    static constexpr u32 sets = 8, ways = 4;      // ways: a host and its guests may fall on one set and must not take each other's numbers at every VM exit

    // The first slot of the set.
    static u32 set_of(const ContextKey& key) {
        const u64 mixed = (key.space.bits ^ (key.rules * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
        return static_cast<u32>(mixed >> 61) * ways;
    }
    // A free slot of the set, else its ways in turn.
    u32 place_in(u32 first) {
        const u32 free = ~used_ >> first & ((1U << ways) - 1);
        return first + (free != 0 ? static_cast<u32>(std::countr_zero(free)) : turn_++ % ways);
    }
    std::array<Slot, sets * ways> slots_{};
    u32 used_ = 0;              // bit i: slot i holds a context
    u32 next_ = 0;
    u32 turn_ = 0;
};

}  // namespace vtsim::mmu
