// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/config/schema.h"
#include "base/stats/stats.h"

namespace vtsim::timing {

struct DramParams {
    u32 latency = 230;
    u32 line_transfer = 8;

    void validate() const;      // throws ConfigError
};

// Main memory: a fixed latency, and a channel that each 64-byte line takes for `line_transfer` cycles. Cores run apart by up to a
// quantum, so the channel is booked by windows of time and not as one queue: a line takes the first window at or after its own time
// that has room, and is late by the distance to it.
class Dram {
public:
    Dram(const DramParams& params, stats::Group& parent);

    [[nodiscard]] u32 latency() const { return latency_; }      // load to use, in core cycles
    void read_line() { ++stats_.reads, ++pending_lines_; }
    void write_line() { ++stats_.writes, ++pending_lines_; }
    // Lines moved since the last call: those of the miss that is being noted.
    [[nodiscard]] u32 take_pending() {
        const u32 lines = pending_lines_;
        pending_lines_ = 0;
        return lines;
    }
    // Books `lines` transfers from `cycle` on; returns by how many cycles they are late.
    u32 occupy(u64 cycle, u32 lines);

private:
    struct Stats : stats::Group {
        using Group::Group;
        stats::Counter reads{*this, "reads", stats::Unit::events, "lines read from memory"};
        stats::Counter writes{*this, "writes", stats::Unit::events, "lines written back to memory"};
        stats::Counter queue_cycles{*this, "queue_cycles", stats::Unit::cycles, "cycles that lines waited for the channel"};
    };
    struct Window {
        u64 number = 0;
        u32 lines = 0;
    };
    static constexpr unsigned window_log2 = 8;      // 256 cycles
    static constexpr unsigned window_count = 256;

    u32 latency_;
    u32 capacity_;                                  // lines per window
    u32 pending_lines_ = 0;
    std::array<Window, window_count> windows_{};
    Stats stats_;
};

}  // namespace vtsim::timing

namespace vtsim::config {

template <>
inline constexpr auto schema<timing::DramParams> = std::tuple{
    Param{"latency", &timing::DramParams::latency, "load to use of a line that no cache holds, in core cycles"},
    Param{"line_transfer", &timing::DramParams::line_transfer, "core cycles that one 64-byte line takes the memory channel, at most 256"},
};

}  // namespace vtsim::config
