// SPDX-License-Identifier: Apache-2.0
#include "vmx/capabilities.h"

#include <algorithm>

namespace vtsim::vmx {

Capabilities::Capabilities(const VmxParams& vmx_params, const ProcessorLimits& processor_limits) : params(vmx_params), limits(processor_limits) {
    params.validate();
    for (const auto& control : controls) {
        const auto word = static_cast<unsigned>(control.word);
        if (control.default1) default1_[word] |= bit(control.bit);
        if (control.reserved) allowed0_[word] |= bit(control.bit);
        if (control.reserved || control.supported(params)) allowed1_[word] |= bit(control.bit);
    }
    for (unsigned i = 0; i < vmcs_fields.size(); ++i) field_exists_[i] = vmcs_fields[i].exists(params);
}

u64 Capabilities::pair(ControlWord word, bool true_msr) const {
    const auto i = static_cast<unsigned>(word);
    return (true_msr ? allowed0_[i] : allowed0_[i] | default1_[i]) | allowed1_[i] << 32;
}

// Bits 44:32 region size, 53:50 write-back memory type, 54 INS/OUTS information, 55 TRUE MSRs. No dual-monitor treatment of SMM.
u64 Capabilities::basic() const {
    return params.revision | u64{region_bytes} << 32 | u64{6} << 50 | bit(54) | bit(55);
}

// Bit 5: exits store EFER.LMA; bits 8:6: HLT, shutdown and wait-for-SIPI are supported.
u64 Capabilities::misc() const {
    return params.preemption_timer_shift | bit(5) | bit(6) | bit(7) | bit(8) | u64{params.cr3_targets} << 16 | u64{params.vmwrite_exit_information} << 29 |
           u64{params.zero_length_injection} << 30;
}

u64 Capabilities::ept_vpid() const {
    u64 value = 0;
    if (params.ept) {
        value |= u64{params.ept_execute_only} | bit(6) | u64{params.ept_5_levels} << 7 | bit(8) | bit(14) | u64{params.ept_2m_pages} << 16 | u64{params.ept_1g_pages} << 17 | bit(20) |
                 u64{params.ept_accessed_dirty} << 21 | bit(25) | bit(26);
    }
    if (params.vpid) value |= bit(32) | bit(40) | bit(41) | bit(42) | bit(43);
    return value;
}

std::optional<u64> Capabilities::msr(u32 number) const {
    switch (number) {
        case 0x480: return basic();
        case 0x481: return pair(ControlWord::pin, false);
        case 0x482: return pair(ControlWord::primary, false);
        case 0x483: return pair(ControlWord::exit, false);
        case 0x484: return pair(ControlWord::entry, false);
        case 0x485: return misc();
        case 0x486: return cr0_fixed0;
        case 0x487: return cr0_fixed1;
        case 0x488: return cr4_fixed0;
        case 0x489: return limits.cr4_supported;
        case 0x48a: {
            unsigned highest = 0;
            for (unsigned i = 0; i < vmcs_fields.size(); ++i)
                if (field_exists_[i]) highest = std::max(highest, vmcs_fields[i].index());
            return u64{highest} << 1;
        }
        case 0x48b: return params.secondary_controls ? std::optional{pair(ControlWord::secondary, true)} : std::nullopt;
        case 0x48c: return params.ept || params.vpid ? std::optional{ept_vpid()} : std::nullopt;
        case 0x48d: return pair(ControlWord::pin, true);
        case 0x48e: return pair(ControlWord::primary, true);
        case 0x48f: return pair(ControlWord::exit, true);
        case 0x490: return pair(ControlWord::entry, true);
        case 0x491: return params.vm_functions ? std::optional{may_be_one(ControlWord::vm_function)} : std::nullopt;
        default: return std::nullopt;
    }
}

bool Capabilities::cr0_allowed(u64 cr0, bool unrestricted) const {
    const u64 required = unrestricted ? cr0_fixed0 & ~(arch::cr0::pe | arch::cr0::pg) : cr0_fixed0;
    return (cr0 & required) == required && (cr0 & ~cr0_fixed1) == 0;
}

// SDM vol. 3, "VM-Execution Control Fields" under "Checks on VMX Controls": the rule on the EPTP.
bool Capabilities::eptp_valid(u64 eptp) const {
    const u64 type = Field<2, 0>::get(eptp), walk = Field<5, 3>::get(eptp);
    if (type != 0 && type != 6) return false;
    if (walk != 3 && !(walk == 4 && params.ept_5_levels)) return false;
    if (Field<6>::test(eptp) && !params.ept_accessed_dirty) return false;
    return !Field<11, 7>::test(eptp) && physical(align_down(eptp, page_size));
}

}  // namespace vtsim::vmx
