// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmx_params.h"

#include <string>

#include "base/error.h"

namespace vtsim::vmx {

namespace {

struct Dependency {
    const char* name;
    bool VmxParams::*feature;
    const char* needed_name;
    bool VmxParams::*needed;
};

// A control that exists although no entry could ever set it would make the capability MSRs lie.
constexpr Dependency dependencies[] = {
    {"ept", &VmxParams::ept, "secondary_controls", &VmxParams::secondary_controls},
    {"vpid", &VmxParams::vpid, "secondary_controls", &VmxParams::secondary_controls},
    {"unrestricted_guest", &VmxParams::unrestricted_guest, "ept", &VmxParams::ept},
    {"pml", &VmxParams::pml, "ept_accessed_dirty", &VmxParams::ept_accessed_dirty},
    {"ept_accessed_dirty", &VmxParams::ept_accessed_dirty, "ept", &VmxParams::ept},
    {"vm_functions", &VmxParams::vm_functions, "ept", &VmxParams::ept},
    {"ept_violation_ve", &VmxParams::ept_violation_ve, "ept", &VmxParams::ept},
    {"mode_based_execute", &VmxParams::mode_based_execute, "ept", &VmxParams::ept},
    {"virtualize_x2apic", &VmxParams::virtualize_x2apic, "tpr_shadow", &VmxParams::tpr_shadow},
    {"apic_register_virtualization", &VmxParams::apic_register_virtualization, "tpr_shadow", &VmxParams::tpr_shadow},
    {"virtual_interrupt_delivery", &VmxParams::virtual_interrupt_delivery, "tpr_shadow", &VmxParams::tpr_shadow},
    {"posted_interrupts", &VmxParams::posted_interrupts, "virtual_interrupt_delivery", &VmxParams::virtual_interrupt_delivery},
};

void check_range(const char* key, u64 value, u64 low, u64 high) {
    if (value < low || value > high) throw ConfigError(key, std::to_string(value), std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace

void VmxParams::validate() const {
    for (const auto& row : dependencies) {
        if (this->*row.feature && !(this->*row.needed)) throw ConfigError(std::string("vmx.") + row.name, "true", std::string("false, as ") + row.needed_name + " is false");
    }
    check_range("vmx.revision", revision, 0, 0x7fff'ffff);
    check_range("vmx.preemption_timer_shift", preemption_timer_shift, 0, 31);
    check_range("vmx.cr3_targets", cr3_targets, 0, 4);
    check_range("vmx.active_vmcs", active_vmcs, 1, 64);
}

}  // namespace vtsim::vmx
