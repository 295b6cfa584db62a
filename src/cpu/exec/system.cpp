// SPDX-License-Identifier: Apache-2.0
// Waiting, invalidation, ordering, and opcodes that are always undefined. SDM vol. 2, the instruction of each name.
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/integer_rows.h"
#include "cpu/exec/system_rows.h"
#include "cpu/cpuid.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

Event nothing(Core&, const MicroOp&) { return {}; }
Event undefined(Core&, const MicroOp&) { return arch::undefined_opcode; }

// ---- waiting --------------------------------------------------------------------------------------------------------------

// A processor that sleeps must be in step with everything that may wake it.
Event hlt(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.hlt) return exit_with(core, vmx::ExitReason::hlt);
    if (!core.in_step()) return Core::resync_event;
    core.s.activity = arch::Activity::hlt;
    core.halted = core.attention = true;
    return {};
}

Event pause(Core& core, const MicroOp&) {
    if (core.vmx->intercepts.pause) return exit_with(core, vmx::ExitReason::pause);
    return {};
}

bool has_monitor(const Core& core) { return core.s.cpl == 0 && (core.s.misc_enable & misc_enable::monitor) != 0; }

// The address range is checked but never armed: any event may end monitoring, and MWAIT may return for any reason (SDM vol. 2, "MWAIT - Monitor Wait"), so
// it returns at once. CPUID reports no C-states, so that operating systems idle with HLT.
Event monitor(Core& core, const MicroOp& op) {
    if (!has_monitor(core)) return arch::undefined_opcode;
    if (core.vmx->intercepts.monitor) return exit_with(core, vmx::ExitReason::monitor);
    if (static_cast<u32>(core.s.gpr[arch::rcx]) != 0) return arch::general_protection();
    const u64 mask = op.address_size() == AddressSize::a64 ? ~u64{0} : op.address_size() == AddressSize::a32 ? 0xffff'ffff : 0xffff;
    const auto address = core.linear(op.segment(), core.s.gpr[arch::rax] & mask, 1, false);
    if (!address) return address.event;
    const auto place = core.mmu.translate(*address, core.access(arch::AccessKind::load));
    if (!place) core.fault = core.mmu.details;
    return place.event;
}

Event mwait(Core& core, const MicroOp&) {
    if (!has_monitor(core)) return arch::undefined_opcode;
    if (core.vmx->intercepts.mwait) return exit_with(core, vmx::ExitReason::mwait);
    constexpr u64 break_on_masked_interrupt = 1;
    if ((static_cast<u32>(core.s.gpr[arch::rcx]) & ~break_on_masked_interrupt) != 0) return arch::general_protection();
    return {};
}

// ---- translations -----------------------------------------------------------------------------------------------------------

Event invlpg(Core& core, const MicroOp& op) {
    if (core.s.cpl != 0) return arch::general_protection();
    const auto segment = op.segment();
    const bool based = !core.code64() || segment == arch::fs || segment == arch::gs;
    u64 linear = core.effective_address(op) + (based ? core.s.segment[segment].base : 0);
    if (!core.code64()) linear = static_cast<u32>(linear);
    if (core.vmx->intercepts.invlpg) return exit_with(core, vmx::ExitReason::invlpg, linear);
    if (!core.canonical(linear)) return {};
    core.mmu.invlpg(linear);
    core.context_changed();
    return {};
}

// #GP(0) for what INVPCID does not accept; `pcid` and `linear` are its descriptor.
bool invpcid_operands_valid(const Core& core, u64 type, u64 pcid, u64 linear) {
    if (type > 3 || pcid >> 12 != 0) return false;
    if (type <= 1 && pcid != 0 && (core.s.cr4 & arch::cr4::pcide) == 0) return false;
    return type != 0 || core.canonical_base(linear);
}

