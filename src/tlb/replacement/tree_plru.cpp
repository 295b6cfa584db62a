// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <vector>

#include "tlb/replacement/policy.h"

namespace vtsim::tlb {
namespace {

// A binary tree over the ways; each node points to the half that was not used last. Ways that are no power of two hang in the next
// larger tree, and a node whose far half holds no way points to the near one.
class TreePlru final : public ReplacementPolicy {
public:
    explicit TreePlru(const ReplacementGeometry& geometry)
        : ways_{geometry.ways}, leaves_{std::bit_ceil(geometry.ways)}, nodes_(std::size_t{geometry.sets} * leaves_, 0) {}

    void touched(u32 set, u32 way) override {
        u8* const tree = &nodes_[std::size_t{set} * leaves_];
        for (u32 node = leaves_ + way; node > 1; node /= 2) tree[node / 2] = (node & 1) == 0 ? 1 : 0;
    }

    u32 victim(u32 set) override {
        const u8* const tree = &nodes_[std::size_t{set} * leaves_];
        u32 node = 1;
        for (u32 span = leaves_ / 2; node < leaves_; span /= 2) {
            const u32 right = 2 * node + 1;
            const u32 first_way_right = right * span - leaves_;
            node = tree[node] != 0 && first_way_right < ways_ ? right : 2 * node;
        }
        return node - leaves_;
    }

private:
    u32 ways_;
    u32 leaves_;
    std::vector<u8> nodes_;             // a set's tree: node 1 is the root, 2n and 2n+1 are the children of n
};

const ReplacementRegistry::Entry entry{"tree-plru", "pseudo-LRU by a binary tree over the ways", make<TreePlru>};

}  // namespace
}  // namespace vtsim::tlb
