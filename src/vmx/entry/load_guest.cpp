// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"
#include "vmx/vmx.h"

// SDM vol. 3, "Loading Guest State" and "Event Injection".
namespace vtsim::vmx {

namespace {

using namespace arch;

// CR0 bits that transitions leave alone: ET, NW, CD and the reserved ones.
constexpr u64 cr0_kept = cr0::et | cr0::nw | cr0::cd | ~low_bits(32) | Field<28, 19>::mask | bit(17) | Field<15, 6>::mask;

constexpr u64 dr7_always_zero = bit(12) | bit(14) | bit(15);
constexpr u64 dr7_always_one = bit(10);

// Types that are delivered through the IDT: they end blocking and inactivity.
bool delivered(EventType type) { return type != EventType::other; }

// SDM vol. 3, "Delivery of Pending Debug Exceptions after VM Entry".
bool drops_pending_debug(const Injection& injection, Activity activity, bool mov_ss) {
    if (!injection.valid) return activity == Activity::shutdown || activity == Activity::wait_for_sipi;
    switch (injection.type) {
        case EventType::software_interrupt: case EventType::software_exception: return !mov_ss;
        case EventType::other: return false;
        default: return true;
    }
}

}  // namespace

void Vmx::load_guest_registers() {
    const VmcsData& v = current_->data;
    load_guest_control_registers(v);
    load_guest_segments(v);
    state_.gpr[rsp] = v.guest_rsp;
    state_.rip = v.guest_rip;
    state_.write_rflags(v.guest_rflags);
    state_.sysenter_cs = v.guest_sysenter_cs;
    state_.sysenter_esp = v.guest_sysenter_esp;
    state_.sysenter_eip = v.guest_sysenter_eip;
}

void Vmx::load_guest_control_registers(const VmcsData& v) {
    namespace c = control::entry;
    state_.cr0 = (state_.cr0 & cr0_kept) | (v.guest_cr0 & ~cr0_kept);
    state_.cr3 = v.guest_cr3;
    state_.cr4 = v.guest_cr4;
    if ((v.entry_controls & c::load_debug_controls) != 0) {
        state_.dr[7] = (v.guest_dr7 & low_bits(32) & ~dr7_always_zero) | dr7_always_one;
        state_.debugctl = v.guest_debugctl;
    }
    const bool long_mode = (v.entry_controls & c::ia_32e_mode_guest) != 0;
    if ((v.entry_controls & c::load_efer) != 0) {
        state_.efer = v.guest_efer;
    } else {
        const u64 defined = (v.guest_cr0 & cr0::pg) != 0 ? efer::lma | efer::lme : efer::lma;
        state_.efer = (state_.efer & ~defined) | (long_mode ? defined : 0);
    }
    if ((v.entry_controls & c::load_pat) != 0) state_.pat = v.guest_pat;
    if ((v.entry_controls & c::load_perf_global_ctrl) != 0) environment_.write_msr(0x38f, v.guest_perf_global_ctrl);
    if ((v.guest_cr0 & cr0::pg) != 0 && (v.guest_cr4 & cr4::pae) != 0 && !long_mode)
        state_.pdpte = current_->compiled.ept ? std::array<u64, 4>{v.guest_pdpte0, v.guest_pdpte1, v.guest_pdpte2, v.guest_pdpte3} : read_pdptes(memory_, v.guest_cr3);
}

void Vmx::load_guest_segments(const VmcsData& v) {
    for (unsigned i = es; i < segment_count; ++i) {
        auto& segment = state_.segment[i];
        segment.selector = static_cast<u16>((&v.guest_es_selector)[i]);
        segment.base = (&v.guest_es_base)[i];
        segment.limit = static_cast<u32>((&v.guest_es_limit)[i]);
        segment.rights = static_cast<u32>((&v.guest_es_access_rights)[i]);
    }
    state_.segment[cs].rights &= ~Segment::unusable_bit;
    for (const unsigned i : {es, ss, ds}) state_.segment[i].base &= low_bits(32);
    state_.gdtr = {v.guest_gdtr_base, static_cast<u16>(v.guest_gdtr_limit)};
    state_.idtr = {v.guest_idtr_base, static_cast<u16>(v.guest_idtr_limit)};
    state_.cpl = static_cast<u8>(state_.segment[ss].dpl());
}

void Vmx::load_guest_events(EntryResult& result) {
    const VmcsData& v = current_->data;
    const u64 information = v.entry_interruption_information;
    auto& injection = result.injection;
    injection.valid = interruption::Valid::test(information);
    injection.type = static_cast<EventType>(interruption::Type::get(information));
    const bool delivers = injection.valid && delivered(injection.type);

    const u64 blocking = v.guest_interruptibility_state;
    const bool mov_ss = Field<1>::test(blocking), nmi = Field<3>::test(blocking);
    const auto activity = static_cast<Activity>(v.guest_activity_state);
    state_.blocked_by_sti = !delivers && Field<0>::test(blocking);
    state_.blocked_by_mov_ss = !delivers && mov_ss;
    state_.blocked_by_nmi = !intercepts.virtual_nmis && nmi;
    virtual_nmi_blocking = intercepts.virtual_nmis && nmi;
    state_.activity = delivers ? Activity::active : activity;
    state_.pending_debug = drops_pending_debug(injection, activity, mov_ss) ? 0 : v.guest_pending_debug_exceptions;
    result.pending_mtf = injection.valid && (!delivers || intercepts.monitor_trap_flag);

    if (delivers) {
        ++stats.injections;
        injection.vector = static_cast<u8>(interruption::VectorNumber::get(information));
        injection.deliver_error_code = interruption::ErrorCodeValid::test(information);
        injection.error_code = static_cast<u32>(v.entry_error_code);
        injection.instruction_length = static_cast<u32>(v.entry_instruction_length);
        if (injection.type == EventType::nmi) (intercepts.virtual_nmis ? virtual_nmi_blocking : state_.blocked_by_nmi) = true;
    }
    injection.valid = delivers;

    timer_deadline_ = EntryResult::no_deadline;
    if (intercepts.preemption_timer) {
        const unsigned shift = capabilities.params.preemption_timer_shift;
        timer_deadline_ = ((environment_.tsc() >> shift) + v.preemption_timer_value) << shift;
    }
    result.timer_deadline = timer_deadline_;
}

}  // namespace vtsim::vmx
