// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::vmx {

// What the VMX capability MSRs report, switch by switch; the control words, the VMCS fields that exist and the VM-entry checks follow
// from it. Defaults: the Broadwell features that the model implements. SDM vol. 3, appendix "VMX Capability Reporting Facility".
struct VmxParams {
    u32 revision = 0x12;                    // VMCS revision identifier
    bool secondary_controls = true;
    bool msr_bitmaps = true;
    bool tpr_shadow = true;
    bool virtual_nmis = true;
    bool preemption_timer = true;
    unsigned preemption_timer_shift = 5;    // the timer counts changes of this bit of the TSC
    bool monitor_trap_flag = true;
    bool pat_controls = true;
    bool efer_controls = true;
    bool perf_global_ctrl_controls = false;
    bool ept = true;
    bool ept_execute_only = true;
    bool ept_2m_pages = true;
    bool ept_1g_pages = true;
    bool ept_accessed_dirty = true;
    bool ept_5_levels = false;
    bool vpid = true;
    bool unrestricted_guest = true;
    bool descriptor_table_exiting = true;
    bool rdtscp = true;
    bool invpcid = true;
    bool wbinvd_exiting = true;
    bool rdrand_exiting = true;
    bool rdseed_exiting = true;
    bool pause_loop_exiting = false;
    bool virtualize_apic_accesses = false;
    bool virtualize_x2apic = false;
    bool apic_register_virtualization = false;
    bool virtual_interrupt_delivery = false;
    bool posted_interrupts = false;
    bool vm_functions = false;
    bool vmcs_shadowing = false;
    bool pml = false;
    bool ept_violation_ve = false;
    bool mode_based_execute = false;
    bool xsaves = false;
    bool tsc_scaling = false;
    bool vmwrite_exit_information = true;   // VMWRITE may write the VM-exit information fields
    bool zero_length_injection = false;     // software events may be injected with instruction length 0
    unsigned cr3_targets = 4;
    unsigned active_vmcs = 8;               // active VMCSs held decoded; 1 to 64
    bool check_everything = false;          // VM entries evaluate every row and compare with what skipping clean groups gives

    // Throws ConfigError: a switch that needs another one, a number out of its range.
    void validate() const;
};

}  // namespace vtsim::vmx

template <>
inline constexpr auto vtsim::config::schema<vtsim::vmx::VmxParams> = [] {
    using vtsim::config::Param;
    using P = vtsim::vmx::VmxParams;
    return std::tuple{
        Param{"revision", &P::revision, "VMCS revision identifier, 31 bits"},
        Param{"secondary_controls", &P::secondary_controls, "secondary processor-based controls exist"},
        Param{"msr_bitmaps", &P::msr_bitmaps, "use MSR bitmaps"},
        Param{"tpr_shadow", &P::tpr_shadow, "use TPR shadow"},
        Param{"virtual_nmis", &P::virtual_nmis, "virtual NMIs and NMI-window exiting"},
        Param{"preemption_timer", &P::preemption_timer, "VMX-preemption timer and its save control"},
        Param{"preemption_timer_shift", &P::preemption_timer_shift, "the timer counts changes of this TSC bit; 0 to 31"},
        Param{"monitor_trap_flag", &P::monitor_trap_flag, "monitor trap flag"},
        Param{"pat_controls", &P::pat_controls, "load and save IA32_PAT at transitions"},
        Param{"efer_controls", &P::efer_controls, "load and save IA32_EFER at transitions"},
        Param{"perf_global_ctrl_controls", &P::perf_global_ctrl_controls, "load IA32_PERF_GLOBAL_CTRL at transitions"},
        Param{"ept", &P::ept, "extended page tables"},
        Param{"ept_execute_only", &P::ept_execute_only, "EPT entries may be execute-only"},
        Param{"ept_2m_pages", &P::ept_2m_pages, "2-MByte EPT pages"},
        Param{"ept_1g_pages", &P::ept_1g_pages, "1-GByte EPT pages"},
        Param{"ept_accessed_dirty", &P::ept_accessed_dirty, "accessed and dirty flags for EPT"},
        Param{"ept_5_levels", &P::ept_5_levels, "EPT page-walk length 5"},
        Param{"vpid", &P::vpid, "virtual-processor identifiers and INVVPID"},
        Param{"unrestricted_guest", &P::unrestricted_guest, "guests may run with paging or protection off; needs ept"},
        Param{"descriptor_table_exiting", &P::descriptor_table_exiting, "descriptor-table exiting"},
        Param{"rdtscp", &P::rdtscp, "enable RDTSCP"},
        Param{"invpcid", &P::invpcid, "enable INVPCID"},
        Param{"wbinvd_exiting", &P::wbinvd_exiting, "WBINVD exiting"},
        Param{"rdrand_exiting", &P::rdrand_exiting, "RDRAND exiting"},
        Param{"rdseed_exiting", &P::rdseed_exiting, "RDSEED exiting"},
        Param{"pause_loop_exiting", &P::pause_loop_exiting, "PAUSE-loop exiting"},
        Param{"virtualize_apic_accesses", &P::virtualize_apic_accesses, "virtualize APIC accesses"},
        Param{"virtualize_x2apic", &P::virtualize_x2apic, "virtualize x2APIC mode; needs tpr_shadow"},
        Param{"apic_register_virtualization", &P::apic_register_virtualization, "APIC-register virtualization; needs tpr_shadow"},
        Param{"virtual_interrupt_delivery", &P::virtual_interrupt_delivery, "virtual-interrupt delivery; needs tpr_shadow"},
        Param{"posted_interrupts", &P::posted_interrupts, "process posted interrupts; needs virtual_interrupt_delivery"},
        Param{"vm_functions", &P::vm_functions, "VMFUNC with EPTP switching; needs ept"},
        Param{"vmcs_shadowing", &P::vmcs_shadowing, "VMCS shadowing"},
        Param{"pml", &P::pml, "page-modification logging; needs ept_accessed_dirty"},
        Param{"ept_violation_ve", &P::ept_violation_ve, "EPT-violation #VE; needs ept"},
        Param{"mode_based_execute", &P::mode_based_execute, "mode-based execute control for EPT; needs ept"},
        Param{"xsaves", &P::xsaves, "enable XSAVES/XRSTORS"},
        Param{"tsc_scaling", &P::tsc_scaling, "use TSC scaling"},
        Param{"vmwrite_exit_information", &P::vmwrite_exit_information, "VMWRITE may write read-only fields (IA32_VMX_MISC bit 29)"},
        Param{"zero_length_injection", &P::zero_length_injection, "software events may be injected with length 0 (IA32_VMX_MISC bit 30)"},
        Param{"cr3_targets", &P::cr3_targets, "number of CR3-target values; 0 to 4"},
        Param{"active_vmcs", &P::active_vmcs, "active VMCSs that a processor holds decoded; 1 to 64"},
        Param{"check_everything", &P::check_everything, "test switch: VM entries evaluate every check and compare (results are identical)"},
    };
}();
