// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "arch/registers.h"
#include "vmx/tables/controls.h"
#include "vmx/tables/vmcs_fields.h"
#include "vmx/vmx_params.h"

namespace vtsim::vmx {

// What the rest of the processor supports, as far as VMX rules ask for it. From CPUID and the MSR file of the core.
struct ProcessorLimits {
    unsigned physical_address_bits = 39;
    unsigned linear_address_bits = 48;
    u64 cr4_supported = 0x3727ff;                // bits that MOV to CR4 accepts, VMXE included
    u64 efer_supported = arch::efer::sce | arch::efer::lme | arch::efer::lma | arch::efer::nxe;
    u64 debugctl_supported = 0x3;                // LBR, BTF
    u64 perf_global_ctrl_supported = 0;
    bool rtm = false;
};

// The VMX capability MSRs and the questions the rules ask of them. SDM vol. 3, appendix "VMX Capability Reporting Facility".
class Capabilities {
public:
    Capabilities(const VmxParams& params, const ProcessorLimits& limits);

    // Value of MSR 480H to 493H, or nothing when the processor has no such MSR.
    [[nodiscard]] std::optional<u64> msr(u32 number) const;
    [[nodiscard]] u64 must_be_one(ControlWord word) const { return allowed0_[static_cast<unsigned>(word)]; }
    [[nodiscard]] u64 may_be_one(ControlWord word) const { return allowed1_[static_cast<unsigned>(word)]; }
    [[nodiscard]] bool allows(ControlWord word, u64 value) const {
        return (value & must_be_one(word)) == must_be_one(word) && (value & ~may_be_one(word)) == 0;
    }
    // A row of vmcs_fields that this processor has.
    [[nodiscard]] bool has_field(unsigned row) const { return field_exists_[row]; }
    // CR0 and CR4 as VMX operation restricts them; the unrestricted guest is freed of PE and PG.
    [[nodiscard]] bool cr0_allowed(u64 cr0, bool unrestricted = false) const;
    [[nodiscard]] bool cr4_allowed(u64 cr4) const { return (cr4 & cr4_fixed0) == cr4_fixed0 && (cr4 & ~limits.cr4_supported) == 0; }
    // An EPTP that VM entry accepts.
    [[nodiscard]] bool eptp_valid(u64 eptp) const;

    [[nodiscard]] bool physical(u64 address) const { return (address >> limits.physical_address_bits) == 0; }
    [[nodiscard]] bool page(u64 address) const { return (address & page_offset_mask) == 0 && physical(address); }
    [[nodiscard]] bool canonical(u64 address) const { return sign_extend(address, limits.linear_address_bits) == address; }

    static constexpr u64 cr0_fixed0 = arch::cr0::pe | arch::cr0::ne | arch::cr0::pg;
    static constexpr u64 cr0_fixed1 = 0xffff'ffff;
    static constexpr u64 cr4_fixed0 = arch::cr4::vmxe;
    static constexpr unsigned region_bytes = 4096;

    const VmxParams params;
    const ProcessorLimits limits;

private:
    [[nodiscard]] u64 pair(ControlWord word, bool true_msr) const;
    [[nodiscard]] u64 basic() const;
    [[nodiscard]] u64 misc() const;
    [[nodiscard]] u64 ept_vpid() const;

    static constexpr auto words = static_cast<unsigned>(ControlWord::count);
    std::array<u64, words> allowed0_{};
    std::array<u64, words> allowed1_{};
    std::array<u64, words> default1_{};
    std::array<bool, vmcs_fields.size()> field_exists_{};
};

}  // namespace vtsim::vmx
