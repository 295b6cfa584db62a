// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "vmx/entry/entry_check.h"
#include "vmx/vmx.h"

// VMLAUNCH and VMRESUME behind vet(). SDM vol. 3, "VM Entries".
namespace vtsim::vmx {

namespace {

struct Phase {
    const CheckTable& table;
    InstructionError error;        // of VMfailValid; the guest's phases end in a VM-entry failure instead
    bool guest;
};

constexpr Phase phases[] = {
    {execution_control_checks, InstructionError::invalid_control_fields, false},
    {exit_control_checks, InstructionError::invalid_control_fields, false},
    {injection_checks, InstructionError::invalid_control_fields, false},
    {entry_control_checks, InstructionError::invalid_control_fields, false},
    {host_checks, InstructionError::invalid_host_state, false},
    {guest_register_checks, InstructionError::invalid_control_fields, true},
    {guest_segment_checks, InstructionError::invalid_control_fields, true},
    {guest_rip_checks, InstructionError::invalid_control_fields, true},
    {guest_state_checks, InstructionError::invalid_control_fields, true},
    {guest_pdpte_checks, InstructionError::invalid_control_fields, true},
};

const EntryCheck* first_failure(const CheckInputs& inputs, group::Mask due, const Phase*& where) {
    for (const auto& phase : phases) {
        if (const auto* row = phase.table.first_failure(inputs, due)) {
            where = &phase;
            return row;
        }
    }
    return nullptr;
}

// A clean group hid a rule that is broken: the model let something into the guest area that the processor could not have.
[[noreturn]] void report_skipped(const EntryCheck* full, const EntryCheck* due, const std::string& state) {
    fmt::print(stderr, "vtsim: VM-entry check '{}' is broken but was not due (due rows gave '{}')\n{}", full != nullptr ? full->id : "none", due != nullptr ? due->id : "none", state);
    std::abort();
}

}  // namespace

// SDM vol. 3, "Basic VM-Entry Checks"; what comes before them is vet().
std::optional<VmxResult> Vmx::basic_checks(bool launch) {
    constexpr VmxResult invalid{VmxResult::Kind::fail_invalid, 0};
    if (current_ == nullptr || current_->shadow) return invalid;
    if (state_.blocked_by_mov_ss) return fail(InstructionError::blocked_by_mov_ss);
    if (launch && current_->launch_state != LaunchState::clear) return fail(InstructionError::vmlaunch_non_clear);
    if (!launch && current_->launch_state != LaunchState::launched) return fail(InstructionError::vmresume_non_launched);
    return {};
}

EntryResult Vmx::enter(bool launch) {
    last_failed_check_ = last_failed_text_ = {};
    if (const auto failed = basic_checks(launch)) return entry_fails(*failed);

    const group::Mask due = current_->due_now(state_.long_mode_active());
    const CheckInputs inputs{*current_, capabilities, state_, memory_};
    const Phase* phase = nullptr;
    const auto* row = first_failure(inputs, due, phase);
    if (capabilities.params.check_everything) {
        const Phase* full_phase = nullptr;
        if (const auto* full = first_failure(inputs, group::all, full_phase); full != row) report_skipped(full, row, describe());
    }
    if (row != nullptr) {
        last_failed_check_ = row->id;
        last_failed_text_ = row->text;
        return phase->guest ? entry_failure_exit(ExitReason::entry_failure_guest_state, row->qualification) : entry_fails(fail(phase->error));
    }
    if ((current_->due & (group::controls | group::intercepts)) != 0) current_->compiled = compile_intercepts(current_->data);
    current_->due = group::none;
    current_->checked_in_long_mode = state_.long_mode_active();

    EntryResult result{.kind = EntryResult::Kind::entered, .result = {}, .injection = {}};
    load_guest_registers();
    if (const u64 entry = load_msrs(current_->data.entry_msr_load_address, current_->data.entry_msr_load_count)) return entry_failure_exit(ExitReason::entry_failure_msr_loading, entry);
    intercepts = current_->compiled;
    load_guest_events(result);
    if (launch) current_->launch_state = LaunchState::launched;
    result.flush_vpid0 = !intercepts.vpid_enabled;
    ++stats.entries;
    return result;
}

EntryResult Vmx::entry_fails(VmxResult result) {
    ++stats.entry_fails;
    return {.kind = EntryResult::Kind::failed, .result = result, .injection = {}};
}

// SDM vol. 3, "VM-Entry Failures During or After Loading Guest State": the host's state is loaded as by a VM exit, but nothing of the guest is saved and
// only reason and qualification are recorded.
EntryResult Vmx::entry_failure_exit(ExitReason reason, u64 qualification) {
    ++stats.entry_failures;
    constexpr u32 failure_bit = 1U << 31;
    current_->data.exit_reason = failure_bit | static_cast<u32>(reason);
    current_->data.exit_qualification = qualification;
    last_exit_reason_ = reason;
    const auto exit_result = load_host_state();
    return {.kind = EntryResult::Kind::failure_exit, .result = {}, .injection = {}, .flush_vpid0 = exit_result.flush_vpid0, .abort = exit_result.abort};
}

}  // namespace vtsim::vmx
