// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"
#include "cpu/core_params.h"
#include "timing/cache/params.h"

// CPUID. SDM vol. 2, "CPUID - CPU Identification". What it says follows from the parameters and from the state that the manual names, from nothing else.
namespace vtsim::cpu {

class Core;

struct CpuidResult {
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
    bool operator==(const CpuidResult&) const = default;
};

// What CPUID depends on beside the parameters.
struct CpuidState {
    u32 apic_id = 0;
    bool apic_enabled = true;        // IA32_APIC_BASE[11]
    bool osxsave = false;            // CR4.OSXSAVE
    u64 misc_enable = 0;             // IA32_MISC_ENABLE
    bool ospke = false;              // CR4.PKE
    u64 xcr0 = 1, xss = 0;           // XCR0, IA32_XSS
    bool code64 = true;              // 64-bit mode
};

namespace misc_enable {
inline constexpr u64 fast_strings = 1, monitor = 1 << 18, limit_cpuid = 1 << 22, xd_disable = u64{1} << 34;
}

[[nodiscard]] CpuidResult cpuid(const CoreParams& params, const timing::CacheParams& caches, const CpuidState& state, u32 leaf, u32 subleaf);
// As the core executes it now.
[[nodiscard]] CpuidResult cpuid(Core& core, u32 leaf, u32 subleaf);

}  // namespace vtsim::cpu
