// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::timing {

// The out-of-order core as the model sees it. Defaults: Broadwell (presets/timing/broadwell.toml has the sources).
struct CoreModelParams {
    static constexpr u32 max_reorder_buffer = 1024, max_line_fill_buffers = 32, max_page_walkers = 8;

    u64 frequency_hz = 3'300'000'000;
    u64 tsc_hz = 3'300'000'000;
    u32 issue_width = 4;
    u32 reorder_buffer = 192;
    u32 line_fill_buffers = 10;
    u32 page_walkers = 2;
    u32 mispredict_penalty = 16;
    u32 interrupt_delivery = 300;
    u32 string_startup = 35;
    u32 string_bytes_per_cycle = 32;

    void validate() const;      // throws ConfigError
};

}  // namespace vtsim::timing

namespace vtsim::config {

template <>
inline constexpr auto schema<timing::CoreModelParams> = std::tuple{
    Param{"frequency_hz", &timing::CoreModelParams::frequency_hz, "core clock in Hz"},
    Param{"tsc_hz", &timing::CoreModelParams::tsc_hz, "rate of the time-stamp counter in Hz"},
    Param{"issue_width", &timing::CoreModelParams::issue_width, "fused-domain micro-operations issued per cycle"},
    Param{"reorder_buffer", &timing::CoreModelParams::reorder_buffer, "micro-operations in flight, at most 1024"},
    Param{"line_fill_buffers", &timing::CoreModelParams::line_fill_buffers, "outstanding misses of the first-level data cache, at most 32"},
    Param{"page_walkers", &timing::CoreModelParams::page_walkers, "page walks that may run at once, at most 8"},
    Param{"mispredict_penalty", &timing::CoreModelParams::mispredict_penalty, "cycles from the resolution of a mispredicted branch to the next issue"},
    Param{"interrupt_delivery", &timing::CoreModelParams::interrupt_delivery, "cycles of the microcode that delivers an event through the IDT, without its memory references"},
    Param{"string_startup", &timing::CoreModelParams::string_startup, "cycles before a repeated MOVS or STOS moves its first bytes"},
    Param{"string_bytes_per_cycle", &timing::CoreModelParams::string_bytes_per_cycle, "bytes that a repeated MOVS or STOS moves per cycle when all hit the first level"},
};

}  // namespace vtsim::config
