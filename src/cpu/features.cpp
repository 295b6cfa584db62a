// SPDX-License-Identifier: Apache-2.0
#include "cpu/features.h"

#include <fmt/format.h>

#include "arch/registers.h"
#include "base/error.h"
#include "cpu/core_params.h"
#include "cpu/state_components.h"
#include "vmx/capabilities.h"

namespace vtsim::cpu {

void FeatureParams::validate() const {
    constexpr std::size_t longest_brand = 47;
    if (brand.size() > longest_brand) throw ConfigError("features.brand", brand, "at most 47 characters");
    if (logical_processors > 255) throw ConfigError("features.logical_processors", std::to_string(logical_processors), "1 to 255, or 0 for machine.cpus");
    if (highest_leaf < 0xd || highest_leaf > 0x20) throw ConfigError("features.highest_leaf", fmt::format("{:#x}", highest_leaf), "0xd to 0x20");
    constexpr std::pair<bool FeatureParams::*, const char*> with_xsave[] = {{&FeatureParams::xsaveopt, "xsaveopt"}, {&FeatureParams::xsavec, "xsavec"},
                                                                            {&FeatureParams::xgetbv1, "xgetbv1"},   {&FeatureParams::xsaves, "xsaves"},
                                                                            {&FeatureParams::avx, "avx"},           {&FeatureParams::pku, "pku"}};
    for (const auto& [feature, name] : with_xsave)
        if (this->*feature && !xsave) throw ConfigError(std::string{"features."} + name, "true", "false when features.xsave is false");
    constexpr std::pair<bool FeatureParams::*, const char*> with_avx[] = {{&FeatureParams::f16c, "f16c"}, {&FeatureParams::fma, "fma"}, {&FeatureParams::avx2, "avx2"},
                                                                          {&FeatureParams::vaes, "vaes"}, {&FeatureParams::vpclmulqdq, "vpclmulqdq"}};
    for (const auto& [feature, name] : with_avx)
        if (this->*feature && !avx) throw ConfigError(std::string{"features."} + name, "true", "false when features.avx is false");
    if (invpcid && !pcid) throw ConfigError("features.invpcid", "true", "false when features.pcid is false");
}

FeatureParams every_feature() {
    FeatureParams features;
    const auto set = [&](const auto& param) {
        if constexpr (std::is_same_v<std::remove_reference_t<decltype(features.*param.member)>, bool>) features.*param.member = true;
    };
    std::apply([&](const auto&... params) { (set(params), ...); }, config::schema<FeatureParams>);
    return features;
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
    if (features.xsave) bits |= osxsave;
    if (features.pku) bits |= pke;
    return bits;
}

u64 efer_supported(const FeatureParams& features) {
    using namespace arch::efer;
    return sce | lme | lma | (features.nx ? nxe : 0);
}

u64 xcr0_supported(const FeatureParams& features) {
    if (!features.xsave) return 0;
    u64 bits = arch::xcr0::x87 | arch::xcr0::sse;
    for (const auto& component : extended_components)
        if (features.*component.exists) bits |= bit(component.number);
    return bits;
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
