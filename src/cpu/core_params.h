// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "apic/params.h"
#include "base/config/schema.h"
#include "base/types.h"
#include "cpu/features.h"
#include "mmu/params.h"
#include "timing/core_params.h"
#include "timing/vm_transition.h"
#include "vmx/vmx_params.h"

namespace vtsim::cpu {

// Switches of the execution engine. None of them changes a result or a statistic other than host.*: they exist to prove that.
struct EngineParams {
    bool block_cache = true;
    bool chaining = true;
    bool fusion = true;
    bool record_forms = false;
    u64 functional_cycles_per_1000 = 1000;

    void validate() const;      // throws ConfigError
};

// Everything that configures one core.
struct CoreParams {
    EngineParams engine;
    FeatureParams features;
    mmu::MmuParams mmu;
    timing::CoreModelParams core;
    timing::VmxCostParams vmx_cost;
    vmx::VmxParams vmx;
    apic::LocalApicParams apic;
};

}  // namespace vtsim::cpu

namespace vtsim::config {
template <>
inline constexpr auto schema<cpu::EngineParams> = std::tuple{
    Param{"block_cache", &cpu::EngineParams::block_cache, "keep decoded blocks (off: decode at every entry; results are identical)"},
    Param{"chaining", &cpu::EngineParams::chaining, "link blocks directly (off: look every block up; results are identical)"},
    Param{"fusion", &cpu::EngineParams::fusion, "execute common instruction pairs as one dispatch (off: results are identical)"},
    Param{"record_forms", &cpu::EngineParams::record_forms, "keep a list of the instruction forms that were decoded (`vtsim run --forms`)"},
    Param{"functional_cycles_per_1000", &cpu::EngineParams::functional_cycles_per_1000, "functional mode: core cycles that 1000 instructions take"},
};
}  // namespace vtsim::config
