// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "vmx/vmx.h"

// What comes before the operands of a VMX instruction. SDM vol. 3, "VMX Instruction Reference", the "Operation" of each.
namespace vtsim::vmx {

namespace {

constexpr std::array exit_of{
    ExitReason::vmxon, ExitReason::vmxoff, ExitReason::vmclear, ExitReason::vmptrld, ExitReason::vmptrst, ExitReason::vmread,
    ExitReason::vmwrite, ExitReason::vmlaunch, ExitReason::vmresume, ExitReason::vmcall, ExitReason::invept, ExitReason::invvpid,
};

constexpr u64 feature_control_lock = bit(0);
constexpr u64 feature_control_outside_smx = bit(2);

bool in_compatible_mode(const arch::State& state) {
    return state.protected_mode() && !state.virtual8086() && !(state.long_mode_active() && !state.segment[arch::cs].long_mode());
}

}  // namespace

arch::Event Vmx::vet(Instruction instruction) const {
    const arch::Event exit_event{arch::EventKind::vm_exit, static_cast<u16>(exit_of[static_cast<unsigned>(instruction)]), 0};
    if (instruction == Instruction::vmcall && non_root()) return exit_event;      // in every mode
    if (!in_compatible_mode(state_)) return arch::undefined_opcode;
    if (instruction == Instruction::vmxon ? (state_.cr4 & arch::cr4::vmxe) == 0 : !in_vmx_operation()) return arch::undefined_opcode;
    if (instruction == Instruction::invept && !capabilities.params.ept) return arch::undefined_opcode;
    if (instruction == Instruction::invvpid && !capabilities.params.vpid) return arch::undefined_opcode;
    if (non_root()) return exit_event;
    if (state_.cpl != 0) return arch::general_protection();
    if (instruction == Instruction::vmxon && !in_vmx_operation()) {
        constexpr u64 needed = feature_control_lock | feature_control_outside_smx;
        if (!capabilities.cr0_allowed(state_.cr0) || !capabilities.cr4_allowed(state_.cr4) || (state_.feature_control & needed) != needed) return arch::general_protection();
    }
    return {};
}

}  // namespace vtsim::vmx
