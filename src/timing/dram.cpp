// SPDX-License-Identifier: Apache-2.0
#include "timing/dram.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace vtsim::timing {

void DramParams::validate() const {
    if (latency == 0) throw ConfigError("dram.latency", "0", "at least 1 cycle");
    if (line_transfer == 0 || line_transfer > 256) throw ConfigError("dram.line_transfer", std::to_string(line_transfer), "1 to 256 cycles");
}

Dram::Dram(const DramParams& params, stats::Group& parent)
    : latency_(params.latency), capacity_((1U << window_log2) / params.line_transfer), stats_(parent, "dram") {}

u32 Dram::occupy(u64 cycle, u32 lines) {
    u64 number = cycle >> window_log2;
    const u64 last = number + window_count - 1;
    while (lines != 0) {
        Window& window = windows_[number % window_count];
        if (window.number < number) window = {number, 0};
        // A window of a later lap belongs to a core that is far ahead: what it has left over cannot be known, so nothing waits for it.
        if (window.number > number || number == last) break;
        const u32 taken = std::min(lines, capacity_ - window.lines);
        window.lines += taken;
        lines -= taken;
        if (lines != 0) ++number;
    }
    const u64 start = number << window_log2;
    const u32 late = start > cycle ? static_cast<u32>(start - cycle) : 0;
    stats_.queue_cycles += late;
    return late;
}

}  // namespace vtsim::timing
