// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmx.h"

#include <fmt/format.h>

namespace vtsim::vmx {

Vmx::Vmx(const VmxParams& params, const ProcessorLimits& limits, arch::State& state, PhysicalMemory& memory, Environment& environment, stats::Group& parent)
    : capabilities(params, limits), stats(parent, "vmx"), state_(state), memory_(memory), environment_(environment), cache_(memory, params.active_vmcs) {}

void Vmx::reset() {
    cache_.forget_all();
    current_ = nullptr;
    vmxon_pointer_ = Vmcs::no_address;
    intercepts = {};
    virtual_nmi_blocking = false;
    timer_deadline_ = EntryResult::no_deadline;
    last_failed_check_ = last_failed_text_ = {};
}

std::string Vmx::describe() const {
    if (current_ == nullptr) return {};
    auto text = fmt::format("VMCS at {:#x}, {}, {}\n", current_->address, current_->launch_state == LaunchState::clear ? "clear" : "launched", non_root() ? "guest running" : "host running");
    if (!last_failed_check_.empty()) text += fmt::format("last VM entry failed {}: expected that {}\n", last_failed_check_, last_failed_text_);
    for (unsigned row = 0; row < vmcs_fields.size(); ++row)
        if (capabilities.has_field(row)) text += fmt::format("  {:04x} {:<48} {:016x}\n", vmcs_fields[row].encoding, vmcs_fields[row].name, current_->data.at(row));
    return text;
}

}  // namespace vtsim::vmx
