// SPDX-License-Identifier: Apache-2.0
// VM entries and VM exits as the core sees them: what VMX decides and copies is in vmx/, what the transition does to translation, time and pending events is here.
#include "cpu/events/transitions.h"

#include "vmx/vmx.h"

namespace vtsim::cpu::events {
namespace {

u32 exit_msr_entries(const Core& core) {
    const auto* vmcs = core.vmx->current();
    return vmcs == nullptr ? 0 : static_cast<u32>(vmcs->data.exit_msr_store_count + vmcs->data.exit_msr_load_count);
}

u32 entry_msr_entries(const Core& core) {
    const auto* vmcs = core.vmx->current();
    return vmcs == nullptr ? 0 : static_cast<u32>(vmcs->data.entry_msr_load_count);
}

// Cycles of a transition, and of the VMM between exit and entry, by exit reason. Only timing mode knows any.
void account_exit(Core& core, vmx::ExitReason reason, const timing::TransitionParts& parts) {
    if (core.mode() != Mode::timing) return;
    core.model.serialise();
    const u32 cost = core.transition.exit_cycles(static_cast<u16>(reason), parts);
    core.model.charge(timing::Bucket::vm_exit, cost);
    core.vmx->stats.exit_cycles[reason] += cost;
    core.handler_since = core.cycles();
    core.handler_reason = reason;
}

void account_entry(Core& core, bool launch, const timing::TransitionParts& parts) {
    if (core.mode() != Mode::timing) return;
    core.model.serialise();
    const u32 cost = core.transition.entry_cycles(launch, parts);
    if (core.handler_reason) {
        core.vmx->stats.handler_cycles[*core.handler_reason] += core.cycles() - core.handler_since;
        core.vmx->stats.entry_cycles[*core.handler_reason] += cost;
        core.handler_reason.reset();
    }
    core.model.charge(timing::Bucket::vm_entry, cost);
}

void abort(Core& core, u32 indicator) {
    core.abort_indicator = indicator;
    core.end(EndCause::vmx_abort, 4);
}

// What both directions leave behind for the core.
void after_transition(Core& core, bool vpid_enabled) {
    core.mmu.vm_transition(vpid_enabled);
    core.context_changed();
    core.attention = true;
}

void to_host(Core& core, bool flush_vpid0, u32 indicator) {
    core.preemption_deadline = ~u64{0};
    core.mtf_pending = false;
    core.interrupt_shadow = false;
    core.halted = false;
    after_transition(core, !flush_vpid0);
    if (indicator != 0) abort(core, indicator);
}

}  // namespace

vmx::ExitDetails details_of(const Core& core) {
    vmx::ExitDetails details;
    details.qualification = core.fault.qualification;
    details.guest_linear = core.fault.linear;
    details.guest_physical = core.fault.guest_physical;
    details.instruction_information = core.exit_instruction_information;
    return details;
}

void leave_guest(Core& core, vmx::ExitReason reason, const vmx::ExitDetails& details) {
    const bool flush = !core.vmx->intercepts.vpid_enabled;
    account_exit(core, reason, {.msr_entries = exit_msr_entries(core), .tlb_flush = flush});
    core.settle_resume_flag();
    const auto result = core.vmx->exit(reason, details);
    to_host(core, flush, result.abort);
}

void vm_exit(Core& core, u16 reason, u8 length) {
    auto details = details_of(core);
    details.instruction_length = length;
    leave_guest(core, static_cast<vmx::ExitReason>(reason), details);
}

void vm_entry(Core& core, bool launch) {
    if (core.vmx->current() != nullptr) core.guest_shares.enter(core.vmx->vmptrst(), [&] { core.count_instructions(); });
    const auto result = core.vmx->enter(launch);
    switch (result.kind) {
        case vmx::EntryResult::Kind::failed:
            vmx::apply_flags(result.result, core.s);
            return;
        case vmx::EntryResult::Kind::failure_exit:
            account_entry(core, launch, {});
            to_host(core, result.flush_vpid0, result.abort);
            return;
        default: break;
    }
    account_entry(core, launch, {.msr_entries = entry_msr_entries(core), .tlb_flush = result.flush_vpid0, .injection = result.injection.valid});
    const auto& injection = result.injection;
    core.resume_flag_loaded();
    core.preemption_deadline = result.timer_deadline;
    core.mtf_pending = result.pending_mtf;
    core.halted = core.s.activity != arch::Activity::active;
    core.interrupt_shadow = core.s.blocked_by_sti || core.s.blocked_by_mov_ss;
    after_transition(core, !result.flush_vpid0);
    if (!injection.valid) return;

    const auto type = static_cast<Type>(injection.type);
    const bool software = type == Type::software_interrupt || type == Type::privileged_software_exception || type == Type::software_exception;
    // Software events push the RIP behind the instruction they stand for. SDM vol. 3, "Details of Vectored-Event Injection".
    const u64 rip = core.s.rip;
    if (software) core.s.rip = core.code64() ? rip + injection.instruction_length : static_cast<u32>(rip + injection.instruction_length);
    if (type == Type::nmi) {
        if (core.vmx->intercepts.virtual_nmis) core.vmx->virtual_nmi_blocking = true;
        else core.s.blocked_by_nmi = true;
    }
    core.interrupt_shadow = false;
    if (core.vmx->intercepts.monitor_trap_flag) core.mtf_pending = true;
    deliver(core, {.vector = injection.vector, .type = type, .has_error_code = injection.deliver_error_code, .error_code = injection.error_code, .injected = true,
                   .instruction_length = static_cast<u8>(injection.instruction_length), .fault_rip = rip});
}

}  // namespace vtsim::cpu::events
