// SPDX-License-Identifier: Apache-2.0
#include "tlb/replacement/policy.h"

namespace vtsim::tlb {
namespace {

// A seeded generator of its own (splitmix64), so that runs are the same on every host.
class Random final : public ReplacementPolicy {
public:
    explicit Random(const ReplacementGeometry& geometry) : ways_{geometry.ways}, state_{geometry.seed} {}
    void touched(u32, u32) override {}
    u32 victim(u32) override {
        state_ += 0x9e3779b97f4a7c15;
        u64 value = state_;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return static_cast<u32>(((value ^ (value >> 31)) >> 32) * ways_ >> 32);
    }

private:
    u32 ways_;
    u64 state_;
};

const ReplacementRegistry::Entry entry{"random", "evict any way, by a seeded generator", make<Random>};

}  // namespace
}  // namespace vtsim::tlb
