// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::timing {

// What VMX costs in hardware, in core cycles. Memory references that a transition makes (MSR lists, bitmaps, virtual-APIC page) are
// accounted by themselves, as references. Defaults: Broadwell (presets/timing/broadwell.toml has the sources).
struct VmxCostParams {
    u32 exit_base = 265;
    u32 exit_exception = 266, exit_cpuid = 67, exit_vmcall = 0, exit_io = 132, exit_ept_violation = 391, exit_other = 67;
    u32 exit_per_msr = 30;
    u32 exit_tlb_flush = 60;
    u32 entry_resume = 348, entry_launch = 528;
    u32 entry_per_msr = 30;
    u32 entry_tlb_flush = 60;
    u32 entry_injection = 50;
    u32 entry_pdptes = 10;

    u32 vmread = 5, vmwrite = 4, vmptrld = 109, vmptrst = 44, vmclear = 107, vmxon = 116, vmxoff = 81;
    u32 invept = 150, invvpid = 150, vmfunc = 130;
};

// What one transition was asked to do beside the constant part.
struct TransitionParts {
    u32 msr_entries = 0;        // entries of the MSR lists stored or loaded
    bool tlb_flush = false;     // no VPID: linear and combined mappings go
    bool injection = false;     // VM entry: event injection
    bool pdptes = false;        // VM entry or exit that loads the PDPTE registers
};

// The cost of VM entries and VM exits, composed of parts.
class VmTransition {
public:
    explicit VmTransition(const VmxCostParams& params) : params_(params) {}
    // `reason`: basic exit reason (SDM vol. 3, "VMX Basic Exit Reasons").
    [[nodiscard]] u32 exit_cycles(u16 reason, const TransitionParts& parts) const;
    [[nodiscard]] u32 entry_cycles(bool launch, const TransitionParts& parts) const;
    [[nodiscard]] const VmxCostParams& params() const { return params_; }

private:
    [[nodiscard]] u32 of_reason(u16 reason) const;
    VmxCostParams params_;
};

}  // namespace vtsim::timing

namespace vtsim::config {

template <>
inline constexpr auto schema<timing::VmxCostParams> = std::tuple{
    Param{"exit_base", &timing::VmxCostParams::exit_base, "cycles of every VM exit"},
    Param{"exit_exception", &timing::VmxCostParams::exit_exception, "added when an exception or NMI exits"},
    Param{"exit_cpuid", &timing::VmxCostParams::exit_cpuid, "added when CPUID exits"},
    Param{"exit_vmcall", &timing::VmxCostParams::exit_vmcall, "added when VMCALL exits"},
    Param{"exit_io", &timing::VmxCostParams::exit_io, "added when an I/O instruction exits"},
    Param{"exit_ept_violation", &timing::VmxCostParams::exit_ept_violation, "added for an EPT violation or misconfiguration"},
    Param{"exit_other", &timing::VmxCostParams::exit_other, "added for every other reason"},
    Param{"exit_per_msr", &timing::VmxCostParams::exit_per_msr, "added for each entry of the VM-exit MSR-store and MSR-load lists"},
    Param{"exit_tlb_flush", &timing::VmxCostParams::exit_tlb_flush, "added when the exit flushes, VPIDs being off"},
    Param{"entry_resume", &timing::VmxCostParams::entry_resume, "cycles of VMRESUME"},
    Param{"entry_launch", &timing::VmxCostParams::entry_launch, "cycles of VMLAUNCH"},
    Param{"entry_per_msr", &timing::VmxCostParams::entry_per_msr, "added for each entry of the VM-entry MSR-load list"},
    Param{"entry_tlb_flush", &timing::VmxCostParams::entry_tlb_flush, "added when the entry flushes, VPIDs being off"},
    Param{"entry_injection", &timing::VmxCostParams::entry_injection, "added for event injection, without the delivery itself"},
    Param{"entry_pdptes", &timing::VmxCostParams::entry_pdptes, "added when the transition loads the PDPTE registers"},
    Param{"vmread", &timing::VmxCostParams::vmread, "cycles of VMREAD"},
    Param{"vmwrite", &timing::VmxCostParams::vmwrite, "cycles of VMWRITE"},
    Param{"vmptrld", &timing::VmxCostParams::vmptrld, "cycles of VMPTRLD"},
    Param{"vmptrst", &timing::VmxCostParams::vmptrst, "cycles of VMPTRST"},
    Param{"vmclear", &timing::VmxCostParams::vmclear, "cycles of VMCLEAR"},
    Param{"vmxon", &timing::VmxCostParams::vmxon, "cycles of VMXON"},
    Param{"vmxoff", &timing::VmxCostParams::vmxoff, "cycles of VMXOFF"},
    Param{"invept", &timing::VmxCostParams::invept, "cycles of INVEPT"},
    Param{"invvpid", &timing::VmxCostParams::invvpid, "cycles of INVVPID"},
    Param{"vmfunc", &timing::VmxCostParams::vmfunc, "cycles of VMFUNC"},
};

}  // namespace vtsim::config
