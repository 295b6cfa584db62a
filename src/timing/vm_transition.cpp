// SPDX-License-Identifier: Apache-2.0
#include "timing/vm_transition.h"

namespace vtsim::timing {

namespace {

// SDM vol. 3, "VMX Basic Exit Reasons": those with a published cost of their own.
constexpr u16 exception_or_nmi = 0, cpuid = 10, vmcall = 18, io_instruction = 30, ept_violation = 48, ept_misconfiguration = 49;

}  // namespace

u32 VmTransition::of_reason(u16 reason) const {
    switch (reason) {
        case exception_or_nmi: return params_.exit_exception;
        case cpuid: return params_.exit_cpuid;
        case vmcall: return params_.exit_vmcall;
        case io_instruction: return params_.exit_io;
        case ept_violation:
        case ept_misconfiguration: return params_.exit_ept_violation;
        default: return params_.exit_other;
    }
}

u32 VmTransition::exit_cycles(u16 reason, const TransitionParts& parts) const {
    return params_.exit_base + of_reason(reason) + parts.msr_entries * params_.exit_per_msr + (parts.tlb_flush ? params_.exit_tlb_flush : 0) +
           (parts.pdptes ? params_.entry_pdptes : 0);
}

u32 VmTransition::entry_cycles(bool launch, const TransitionParts& parts) const {
    return (launch ? params_.entry_launch : params_.entry_resume) + parts.msr_entries * params_.entry_per_msr +
           (parts.tlb_flush ? params_.entry_tlb_flush : 0) + (parts.injection ? params_.entry_injection : 0) + (parts.pdptes ? params_.entry_pdptes : 0);
}

}  // namespace vtsim::timing
