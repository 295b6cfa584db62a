// SPDX-License-Identifier: Apache-2.0
#include "timing/cycle_stack.h"

#include <numeric>
#include <string>
#include <utility>

namespace vtsim::timing {

namespace {

template <class Array, std::size_t... I>
Array make_buckets(auto&& make, std::index_sequence<I...>) {
    return Array{make(static_cast<Bucket>(I))...};
}

}  // namespace

CycleStack::BucketStat::BucketStat(stats::Group& group, CycleStack& stack, Bucket bucket)
    : Stat(group, std::string{bucket_texts[static_cast<unsigned>(bucket)].name}, stats::Unit::cycles,
           std::string{bucket_texts[static_cast<unsigned>(bucket)].description}),
      stack_(stack),
      bucket_(bucket) {}

CycleStack::CycleStack(stats::Group& core)
    : cycles_(core, "cycles", stats::Unit::cycles, "core cycles that the timing model produced, idle ones included", [this] { return cycles(); }),
      group_(core, "cycle_stack"),
      buckets_(make_buckets<std::array<BucketStat, bucket_count>>([this](Bucket bucket) { return BucketStat{group_, *this, bucket}; },
                                                                   std::make_index_sequence<bucket_count>{})) {}

u64 CycleStack::ticks() const { return std::accumulate(ticks_.begin(), ticks_.end(), u64{0}); }

u64 CycleStack::cycles(Bucket bucket) const {
    const auto at = ticks_.begin() + static_cast<std::ptrdiff_t>(bucket);
    const u64 below = std::accumulate(ticks_.begin(), at, u64{0});
    return whole_cycles(below + *at) - whole_cycles(below);
}

}  // namespace vtsim::timing
