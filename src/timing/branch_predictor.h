// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/stats/stats.h"

namespace vtsim::timing {

struct BranchStats : stats::Group {
    using Group::Group;
    struct Kind : stats::Group {
        using Group::Group;
        stats::Counter executed{*this, "executed", stats::Unit::events, "branches of this kind"};
        stats::Counter mispredicted{*this, "mispredicted", stats::Unit::events, "branches whose direction or target was predicted wrong"};
    };
    Kind conditional{*this, "conditional"}, indirect{*this, "indirect"}, returns{*this, "return"};
};

// Directions by gshare, indirect targets by a branch target buffer, returns by a return stack. Direct unconditional branches are always
// right. Every function takes what really happened, trains, and returns true if the prediction was wrong.
class BranchPredictor {
public:
    explicit BranchPredictor(stats::Group& core) : stats_(core, "branch") { counters_.fill(1); }

    bool conditional(u64 address, bool taken) {
        u8& counter = counters_[(fold(address) ^ history_) & mask];
        const bool wrong = (counter >= 2) != taken;
        if (taken)
            counter = static_cast<u8>(counter + (counter < 3));
        else
            counter = static_cast<u8>(counter - (counter > 0));
        history_ = (history_ << 1 | u32{taken}) & mask;
        return count(stats_.conditional, wrong);
    }
    // JMP and CALL through a register or memory; a CALL is announced by call() as well.
    bool indirect(u64 address, u64 target) {
        Target& entry = targets_[fold(address) & mask];
        const bool wrong = entry.address != address || entry.target != target;
        entry = {address, target};
        return count(stats_.indirect, wrong);
    }
    void call(u64 return_address) { stack_[top_++ & stack_mask] = return_address; }
    bool ret(u64 target) {
        u64& predicted = stack_[--top_ & stack_mask];
        const bool wrong = predicted != target;
        predicted = none;
        return count(stats_.returns, wrong);
    }

private:
    static constexpr u32 size = 4096, mask = size - 1, stack_mask = 15;
    static constexpr u64 none = ~u64{0};
    struct Target {
        u64 address = none;
        u64 target = none;
    };
    static u32 fold(u64 address) { return static_cast<u32>(address ^ address >> 12); }
    static bool count(BranchStats::Kind& kind, bool wrong) {
        ++kind.executed;
        if (wrong) ++kind.mispredicted;
        return wrong;
    }

    u32 history_ = 0;
    u32 top_ = 0;
    std::array<u8, size> counters_{};
    std::array<u64, stack_mask + 1> stack_{};
    std::array<Target, size> targets_{};
    BranchStats stats_;
};

}  // namespace vtsim::timing
