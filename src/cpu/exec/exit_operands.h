// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/event.h"
#include "cpu/core.h"
#include "cpu/micro_op.h"
#include "vmx/exit/exit_details.h"

// What an instruction tells about its operands when it exits.
namespace vtsim::cpu::exec {

// Memory operand, address size and registers of the micro-op. `reg1` and `reg2` are the register operands where the format has them.
[[nodiscard]] inline vmx::OperandInfo operand_info(const MicroOp& op, u8 reg1 = 0, u8 reg2 = 0) {
    const auto is_register = [](u8 number) { return number < arch::gpr_count; };
    vmx::OperandInfo info;
    info.address_size = static_cast<u8>(op.address_size());
    info.is_register = !op.memory();
    info.reg1 = reg1;
    info.reg2 = reg2;
    info.operand_size = static_cast<u8>(op.width == 0 ? 0 : op.width - 1);
    if (!op.memory()) return info;
    info.scaling = static_cast<u8>(op.scale());
    info.segment = op.segment();
    info.base_valid = is_register(op.base);
    info.base = info.base_valid ? op.base : u8{0};
    info.index_valid = is_register(op.index);
    info.index = info.index_valid ? op.index : u8{0};
    return info;
}

// Exit qualification of instructions with a memory operand: the displacement, for RIP-relative operands what it leads to. SDM vol. 3, "Basic VM-Exit Information".
[[nodiscard]] inline u64 displacement_qualification(const Core& core, const MicroOp& op) {
    if (!op.memory()) return 0;
    const u64 displacement = static_cast<u64>(i64{op.disp});
    return op.base == arch::State::code_page_register ? core.truncate_rip(core.s.gpr[arch::State::code_page_register] + displacement) : displacement;
}

// A VM exit of an instruction with a qualification of its own and no instruction information.
inline arch::Event exit_with(Core& core, vmx::ExitReason reason, u64 qualification = 0, u32 information = 0) {
    core.fault.qualification = qualification;
    core.fault.linear = core.fault.guest_physical = 0;
    core.exit_instruction_information = information;
    return {arch::EventKind::vm_exit, static_cast<u16>(reason), 0};
}

// A VM exit of an instruction with a memory operand: displacement and instruction information in the format of the exit-reason table.
inline arch::Event exit_with_operands(Core& core, const MicroOp& op, vmx::ExitReason reason, const vmx::OperandInfo& info) {
    const auto format = vmx::exit_reasons[vmx::exit_reason_index(static_cast<u16>(reason))].format;
    return exit_with(core, reason, displacement_qualification(core, op), vmx::instruction_information(format, info));
}

}  // namespace vtsim::cpu::exec
