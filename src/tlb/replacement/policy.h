// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace vtsim::tlb {

// Chooses victims in one bank of sets x ways. Timestamp LRU ("lru") needs none: the array keeps the stamps itself, and a hit is one store.
// Empty ways are filled before a policy is asked.
class ReplacementPolicy {
public:
    virtual ~ReplacementPolicy() = default;
    virtual void touched(u32 set, u32 way) = 0;         // a hit, or a fill
    [[nodiscard]] virtual u32 victim(u32 set) = 0;
};

struct ReplacementGeometry {
    u32 sets = 1;
    u32 ways = 1;
    u64 seed = 1;
};

// A policy is one file that ends in its registration:
//     const ReplacementRegistry::Entry entry{"nru", "evict a way not used since the last sweep", make<Nru>};
class ReplacementRegistry {
public:
    using Factory = std::unique_ptr<ReplacementPolicy> (*)(const ReplacementGeometry&);
    struct Row {
        std::string_view name;
        std::string_view description;
        Factory factory;                                // nullptr: the array's own timestamps
    };
    struct Entry {
        Entry(std::string_view name, std::string_view description, Factory factory);
    };

    // nullptr when nobody registered the name.
    [[nodiscard]] static const Row* find(std::string_view name);
    [[nodiscard]] static std::string names();           // for error messages: "lru, random, ..."

private:
    static std::vector<Row>& rows();
};

template <class Policy>
std::unique_ptr<ReplacementPolicy> make(const ReplacementGeometry& geometry) {
    return std::make_unique<Policy>(geometry);
}

}  // namespace vtsim::tlb
