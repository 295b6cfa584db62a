// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/stats/stats.h"

namespace vtsim::timing {

// Where a cycle went. Every cycle of a core is in exactly one bucket.
enum class Bucket : u8 {
    instruction_issue, branch, data_cache, instruction_cache, tlb, walk_native, walk_ept, walk_nested, vm_exit, vm_entry, interrupt, idle,
};
inline constexpr unsigned bucket_count = 12;

struct BucketText {
    std::string_view name;
    std::string_view description;
};
inline constexpr std::array<BucketText, bucket_count> bucket_texts{{
    {"instruction_issue", "cycles of issue, ports, execution latencies and microcode"},
    {"branch", "cycles lost to mispredicted branches"},
    {"data_cache", "cycles that waited for data beyond the first-level cache"},
    {"instruction_cache", "cycles that waited for instructions beyond the first-level cache"},
    {"tlb", "cycles that waited for the second-level TLB"},
    {"walk_native", "cycles that waited for page walks without a second dimension"},
    {"walk_ept", "cycles that waited for EPT-only page walks"},
    {"walk_nested", "cycles that waited for two-dimensional page walks"},
    {"vm_exit", "cycles of VM exits (the hardware transition)"},
    {"vm_entry", "cycles of VM entries (the hardware transition)"},
    {"interrupt", "cycles of interrupt and exception delivery"},
    {"idle", "cycles spent halted"},
}};

// Time inside the model is counted in ticks: a power of two, so that whole cycles are one shift away from the hot path.
inline constexpr unsigned ticks_log2 = 6;
inline constexpr u64 ticks_per_cycle = u64{1} << ticks_log2;
constexpr u64 to_ticks(u64 cycles) { return cycles << ticks_log2; }
constexpr u64 whole_cycles(u64 ticks) { return ticks >> ticks_log2; }

// The ticks of one core by bucket, and their report in whole cycles. Rounding is by prefix sums: the buckets always add up to cycles().
class CycleStack {
public:
    // `core` is the group "cpuN": gets "cycles" and the group "cycle_stack".
    explicit CycleStack(stats::Group& core);

    void add(Bucket bucket, u64 ticks) { ticks_[static_cast<unsigned>(bucket)] += ticks; }
    [[nodiscard]] u64 ticks(Bucket bucket) const { return ticks_[static_cast<unsigned>(bucket)]; }
    [[nodiscard]] u64 ticks() const;                    // of all buckets
    [[nodiscard]] u64 cycles() const { return whole_cycles(ticks()); }
    [[nodiscard]] u64 cycles(Bucket bucket) const;

private:
    class BucketStat final : public stats::Stat {
    public:
        BucketStat(stats::Group& group, CycleStack& stack, Bucket bucket);
        [[nodiscard]] Value value() const override { return stack_.cycles(bucket_); }
        void reset() override { stack_.ticks_[static_cast<unsigned>(bucket_)] = 0; }

    private:
        CycleStack& stack_;
        Bucket bucket_;
    };

    std::array<u64, bucket_count> ticks_{};
    stats::Formula cycles_;
    stats::Group group_;
    std::array<BucketStat, bucket_count> buckets_;
};

}  // namespace vtsim::timing