Event invpcid(Core& core, const MicroOp& op) {
    if (core.vmx->non_root() && !core.vmx->intercepts.invpcid_enabled) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.invlpg) return exit_with_operands(core, op, vmx::ExitReason::invpcid, operand_info(op, 0, op.dst));
    const auto address = core.linear(op, 16, false);
    if (!address) return address.event;
    u64 descriptor[2] = {};
    if (const auto event = core.read_bytes(*address, descriptor, sizeof descriptor, core.access(arch::AccessKind::load))) return event;
    const u64 type = core.code64() ? core.s.gpr[op.dst] : static_cast<u32>(core.s.gpr[op.dst]);
    if (!invpcid_operands_valid(core, type, descriptor[0], descriptor[1])) return arch::general_protection();
    core.mmu.invpcid(static_cast<unsigned>(type), static_cast<u16>(descriptor[0]), descriptor[1]);
    core.context_changed();
    return {};
}

// ---- caches -----------------------------------------------------------------------------------------------------------------

// Data is always in memory; only the modelled tags are emptied, and only where they are kept up.
void flush_caches(Core& core) {
    if (core.mode() != Mode::functional) core.port.hierarchy().flush_all();
}

Event wbinvd(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.wbinvd) return exit_with(core, vmx::ExitReason::wbinvd);
    flush_caches(core);
    return {};
}

Event invd(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->non_root()) return exit_with(core, vmx::ExitReason::invd);
    flush_caches(core);
    return {};
}

// Faults as a load of one byte does.
Event clflush(Core& core, const MicroOp& op) {
    const auto address = core.linear(op, 1, false);
    if (!address) return address.event;
    const auto place = core.mmu.translate(*address, core.access(arch::AccessKind::load));
    if (!place) {
        core.fault = core.mmu.details;
        return place.event;
    }
    if (core.mode() != Mode::functional) core.port.hierarchy().flush(place.value.physical);
    return {};
}

// F3 90 with REX.B is XCHG R8, rAX, as 90 with REX.B is.
bool build_pause(const Decoded& decoded, Built& op) {
    if (decoded.instruction.raw.rex.B == 0) return build_body<pause, Flow::next>(decoded, op);
    op.dst = arch::rax;
    op.src = arch::r8;
    return build_xchg(decoded, op);
}

// ---- rows -------------------------------------------------------------------------------------------------------------------

// RSM outside system-management mode and GETSEC without CR4.SMXE are undefined, also in VMX non-root operation.
constexpr Row rows[] = {
    row<hlt, Flow::ends>(ZYDIS_MNEMONIC_HLT),
    {ZYDIS_MNEMONIC_PAUSE, &build_pause},
    row<monitor>(ZYDIS_MNEMONIC_MONITOR),
    row<mwait>(ZYDIS_MNEMONIC_MWAIT),
    row<serialising<invlpg>, Flow::ends>(ZYDIS_MNEMONIC_INVLPG),
    row<serialising<invpcid>, Flow::ends>(ZYDIS_MNEMONIC_INVPCID),
    row<serialising<wbinvd>, Flow::ends>(ZYDIS_MNEMONIC_WBINVD),
    row<serialising<invd>, Flow::ends>(ZYDIS_MNEMONIC_INVD),
    row<clflush>(ZYDIS_MNEMONIC_CLFLUSH),
    row<clflush>(ZYDIS_MNEMONIC_CLFLUSHOPT),
    row<clflush>(ZYDIS_MNEMONIC_CLWB),               // may keep the line; Skylake-SP, the first to have it, does not
    row<serialising<nothing>, Flow::ends>(ZYDIS_MNEMONIC_SERIALIZE),
    row<serialising<nothing>, Flow::ends>(ZYDIS_MNEMONIC_LFENCE),
    row<nothing>(ZYDIS_MNEMONIC_SFENCE),
    row<nothing>(ZYDIS_MNEMONIC_MFENCE),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCH),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHW),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHWT1),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHNTA),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHT0),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHT1),
    row<nothing>(ZYDIS_MNEMONIC_PREFETCHT2),
    row<undefined, Flow::ends>(ZYDIS_MNEMONIC_UD0),
    row<undefined, Flow::ends>(ZYDIS_MNEMONIC_UD1),
    row<undefined, Flow::ends>(ZYDIS_MNEMONIC_UD2),
    row<undefined, Flow::ends>(ZYDIS_MNEMONIC_RSM),
    row<undefined, Flow::ends>(ZYDIS_MNEMONIC_GETSEC),
};

}  // namespace

std::span<const Row> system_rows() { return rows; }

}  // namespace vtsim::cpu::exec
