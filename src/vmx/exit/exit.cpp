// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "vmx/vmx.h"

// SDM vol. 3, "VM Exits": recording, saving, storing MSRs, loading the host, loading MSRs.
namespace vtsim::vmx {

namespace {

using namespace arch;

constexpr u32 abort_saving_msrs = 1;
constexpr u32 saved_rights = 0x1f0ff;                // bits 11:8 and 31:17 are saved as 0

// Exits that save the pending debug exceptions whatever caused them. SDM vol. 3, "Saving Non-Register State".
bool saves_pending_debug(ExitReason reason, const ExitDetails& details) {
    switch (reason) {
        case ExitReason::init: case ExitReason::io_smi: case ExitReason::other_smi: case ExitReason::tpr_below_threshold: case ExitReason::virtualized_eoi:
        case ExitReason::apic_write: case ExitReason::monitor_trap_flag: case ExitReason::bus_lock: return true;
        case ExitReason::exception_or_nmi: return interruption::VectorNumber::get(details.interruption_information) == static_cast<u64>(Vector::mc);
        default: return false;
    }
}

bool caused_by(ExitReason reason, const ExitDetails& details, Vector vector) {
    return reason == ExitReason::exception_or_nmi && interruption::VectorNumber::get(details.interruption_information) == static_cast<u64>(vector);
}

}  // namespace

ExitResult Vmx::exit(ExitReason reason, const ExitDetails& details) {
    ++stats.exits_total;
    ++stats.exits[reason];
    last_exit_reason_ = reason;
    record_exit(reason, details);
    save_guest_registers(details);
    save_guest_events(reason, details);
    const VmcsData& v = current_->data;
    if (store_msrs(v.exit_msr_store_address, v.exit_msr_store_count) != 0) return {.abort = vmx_abort(abort_saving_msrs)};
    const bool nmi = caused_by(reason, details, Vector::nmi);
    auto result = load_host_state();
    if (nmi) state_.blocked_by_nmi = true;
    return result;
}

// SDM vol. 3, "Recording VM-Exit Information and Updating VM-Entry Control Fields".
void Vmx::record_exit(ExitReason reason, const ExitDetails& details) {
    VmcsData& v = current_->data;
    v.exit_reason = static_cast<u16>(reason);
    v.exit_qualification = details.qualification;
    v.guest_linear_address = details.guest_linear;
    v.guest_physical_address = details.guest_physical;
    v.exit_interruption_information = details.interruption_information;
    v.exit_interruption_error_code = details.interruption_error_code;
    v.idt_vectoring_information = details.idt_vectoring_information;
    v.idt_vectoring_error_code = details.idt_vectoring_error_code;
    v.exit_instruction_length = details.instruction_length;
    v.exit_instruction_information = details.instruction_information;
    v.entry_interruption_information &= ~interruption::Valid::mask;

    constexpr u64 long_mode = control::entry::ia_32e_mode_guest;
    const u64 entry_controls = (v.entry_controls & ~long_mode) | (state_.long_mode_active() ? long_mode : 0);
    // The guest changed its mode by itself: rules that compare fields which are not saved are due again.
    if (entry_controls != v.entry_controls) current_->due |= group::controls | group::guest;
    v.entry_controls = entry_controls;
}

void Vmx::save_guest_registers(const ExitDetails& details) {
    namespace c = control::exit;
    VmcsData& v = current_->data;
    v.guest_cr0 = state_.cr0;
    v.guest_cr3 = state_.cr3;
    v.guest_cr4 = state_.cr4;
    v.guest_sysenter_cs = state_.sysenter_cs;
    v.guest_sysenter_esp = state_.sysenter_esp;
    v.guest_sysenter_eip = state_.sysenter_eip;
    if ((v.exit_controls & c::save_debug_controls) != 0) {
        v.guest_dr7 = state_.dr[7];
        v.guest_debugctl = state_.debugctl;
    }
    if ((v.exit_controls & c::save_pat) != 0) v.guest_pat = state_.pat;
    if ((v.exit_controls & c::save_efer) != 0) v.guest_efer = state_.efer;
    else if ((v.entry_controls & control::entry::load_efer) != 0) current_->due |= group::guest;      // compared with CR0.PG, which is saved
    for (unsigned i = es; i < segment_count; ++i) {
        const auto& segment = state_.segment[i];
        (&v.guest_es_selector)[i] = segment.selector;
        (&v.guest_es_base)[i] = segment.base;
        (&v.guest_es_limit)[i] = segment.limit;
        (&v.guest_es_access_rights)[i] = segment.rights & saved_rights;
    }
    v.guest_gdtr_base = state_.gdtr.base;
    v.guest_gdtr_limit = state_.gdtr.limit;
    v.guest_idtr_base = state_.idtr.base;
    v.guest_idtr_limit = state_.idtr.limit;
    v.guest_rsp = state_.gpr[rsp];
    v.guest_rip = state_.rip;
    const u64 flags = state_.read_rflags();
    v.guest_rflags = details.keep_resume_flag ? flags : (flags & ~rflags::rf) | (details.resume_flag ? rflags::rf : 0);
    if (intercepts.ept && !state_.long_mode_active() && (state_.cr0 & cr0::pg) != 0 && (state_.cr4 & cr4::pae) != 0) {
        v.guest_pdpte0 = state_.pdpte[0];
        v.guest_pdpte1 = state_.pdpte[1];
        v.guest_pdpte2 = state_.pdpte[2];
        v.guest_pdpte3 = state_.pdpte[3];
    }
}

void Vmx::save_guest_events(ExitReason reason, const ExitDetails& details) {
    VmcsData& v = current_->data;
    const bool nmi_blocking = intercepts.virtual_nmis ? virtual_nmi_blocking : state_.blocked_by_nmi;
    v.guest_activity_state = static_cast<u32>(state_.activity);
    v.guest_interruptibility_state = u64{state_.blocked_by_sti} | u64{state_.blocked_by_mov_ss} << 1 | u64{nmi_blocking} << 3;
    const bool held_by_mov_ss = state_.blocked_by_mov_ss && !caused_by(reason, details, Vector::db);
    v.guest_pending_debug_exceptions = saves_pending_debug(reason, details) || held_by_mov_ss ? state_.pending_debug : 0;
    // An active guest without blocking or pending exceptions breaks no rule.
    if ((v.guest_activity_state | v.guest_interruptibility_state | v.guest_pending_debug_exceptions) != 0) current_->due |= group::state;
    if (intercepts.preemption_timer && (v.exit_controls & control::exit::save_preemption_timer_value) != 0) {
        const unsigned shift = capabilities.params.preemption_timer_shift;
        const u64 deadline = timer_deadline_ >> shift, now = environment_.tsc() >> shift;
        v.preemption_timer_value = reason == ExitReason::preemption_timer || now >= deadline ? 0 : deadline - now;
    }
}

// "VMX Aborts": the indicator goes into the region itself.
u32 Vmx::vmx_abort(u32 indicator) {
    memory_.write<u32>(PhysicalAddress{current_->address + region::abort_offset}, indicator);
    intercepts = {};
    return indicator;
}

}  // namespace vtsim::vmx
