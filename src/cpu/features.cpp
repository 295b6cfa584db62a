// SPDX-License-Identifier: Apache-2.0
#include "cpu/features.h"

#include "arch/registers.h"
#include "base/error.h"
#include "cpu/core_params.h"
#include "vmx/capabilities.h"

namespace vtsim::cpu {

void FeatureParams::validate() const {
    constexpr std::size_t longest_brand = 47;
    if (brand.size() > longest_brand) throw ConfigError("features.brand", brand, "at most 47 characters");
    if (logical_processors > 255) throw ConfigError("features.logical_processors", std::to_string(logical_processors), "1 to 255, or 0 for machine.cpus");
    if (invpcid && !pcid) throw ConfigError("features.invpcid", "true", "false when features.pcid is false");
}

u64 cr4_supported(const FeatureParams& features) {
    using namespace arch::cr4;
    u64 bits = vme | pvi | tsd | de | pse | pae | mce | pge | pce | osfxsr | osxmmexcpt;
    if (features.vmx) bits |= vmxe;
    if (features.umip) bits |= umip;
    if (features.la57) bits |= la57;
    if (features.fsgsbase) bits |= fsgsbase;
    if (features.pcid) bits |= pcide;
    if (features.smep) bits |= smep;
    if (features.smap) bits |= smap;
    return bits;
}

u64 efer_supported(const FeatureParams& features) {
    using namespace arch::efer;
    return sce | lme | lma | (features.nx ? nxe : 0);
}

vmx::ProcessorLimits processor_limits(const CoreParams& params) {
    vmx::ProcessorLimits limits;
    limits.physical_address_bits = params.mmu.physical_address_bits;
    limits.linear_address_bits = params.features.la57 ? 57 : 48;
    limits.cr4_supported = cr4_supported(params.features);
    limits.efer_supported = efer_supported(params.features);
    limits.debugctl_supported = 3;                 // LBR, BTF
    limits.perf_global_ctrl_supported = 0;         // no performance counters
    limits.rtm = false;
    return limits;
}

}  // namespace vtsim::cpu
