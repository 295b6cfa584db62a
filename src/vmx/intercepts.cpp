// SPDX-License-Identifier: Apache-2.0
#include "vmx/intercepts.h"

#include "vmx/tables/controls.h"
#include "vmx/tables/vmcs_fields.h"

namespace vtsim::vmx {

namespace {

void compile_instructions(const VmcsData& v, u64 primary, u64 secondary, Intercepts& to) {
    namespace p = control::primary;
    namespace s = control::secondary;
    to.hlt = (primary & p::hlt_exiting) != 0;
    to.invlpg = (primary & p::invlpg_exiting) != 0;
    to.mwait = (primary & p::mwait_exiting) != 0;
    to.monitor = (primary & p::monitor_exiting) != 0;
    to.pause = (primary & p::pause_exiting) != 0;
    to.rdpmc = (primary & p::rdpmc_exiting) != 0;
    to.rdtsc = (primary & p::rdtsc_exiting) != 0;
    to.mov_dr = (primary & p::mov_dr_exiting) != 0;
    to.cr3_load = (primary & p::cr3_load_exiting) != 0;
    to.cr3_store = (primary & p::cr3_store_exiting) != 0;
    to.cr8_load = (primary & p::cr8_load_exiting) != 0;
    to.cr8_store = (primary & p::cr8_store_exiting) != 0;
    to.io_unconditional = (primary & p::unconditional_io_exiting) != 0;
    to.io_bitmaps = (primary & p::use_io_bitmaps) != 0;
    to.msr_bitmaps = (primary & p::use_msr_bitmaps) != 0;
    to.descriptor_table = (secondary & s::descriptor_table_exiting) != 0;
    to.wbinvd = (secondary & s::wbinvd_exiting) != 0;
    to.rdrand = (secondary & s::rdrand_exiting) != 0;
    to.rdseed = (secondary & s::rdseed_exiting) != 0;
    to.rdtscp_enabled = (secondary & s::enable_rdtscp) != 0;
    to.invpcid_enabled = (secondary & s::enable_invpcid) != 0;
    to.xsaves_enabled = (secondary & s::enable_xsaves_xrstors) != 0;
    to.vmfunc_enabled = (secondary & s::enable_vm_functions) != 0;
    to.pause_loop = (secondary & s::pause_loop_exiting) != 0;
    to.vmcs_shadowing = (secondary & s::vmcs_shadowing) != 0;
    to.ple_gap = static_cast<u32>(v.ple_gap);
    to.ple_window = static_cast<u32>(v.ple_window);
    to.io_bitmap_a = v.io_bitmap_a;
    to.io_bitmap_b = v.io_bitmap_b;
    to.msr_bitmap = v.msr_bitmaps;
    to.vmread_bitmap = v.vmread_bitmap_address;
    to.vmwrite_bitmap = v.vmwrite_bitmap_address;
    to.xss_bitmap = v.xss_exiting_bitmap;
}

void compile_events(const VmcsData& v, u64 primary, Intercepts& to) {
    to.exception_bitmap = static_cast<u32>(v.exception_bitmap);
    to.page_fault_mask = static_cast<u32>(v.page_fault_mask);
    to.page_fault_match = static_cast<u32>(v.page_fault_match);
    to.external_interrupt = (v.pin_controls & control::pin::external_interrupt_exiting) != 0;
    to.nmi = (v.pin_controls & control::pin::nmi_exiting) != 0;
    to.virtual_nmis = (v.pin_controls & control::pin::virtual_nmis) != 0;
    to.preemption_timer = (v.pin_controls & control::pin::activate_preemption_timer) != 0;
    to.acknowledge_interrupt = (v.exit_controls & control::exit::acknowledge_interrupt_on_exit) != 0;
    to.interrupt_window = (primary & control::primary::interrupt_window_exiting) != 0;
    to.nmi_window = (primary & control::primary::nmi_window_exiting) != 0;
    to.monitor_trap_flag = (primary & control::primary::monitor_trap_flag) != 0;
}

void compile_registers(const VmcsData& v, u64 primary, u64 secondary, Intercepts& to) {
    to.cr0_mask = v.cr0_guest_host_mask;
    to.cr0_shadow = v.cr0_read_shadow;
    to.cr4_mask = v.cr4_guest_host_mask;
    to.cr4_shadow = v.cr4_read_shadow;
    to.cr3_target_count = static_cast<unsigned>(v.cr3_target_count);
    to.cr3_targets = {v.cr3_target0, v.cr3_target1, v.cr3_target2, v.cr3_target3};
    if ((primary & control::primary::use_tsc_offsetting) != 0) {
        to.tsc_offset = v.tsc_offset;
        if ((secondary & control::secondary::use_tsc_scaling) != 0) to.tsc_multiplier = v.tsc_multiplier;
    }
}

void compile_translation(const VmcsData& v, u64 secondary, Intercepts& to) {
    namespace s = control::secondary;
    to.ept = (secondary & s::enable_ept) != 0;
    to.eptp = to.ept ? v.eptp : 0;
    to.vpid_enabled = (secondary & s::enable_vpid) != 0;
    to.vpid = to.vpid_enabled ? static_cast<u16>(v.vpid) : u16{0};
    to.unrestricted = (secondary & s::unrestricted_guest) != 0;
    to.mode_based_execute = (secondary & s::mode_based_execute_control_for_ept) != 0;
    to.pml = (secondary & s::enable_pml) != 0;
    to.violation_ve = (secondary & s::ept_violation_ve) != 0;
}

void compile_apic(const VmcsData& v, u64 primary, u64 secondary, Intercepts& to) {
    namespace s = control::secondary;
    to.tpr_shadow = (primary & control::primary::use_tpr_shadow) != 0;
    to.tpr_threshold = static_cast<u32>(v.tpr_threshold);
    to.virtual_apic_page = v.virtual_apic_address;
    to.virtualize_apic_accesses = (secondary & s::virtualize_apic_accesses) != 0;
    to.apic_access_page = v.apic_access_address;
    to.virtualize_x2apic = (secondary & s::virtualize_x2apic_mode) != 0;
    to.apic_registers = (secondary & s::apic_register_virtualization) != 0;
    to.virtual_interrupt_delivery = (secondary & s::virtual_interrupt_delivery) != 0;
    to.posted_interrupts = (v.pin_controls & control::pin::process_posted_interrupts) != 0;
    to.posted_interrupt_vector = static_cast<u8>(v.posted_interrupt_notification_vector);
    to.posted_interrupt_descriptor = v.posted_interrupt_descriptor_address;
    to.eoi_exit_bitmap = {v.eoi_exit_bitmap0, v.eoi_exit_bitmap1, v.eoi_exit_bitmap2, v.eoi_exit_bitmap3};
}

}  // namespace

Intercepts compile_intercepts(const VmcsData& vmcs) {
    const u64 primary = vmcs.primary_controls;
    const u64 secondary = (primary & control::primary::activate_secondary_controls) != 0 ? vmcs.secondary_controls : 0;
    Intercepts compiled;
    compiled.non_root = true;
    compile_instructions(vmcs, primary, secondary, compiled);
    compile_events(vmcs, primary, compiled);
    compile_registers(vmcs, primary, secondary, compiled);
    compile_translation(vmcs, secondary, compiled);
    compile_apic(vmcs, primary, secondary, compiled);
    return compiled;
}

}  // namespace vtsim::vmx
