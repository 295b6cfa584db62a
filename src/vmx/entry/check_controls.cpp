// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"

// SDM vol. 3, "Checks on VMX Controls". Rows of features that the model does not have (tertiary controls, SPP, PT, HLAT, PASID) are absent: their control
// bits are reserved.
namespace vtsim::vmx {

namespace {

using In = const CheckInputs&;
namespace pin = control::pin;
namespace primary = control::primary;
namespace secondary = control::secondary;
namespace exit_control = control::exit;
namespace entry_control = control::entry;
using group::controls;

constexpr bool has(u64 word, u64 bits) { return (word & bits) != 0; }
constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }

constexpr EntryCheck execution_rows[] = {
    {"ctl.pin.reserved", "pin-based controls respect IA32_VMX_TRUE_PINBASED_CTLS", controls, [](In in) { return in.c.allows(ControlWord::pin, in.v.pin_controls); }},
    {"ctl.proc1.reserved", "primary controls respect IA32_VMX_TRUE_PROCBASED_CTLS", controls, [](In in) { return in.c.allows(ControlWord::primary, in.v.primary_controls); }},
    {"ctl.proc2.reserved", "secondary controls, when activated, respect IA32_VMX_PROCBASED_CTLS2", controls, [](In in) { return in.c.allows(ControlWord::secondary, in.secondary); }},
    {"ctl.cr3-target-count", "the CR3-target count is at most IA32_VMX_MISC[24:16]", controls, [](In in) { return in.v.cr3_target_count <= in.c.params.cr3_targets; }},
    {"ctl.io-bitmap-a", "the address of I/O bitmap A is a page", controls, [](In in) { return implies(has(in.primary, primary::use_io_bitmaps), in.c.page(in.v.io_bitmap_a)); }},
    {"ctl.io-bitmap-b", "the address of I/O bitmap B is a page", controls, [](In in) { return implies(has(in.primary, primary::use_io_bitmaps), in.c.page(in.v.io_bitmap_b)); }},
    {"ctl.msr-bitmap", "the address of the MSR bitmaps is a page", controls, [](In in) { return implies(has(in.primary, primary::use_msr_bitmaps), in.c.page(in.v.msr_bitmaps)); }},
    {"ctl.tpr-shadow.vapic-addr", "use TPR shadow: the virtual-APIC address is a page", controls,
     [](In in) { return implies(has(in.primary, primary::use_tpr_shadow), in.c.page(in.v.virtual_apic_address)); }},
    {"ctl.tpr-shadow.threshold-reserved", "use TPR shadow without virtual-interrupt delivery: TPR threshold[31:4] is 0", controls,
     [](In in) { return implies(has(in.primary, primary::use_tpr_shadow) && !has(in.secondary, secondary::virtual_interrupt_delivery), in.v.tpr_threshold <= 15); }},
    {"ctl.tpr-shadow.threshold-vtpr", "use TPR shadow without virtualized APIC accesses and interrupts: the TPR threshold is not above VTPR[7:4]", controls | group::memory,
     [](In in) {
         if (!has(in.primary, primary::use_tpr_shadow) || has(in.secondary, secondary::virtualize_apic_accesses | secondary::virtual_interrupt_delivery)) return true;
         return (in.v.tpr_threshold & 15) <= u64{in.memory.read<u8>(PhysicalAddress{in.v.virtual_apic_address + 0x80})} >> 4;
     }},
    {"ctl.tpr-shadow.required", "without use TPR shadow, x2APIC mode, APIC registers and interrupts are not virtualized", controls,
     [](In in) {
         return has(in.primary, primary::use_tpr_shadow) ||
                !has(in.secondary, secondary::virtualize_x2apic_mode | secondary::apic_register_virtualization | secondary::virtual_interrupt_delivery);
     }},
    {"ctl.nmi.virtual-needs-exiting", "virtual NMIs needs NMI exiting", controls, [](In in) { return implies(has(in.pin, pin::virtual_nmis), has(in.pin, pin::nmi_exiting)); }},
    {"ctl.nmi.window-needs-virtual", "NMI-window exiting needs virtual NMIs", controls,
     [](In in) { return implies(has(in.primary, primary::nmi_window_exiting), has(in.pin, pin::virtual_nmis)); }},
    {"ctl.apic-access-addr", "virtualize APIC accesses: the APIC-access address is a page", controls,
     [](In in) { return implies(has(in.secondary, secondary::virtualize_apic_accesses), in.c.page(in.v.apic_access_address)); }},
    {"ctl.x2apic-vs-xapic", "virtualize x2APIC mode excludes virtualize APIC accesses", controls,
     [](In in) { return !(has(in.secondary, secondary::virtualize_x2apic_mode) && has(in.secondary, secondary::virtualize_apic_accesses)); }},
    {"ctl.vid.extint", "virtual-interrupt delivery needs external-interrupt exiting", controls,
     [](In in) { return implies(has(in.secondary, secondary::virtual_interrupt_delivery), has(in.pin, pin::external_interrupt_exiting)); }},
    {"ctl.pi.vid", "process posted interrupts needs virtual-interrupt delivery", controls,
     [](In in) { return implies(has(in.pin, pin::process_posted_interrupts), has(in.secondary, secondary::virtual_interrupt_delivery)); }},
    {"ctl.pi.ack", "process posted interrupts needs acknowledge interrupt on exit", controls,
     [](In in) { return implies(has(in.pin, pin::process_posted_interrupts), has(in.exit, exit_control::acknowledge_interrupt_on_exit)); }},
    {"ctl.pi.vector", "the posted-interrupt notification vector is at most 255", controls,
     [](In in) { return implies(has(in.pin, pin::process_posted_interrupts), in.v.posted_interrupt_notification_vector <= 255); }},
    {"ctl.pi.desc", "the posted-interrupt descriptor is aligned to 64 bytes and fits the physical-address width", controls,
     [](In in) {
         const u64 address = in.v.posted_interrupt_descriptor_address;
         return implies(has(in.pin, pin::process_posted_interrupts), (address & 63) == 0 && in.c.physical(address));
     }},
    {"ctl.vpid.nonzero", "enable VPID: the VPID is not 0", controls, [](In in) { return implies(has(in.secondary, secondary::enable_vpid), in.v.vpid != 0); }},
    {"ctl.ept.memtype", "EPTP[2:0] is a supported memory type", controls, [](In in) { return implies(in.ept, Field<2, 0>::get(in.v.eptp) == 0 || Field<2, 0>::get(in.v.eptp) == 6); }},
    {"ctl.ept.walk", "EPTP[5:3] is a supported page-walk length less one", controls,
     [](In in) { return implies(in.ept, Field<5, 3>::get(in.v.eptp) == 3 || (Field<5, 3>::get(in.v.eptp) == 4 && in.c.params.ept_5_levels)); }},
    {"ctl.ept.ad", "EPTP[6] is 0 without accessed and dirty flags for EPT", controls, [](In in) { return implies(in.ept && Field<6>::test(in.v.eptp), in.c.params.ept_accessed_dirty); }},
    {"ctl.ept.sss", "EPTP[7] is 0 without supervisor shadow-stack control", controls, [](In in) { return implies(in.ept, !Field<7>::test(in.v.eptp)); }},
    {"ctl.ept.reserved", "EPTP[11:8] is 0", controls, [](In in) { return implies(in.ept, !Field<11, 8>::test(in.v.eptp)); }},
    {"ctl.ept.addr", "the EPT table fits the physical-address width", controls, [](In in) { return implies(in.ept, in.c.physical(align_down(in.v.eptp, page_size))); }},
    {"ctl.ept.required", "PML, unrestricted guest and mode-based execute control need enable EPT", controls,
     [](In in) { return in.ept || !has(in.secondary, secondary::enable_pml | secondary::unrestricted_guest | secondary::mode_based_execute_control_for_ept); }},
    {"ctl.pml.addr", "the PML address is a page", controls, [](In in) { return implies(has(in.secondary, secondary::enable_pml), in.c.page(in.v.pml_address)); }},
    {"ctl.vmfunc.reserved", "VM-function controls respect IA32_VMX_VMFUNC", controls,
     [](In in) { return implies(has(in.secondary, secondary::enable_vm_functions), in.c.allows(ControlWord::vm_function, in.v.vm_function_controls)); }},
    {"ctl.vmfunc.eptp-switch", "EPTP switching needs enable EPT and a page as EPTP list", controls,
     [](In in) {
         const bool switching = has(in.secondary, secondary::enable_vm_functions) && has(in.v.vm_function_controls, control::vm_function::eptp_switching);
         return implies(switching, in.ept && in.c.page(in.v.eptp_list_address));
     }},
    {"ctl.shadow.bitmaps", "VMCS shadowing: the VMREAD and VMWRITE bitmaps are pages", controls,
     [](In in) { return implies(has(in.secondary, secondary::vmcs_shadowing), in.c.page(in.v.vmread_bitmap_address) && in.c.page(in.v.vmwrite_bitmap_address)); }},
    {"ctl.ve.info", "EPT-violation #VE: the information address is a page", controls,
     [](In in) { return implies(has(in.secondary, secondary::ept_violation_ve), in.c.page(in.v.ve_information_address)); }},
    {"ctl.tsc.multiplier", "use TSC scaling: the TSC multiplier is not 0", controls,
     [](In in) { return implies(has(in.secondary, secondary::use_tsc_scaling), in.v.tsc_multiplier != 0); }},
};

constexpr EntryCheck exit_rows[] = {
    {"ctl.exit.reserved", "VM-exit controls respect IA32_VMX_TRUE_EXIT_CTLS", controls, [](In in) { return in.c.allows(ControlWord::exit, in.v.exit_controls); }},
    {"ctl.exit.save-timer", "save VMX-preemption timer value needs activate VMX-preemption timer", controls,
     [](In in) { return implies(has(in.exit, exit_control::save_preemption_timer_value), has(in.pin, pin::activate_preemption_timer)); }},
    {"ctl.exit.msr-store", "the VM-exit MSR-store area is aligned and fits the physical-address width", controls,
     [](In in) { return msr_area_valid(in.c, in.v.exit_msr_store_address, in.v.exit_msr_store_count); }},
    {"ctl.exit.msr-load", "the VM-exit MSR-load area is aligned and fits the physical-address width", controls,
     [](In in) { return msr_area_valid(in.c, in.v.exit_msr_load_address, in.v.exit_msr_load_count); }},
};

constexpr u64 vectors_with_error_code = bit(8) | Field<14, 10>::mask | bit(17);
// Hardware exceptions with an error code are injected with one, unless the guest is in real mode.
constexpr group::Mask error_code_inputs = group::injection | group::controls | group::guest;
bool protected_guest(In in) { return !in.unrestricted || has(in.v.guest_cr0, arch::cr0::pe); }
bool delivers_error_code(In in) { return interruption::ErrorCodeValid::test(in.v.entry_interruption_information); }

constexpr EntryCheck injection_rows[] = {
    {"ctl.inject.type", "the type is not 1; 7 (other event) needs the monitor trap flag", group::injection,
     [](In in) { return !in.injects() || (in.inject_type() != EventType{1} && implies(in.inject_type() == EventType::other, in.c.params.monitor_trap_flag)); }},
    {"ctl.inject.vector-nmi", "an NMI has vector 2", group::injection, [](In in) { return implies(in.injects(EventType::nmi), in.inject_vector() == 2); }},
    {"ctl.inject.vector-hw", "a hardware exception has a vector up to 31", group::injection, [](In in) { return implies(in.injects(EventType::hardware_exception), in.inject_vector() <= 31); }},
    {"ctl.inject.vector-other", "an other event is a pending MTF VM exit, vector 0", group::injection, [](In in) { return implies(in.injects(EventType::other), in.inject_vector() == 0); }},
    {"ctl.inject.errcode-required", "a hardware exception that has an error code delivers one", error_code_inputs,
     [](In in) {
         const bool required = in.injects(EventType::hardware_exception) && protected_guest(in) && in.inject_vector() < 32 && has(vectors_with_error_code, bit(static_cast<unsigned>(in.inject_vector())));
         return implies(required, delivers_error_code(in));
     }},
    {"ctl.inject.errcode-forbidden", "nothing else delivers an error code", error_code_inputs,
     [](In in) {
         if (!in.injects() || !delivers_error_code(in)) return true;
         return in.inject_type() == EventType::hardware_exception && protected_guest(in) && in.inject_vector() < 32 && has(vectors_with_error_code, bit(static_cast<unsigned>(in.inject_vector())));
     }},
    {"ctl.inject.nested", "bit 13 (nested exception) is 0", group::injection, [](In in) { return implies(in.injects(), !Field<13>::test(in.v.entry_interruption_information)); }},
    {"ctl.inject.reserved", "bits 30:14 and 12 are 0", group::injection,
     [](In in) { return implies(in.injects(), !has(in.v.entry_interruption_information, Field<30, 14>::mask | bit(12))); }},
    {"ctl.inject.errcode-high", "a delivered error code has bits 31:16 clear", group::injection,
     [](In in) { return implies(in.injects() && delivers_error_code(in), !Field<31, 16>::test(in.v.entry_error_code)); }},
    {"ctl.inject.ilen", "a software event has an instruction length of 1 to 15 (0 where IA32_VMX_MISC[30] is 1)", group::injection,
     [](In in) {
         const bool software = in.injects(EventType::software_interrupt) || in.injects(EventType::privileged_software_exception) || in.injects(EventType::software_exception);
         return implies(software, in.v.entry_instruction_length <= 15 && (in.v.entry_instruction_length != 0 || in.c.params.zero_length_injection));
     }},
};

constexpr EntryCheck entry_rows[] = {
    {"ctl.entry.reserved", "VM-entry controls respect IA32_VMX_TRUE_ENTRY_CTLS", controls, [](In in) { return in.c.allows(ControlWord::entry, in.v.entry_controls); }},
    {"ctl.entry.msr-load", "the VM-entry MSR-load area is aligned and fits the physical-address width", controls,
     [](In in) { return msr_area_valid(in.c, in.v.entry_msr_load_address, in.v.entry_msr_load_count); }},
    {"ctl.entry.smm", "outside SMM: no entry to SMM, no deactivation of the dual-monitor treatment", controls,
     [](In in) { return !has(in.entry, entry_control::entry_to_smm | entry_control::deactivate_dual_monitor_treatment); }},
};

}  // namespace

constinit const CheckTable execution_control_checks{execution_rows};
constinit const CheckTable exit_control_checks{exit_rows};
constinit const CheckTable injection_checks{injection_rows};
constinit const CheckTable entry_control_checks{entry_rows};

}  // namespace vtsim::vmx
