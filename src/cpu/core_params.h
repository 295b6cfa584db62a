// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::cpu {

struct EngineParams {
    bool block_cache = true;
    bool chaining = true;
    bool fusion = true;
    u64 functional_cycles_per_1000 = 1000;
};

}  // namespace vtsim::cpu

template <>
inline constexpr auto vtsim::config::schema<vtsim::cpu::EngineParams> = std::tuple{
    vtsim::config::Param{"block_cache", &vtsim::cpu::EngineParams::block_cache, "keep decoded blocks (off: decode at every entry; results are identical)"},
    vtsim::config::Param{"chaining", &vtsim::cpu::EngineParams::chaining, "link blocks directly (off: look every block up; results are identical)"},
    vtsim::config::Param{"fusion", &vtsim::cpu::EngineParams::fusion, "fuse common instruction pairs at decode (off: results are identical)"},
    vtsim::config::Param{"functional_cycles_per_1000", &vtsim::cpu::EngineParams::functional_cycles_per_1000,
                         "functional mode: core cycles that 1000 instructions take"},
};
