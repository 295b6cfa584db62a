// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <memory>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "tlb/replacement/policy.h"

namespace vtsim::tlb {

// The ways of one set, numbered through the whole array.
struct Set {
    u32 first = 0;
    u32 ways = 0;
    [[nodiscard]] u32 end() const { return first + ways; }
};

inline constexpr u32 no_way = ~u32{0};

// Banks of sets of ways, all in one numbering: the storage of TLBs, paging-structure caches and IOTLBs. A way has a key, a value, the
// time of its last use (0: empty) and a serial number that changes with every fill and removal, so that a hint (way, serial) kept
// elsewhere is checked by one compare. Key must be a plain value; what matches is the caller's predicate.
template <class Key, class Value>
class SetArray {
public:
    SetArray() = default;
    SetArray(const SetArray&) = delete;
    SetArray& operator=(const SetArray&) = delete;

    // Time comes from there: who touches two arrays at once needs only one time. It never goes back.
    void use_clock(u64& clock) { clock_ = &clock; }

    // A bank of `sets` (a power of two) times `ways`; returns its number. `policy` names a registered replacement policy.
    u32 add_bank(u32 sets, u32 ways, std::string_view policy, u64 seed) {
        const auto* const row = ReplacementRegistry::find(policy);
        Bank bank{static_cast<u32>(uses_.size()), sets, ways, nullptr};
        if (row != nullptr && row->factory != nullptr) {
            bank.policy = row->factory({sets, ways, seed});
            observed_ = true;
        }
        banks_.push_back(std::move(bank));
        const std::size_t total = uses_.size() + std::size_t{sets} * ways;
        keys_.resize(total);
        values_.resize(total);
        uses_.resize(total);
        live_.resize((total + 63) / 64, 0);
        return static_cast<u32>(banks_.size() - 1);
    }

    [[nodiscard]] Set set(u32 bank, u64 hash) const {
        const auto& b = banks_[bank];
        return {b.first + (static_cast<u32>(hash) & (b.sets - 1)) * b.ways, b.ways};
    }
    [[nodiscard]] u32 sets(u32 bank) const { return banks_[bank].sets; }
    [[nodiscard]] u32 size() const { return static_cast<u32>(uses_.size()); }

    // The first way of the set whose key satisfies `match`, or no_way. Changes nothing.
    template <class Match>
    [[nodiscard]] u32 find(Set set, Match&& match) const {
        for (u32 way = set.first; way < set.end(); ++way)
            if (match(keys_[way]) && uses_[way].stamp != 0) return way;
        return no_way;
    }

    // A hit. With timestamps this one store is all that exact LRU needs.
    void touch(u32 way) {
        stamp(way);
        if (observed_) [[unlikely]] tell_policy(way);
    }
    // The same where no policy looks on.
    void stamp(u32 way) { stamp(way, ++*clock_); }
    void stamp(u32 way, u64 now) { uses_[way].stamp = now; }
    [[nodiscard]] bool stamps_only() const { return !observed_; }
    [[nodiscard]] bool current(u32 way, u32 serial) const { return uses_[way].serial == serial; }

    // The way that a fill of this set replaces: an empty one, else the policy's victim.
    [[nodiscard]] u32 victim(u32 bank, Set set) {
        u32 oldest = set.first;
        for (u32 way = set.first; way < set.end(); ++way)
            if (uses_[way].stamp < uses_[oldest].stamp) oldest = way;
        auto& b = banks_[bank];
        if (b.policy == nullptr || uses_[oldest].stamp == 0) return oldest;
        return set.first + b.policy->victim((set.first - b.first) / b.ways);
    }
    void write(u32 way, const Key& key, const Value& value) {
        renew(way);
        keys_[way] = key;
        values_[way] = value;
        live_[way / 64] |= u64{1} << way % 64;
        touch(way);
    }
    u32 fill(u32 bank, Set set, const Key& key, const Value& value) {
        const u32 way = victim(bank, set);
        write(way, key, value);
        return way;
    }

    void drop(u32 way) {
        uses_[way].stamp = 0;
        live_[way / 64] &= ~(u64{1} << way % 64);
        renew(way);
    }
    // Empties all ways that satisfy `match(key, value)`, telling `before(way)` of each; returns how many those were.
    template <class Match, class Before>
    u64 drop_in(Set set, Match&& match, Before&& before) {
        u64 dropped = 0;
        for (u32 way = set.first; way < set.end(); ++way) {
            if (uses_[way].stamp == 0 || !match(keys_[way], values_[way])) continue;
            before(way);
            drop(way);
            ++dropped;
        }
        return dropped;
    }
    // The same for the whole array. Visits live ways only: a VM transition without VPID empties arrays of which little is in use.
    template <class Match, class Before>
    u64 drop_if(Match&& match, Before&& before) {
        u64 dropped = 0;
        for (u32 word = 0; word < live_.size(); ++word) {
            for (u64 left = live_[word]; left != 0; left &= left - 1) {
                const u32 way = word * 64 + static_cast<u32>(std::countr_zero(left));
                if (!match(keys_[way], values_[way])) continue;
                before(way);
                drop(way);
                ++dropped;
            }
        }
        return dropped;
    }
    template <class Match>
    u64 drop_if(Match&& match) {
        return drop_if(match, [](u32) {});
    }

    [[nodiscard]] bool valid(u32 way) const { return uses_[way].stamp != 0; }
    [[nodiscard]] const Key& key(u32 way) const { return keys_[way]; }
    [[nodiscard]] const Value& value(u32 way) const { return values_[way]; }
    [[nodiscard]] Value& value(u32 way) { return values_[way]; }
    [[nodiscard]] u32 serial(u32 way) const { return static_cast<u32>(uses_[way].serial); }
    // The same in 64 bits, the upper 32 clear.
    [[nodiscard]] u64 wide_serial(u32 way) const { return uses_[way].serial; }
    // No hint is current any more; the contents stay.
    void renew_all() {
        for (u32 way = 0; way < size(); ++way) renew(way);
    }

private:
    struct Bank {
        u32 first = 0, sets = 1, ways = 1;
        std::unique_ptr<ReplacementPolicy> policy;      // nullptr: the smallest stamp
    };

    // What a hit checks and changes, side by side.
    struct Use {
        u64 stamp = 0;                                  // time of the last use; 0: empty
        u64 serial = 1;                                 // of 32 bits
    };

    void renew(u32 way) {
        if (++uses_[way].serial >> 32 != 0) uses_[way].serial = 1;      // 0 stays free for "never current"
    }
    // Out of line: the core's handlers inline touch(), and an indirect call in them would look like a missed tail call.
    [[gnu::noinline]] void tell_policy(u32 way) {
        for (auto& bank : banks_) {
            const u32 offset = way - bank.first;
            if (way < bank.first || offset >= bank.sets * bank.ways) continue;
            if (bank.policy != nullptr) bank.policy->touched(offset / bank.ways, offset % bank.ways);
        }
    }

    std::vector<Bank> banks_;
    std::vector<Key> keys_;
    std::vector<Value> values_;
    std::vector<Use> uses_;
    std::vector<u64> live_;             // bit per way: not empty
    u64 own_clock_ = 0;
    u64* clock_ = &own_clock_;          // counts touches
    bool observed_ = false;             // some bank has a policy that wants to see hits
};

}  // namespace vtsim::tlb
