// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmx.h"

#include "cpu/decode/opcode_table.h"
#include "cpu/events/events.h"
#include "cpu/exec/exit_operands.h"

// The VMX instructions. What they mean is in src/vmx; here are their operands. SDM vol. 3, "VMX Instruction Reference".
namespace vtsim::cpu::exec::body {
namespace {

using arch::Event;
using vmx::Instruction;

// #UD, #GP(0), or the VM exit with everything that the host learns about the instruction.
Event vet(Core& core, const MicroOp& op, Instruction instruction, u8 reg1 = 0, u8 reg2 = 0) {
    const Event event = core.vmx->vet(instruction);
    if (event.kind != arch::EventKind::vm_exit) return event;
    return exit_with_operands(core, op, static_cast<vmx::ExitReason>(event.number), operand_info(op, reg1, reg2));
}

Event finish(Core& core, vmx::VmxResult result) {
    vmx::apply_flags(result, core.s);
    return {};
}

u64 operand_register(const Core& core, u8 number) { return core.code64() ? core.s.gpr[number] : static_cast<u32>(core.s.gpr[number]); }

template <Instruction instruction, auto method>
Event with_pointer(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, instruction)) return event;
    const auto pointer = core.read<u64>(op);
    if (!pointer) return pointer.event;
    return finish(core, (*core.vmx.*method)(*pointer));
}

template <Instruction instruction, auto method>
Event without_operand(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, instruction)) return event;
    return finish(core, (*core.vmx.*method)());
}

Event vmxoff(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::vmxoff)) return event;
    const auto result = core.vmx->vmxoff();
    if (result.ok()) {
        core.guest_shares.leave([&] { core.count_instructions(); });
        core.attention = true;                               // an INIT may have waited for the end of VMX operation
    }
    return finish(core, result);
}

Event vmptrst(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::vmptrst)) return event;
    if (const auto event = core.write<u64>(op, core.vmx->vmptrst())) return event;
    return finish(core, {});
}

// VMREAD r/m, r: the second operand is the field.
Event vmread(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::vmread, op.memory() ? u8{0} : op.dst, op.src)) return event;
    const auto read = core.vmx->vmread(operand_register(core, op.src));
    if (read.result.ok()) {
        if (!op.memory()) {
            core.s.gpr[op.dst] = core.code64() ? read.value : static_cast<u32>(read.value);
        } else if (const auto event = core.code64() ? core.write<u64>(op, read.value) : core.write<u32>(op, static_cast<u32>(read.value))) {
            return event;
        }
    }
    return finish(core, read.result);
}

arch::Outcome<u64> vmwrite_source(Core& core, const MicroOp& op) {
    if (!op.memory()) return operand_register(core, op.src);
    if (core.code64()) return core.read<u64>(op);
    const auto value = core.read<u32>(op);
    if (!value) return value.event;
    return u64{*value};
}

// VMWRITE r, r/m: the first operand is the field.
Event vmwrite(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::vmwrite, op.memory() ? u8{0} : op.src, op.dst)) return event;
    const auto value = vmwrite_source(core, op);
    if (!value) return value.event;
    return finish(core, core.vmx->vmwrite(operand_register(core, op.dst), *value));
}

struct Descriptor {
    u64 low = 0, high = 0;
    Event event;
};

// The 128-bit descriptor of INVEPT and INVVPID. It may cross a page, so it is read as a whole.
Descriptor read_descriptor(Core& core, const MicroOp& op) {
    const auto address = core.linear(op, 16, false);
    if (!address) return {.event = address.event};
    u64 words[2] = {};
    if (const auto event = core.read_bytes(*address, words, sizeof words, core.access(arch::AccessKind::load))) return {.event = event};
    return {words[0], words[1], {}};
}

Event invept(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::invept, 0, op.dst)) return event;
    const auto descriptor = read_descriptor(core, op);
    if (descriptor.event) return descriptor.event;
    const auto what = core.vmx->invept(operand_register(core, op.dst), descriptor.low);
    if (what.result.ok()) {
        core.mmu.invept(what.type, what.eptp);
        core.privilege_changed();          // the tags of the translation caches may be others now
    }
    return finish(core, what.result);
}

Event invvpid(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, Instruction::invvpid, 0, op.dst)) return event;
    const auto descriptor = read_descriptor(core, op);
    if (descriptor.event) return descriptor.event;
    const auto what = core.vmx->invvpid(operand_register(core, op.dst), descriptor.low, descriptor.high);
    if (what.result.ok()) {
        core.mmu.invvpid(what.type, what.vpid, what.linear);
        core.privilege_changed();
    }
    return finish(core, what.result);
}

template <bool launch>
Event enter_guest(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, launch ? Instruction::vmlaunch : Instruction::vmresume)) return event;
    events::vm_entry(core, launch);
    return {};
}

// Without the control "enable VM functions", which this processor does not have (vmx/tables/controls.def).
Event vmfunc(Core&, const MicroOp&) { return arch::undefined_opcode; }

constexpr Row rows[] = {
    row<&vmfunc, Flow::ends>(ZYDIS_MNEMONIC_VMFUNC),
    row<&with_pointer<Instruction::vmxon, &vmx::Vmx::vmxon>, Flow::ends>(ZYDIS_MNEMONIC_VMXON),
    row<&vmxoff, Flow::ends>(ZYDIS_MNEMONIC_VMXOFF),
    row<&without_operand<Instruction::vmcall, &vmx::Vmx::vmcall>, Flow::ends>(ZYDIS_MNEMONIC_VMCALL),
    row<&with_pointer<Instruction::vmclear, &vmx::Vmx::vmclear>>(ZYDIS_MNEMONIC_VMCLEAR),
    row<&with_pointer<Instruction::vmptrld, &vmx::Vmx::vmptrld>>(ZYDIS_MNEMONIC_VMPTRLD),
    row<&vmptrst>(ZYDIS_MNEMONIC_VMPTRST),
    row<&vmread>(ZYDIS_MNEMONIC_VMREAD),
    row<&vmwrite>(ZYDIS_MNEMONIC_VMWRITE),
    row<serialising<&invept>, Flow::ends>(ZYDIS_MNEMONIC_INVEPT),
    row<serialising<&invvpid>, Flow::ends>(ZYDIS_MNEMONIC_INVVPID),
    row<&enter_guest<true>, Flow::ends>(ZYDIS_MNEMONIC_VMLAUNCH),
    row<&enter_guest<false>, Flow::ends>(ZYDIS_MNEMONIC_VMRESUME),
};

}  // namespace
}  // namespace vtsim::cpu::exec::body

namespace vtsim::cpu::exec {

std::span<const Row> vmx_rows() { return body::rows; }

}  // namespace vtsim::cpu::exec
