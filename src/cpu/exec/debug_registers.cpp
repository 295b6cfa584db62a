// SPDX-License-Identifier: Apache-2.0
// MOV with DR0 to DR7. SDM vol. 2, "MOV - Move to/from Debug Registers"; vol. 3, "Debug Registers".
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/system_rows.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

constexpr u64 general_detect = bit(13);                     // DR7.GD; DR6.BD stands at the same place

// What comes before the access: VM exit, then #UD, #GP and #DB, in this order. SDM vol. 3, "Instructions That Cause VM Exits Conditionally": the exit has
// priority even over the privilege level. `number` becomes that of the register which DR4 and DR5 stand for.
Event vet(Core& core, u8& number, bool reads, u8 gpr) {
    if (core.vmx->intercepts.mov_dr) return exit_with(core, vmx::ExitReason::mov_dr, vmx::mov_dr_qualification(number, reads, gpr));
    if (number == 4 || number == 5) {
        if ((core.s.cr4 & arch::cr4::de) != 0) return arch::undefined_opcode;
        number = static_cast<u8>(number + 2);
    }
    if (core.s.cpl != 0) return arch::general_protection();
    if ((core.s.dr[7] & general_detect) != 0) {
        core.fault.qualification = general_detect;
        return arch::exception(arch::Vector::db);
    }
    return {};
}

Event mov_to_debug(Core& core, const MicroOp& op) {
    u8 number = op.dst;
    if (const auto event = vet(core, number, false, op.src)) return event;
    const u64 value = core.code64() ? core.s.gpr[op.src] : static_cast<u32>(core.s.gpr[op.src]);
    if (number >= 6 && value >> 32 != 0) return arch::general_protection();
    switch (number) {
        case 6: core.s.dr[6] = (value & 0xe00f) | 0xffff'0ff0; break;
        case 7: core.s.dr[7] = (value & 0xffff'23ff) | 0x400; break;
        default: core.s.dr[number] = value; break;
    }
    core.breakpoints_changed();
    return {};
}

Event mov_from_debug(Core& core, const MicroOp& op) {
    u8 number = op.src;
    if (const auto event = vet(core, number, true, op.dst)) return event;
    core.s.gpr[op.dst] = core.code64() ? core.s.dr[number] : static_cast<u32>(core.s.dr[number]);
    return {};
}

}  // namespace

bool build_mov_debug(const Decoded& decoded, Built& op) {
    const bool writes = ZydisRegisterGetClass(decoded.operand(0).reg.value) == ZYDIS_REGCLASS_DEBUG;
    op.flow = Flow::ends;
    op.handler = writes ? &complex_end<serialising<mov_to_debug>> : &complex_end<mov_from_debug>;
    return true;
}

}  // namespace vtsim::cpu::exec
