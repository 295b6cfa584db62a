// SPDX-License-Identifier: Apache-2.0
// CR0, CR2, CR3, CR4 and CR8. SDM vol. 2, "MOV - Move to/from Control Registers", "CLTS", "LMSW", "SMSW"; vol. 3, "Control Registers".
#include "apic/local_apic.h"
#include "cpu/events/events.h"
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/far_rows.h"
#include "cpu/exec/integer_rows.h"
#include "cpu/exec/system_rows.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
namespace cr0 = arch::cr0;
namespace cr4 = arch::cr4;

Event cr_exit(Core& core, vmx::CrAccess access) { return exit_with(core, vmx::ExitReason::cr_access, access.value); }

// ---- what a set of control registers means ------------------------------------------------------------------------------

struct ControlRegisters {
    u64 cr0, cr3, cr4, efer;
    [[nodiscard]] bool pae_paging() const { return (cr0 & cr0::pg) != 0 && (cr4 & cr4::pae) != 0 && (efer & arch::efer::lma) == 0; }
};

// SDM vol. 3, "PDPTE Registers": loads all four or faults; through EPT in VMX non-root operation. Nothing is committed.
Event load_pdptes(Core& core, u64 cr3, std::array<u64, 4>& pdptes) {
    const u64 table = cr3 & 0xffff'ffe0;
    const auto place = core.mmu.translate_guest_physical(GuestPhysicalAddress{table}, arch::Access{}, mmu::PhysicalUse::pdpte_load);
    if (!place) {
        core.fault = core.mmu.details;
        return place.event;
    }
    const u64 reserved = ~low_bits(core.params.mmu.physical_address_bits) | Field<2, 1>::mask | Field<8, 5>::mask;
    for (unsigned i = 0; i < 4; ++i) {
        const u64 entry = core.memory.read<u64>(place.value.physical + i * 8U);
        if ((entry & 1) != 0 && (entry & reserved) != 0) return arch::general_protection();
        pdptes[i] = entry;
    }
    return {};
}

// Makes the checked values current. With PAE paging the PDPTE registers are loaded first when `reload` says so, which may fault.
Event commit(Core& core, const ControlRegisters& value, bool reload) {
    auto pdptes = core.s.pdpte;
    if (reload && value.pae_paging())
        if (const auto event = load_pdptes(core, value.cr3, pdptes)) return event;
    core.mmu.control_registers_changed(core.s.cr0, value.cr0, core.s.cr4, value.cr4);
    core.s.cr0 = value.cr0;
    core.s.cr4 = value.cr4;
    core.s.efer = value.efer;
    core.s.pdpte = pdptes;
    core.context_changed();
    return {};
}

// ---- CR0 ------------------------------------------------------------------------------------------------------------------

bool tss_is_16_bit(const Core& core) {
    const auto& tss = core.s.segment[arch::tr];
    return !tss.unusable() && (tss.type() == 1 || tss.type() == 3);
}

// Turning paging on or off, with IA-32e mode. SDM vol. 3, "Initializing IA-32e Mode".
bool paging_switch_allowed(const Core& core, u64 value) {
    const bool on = (value & cr0::pg) != 0, was_on = (core.s.cr0 & cr0::pg) != 0;
    if (on == was_on) return true;
    if (!on) return !core.code64() && (core.s.cr4 & cr4::pcide) == 0;
    if ((core.s.efer & arch::efer::lme) == 0) return true;
    return (core.s.cr4 & cr4::pae) != 0 && !core.s.segment[arch::cs].long_mode() && !tss_is_16_bit(core);
}

Event write_cr0(Core& core, u64 value) {
    constexpr u64 defined = cr0::pe | cr0::mp | cr0::em | cr0::ts | cr0::et | cr0::ne | cr0::wp | cr0::am | cr0::nw | cr0::cd | cr0::pg;
    if (value >> 32 != 0) return arch::general_protection();
    value = (value & defined) | cr0::et;                       // reserved bits stay clear, ET stays set, whatever is written
    if ((value & cr0::pg) != 0 && (value & cr0::pe) == 0) return arch::general_protection();
    if ((value & cr0::nw) != 0 && (value & cr0::cd) == 0) return arch::general_protection();
    if (!paging_switch_allowed(core, value) || !core.vmx->cr0_allowed(value)) return arch::general_protection();
    u64 efer = core.s.efer & ~arch::efer::lma;
    if ((value & cr0::pg) != 0 && (efer & arch::efer::lme) != 0) efer |= arch::efer::lma;
    const bool reload = ((value ^ core.s.cr0) & (cr0::pg | cr0::cd | cr0::nw)) != 0;
    return commit(core, {value, core.s.cr3, core.s.cr4, efer}, reload);
}

// ---- CR3, CR4, CR8 ----------------------------------------------------------------------------------------------------------

Event write_cr3(Core& core, u64 value) {
    const bool pcid = (core.s.cr4 & cr4::pcide) != 0;
    const bool no_flush = pcid && (value & bit(63)) != 0;
    if (pcid) value &= ~bit(63);
    if (core.s.long_mode_active() && (value & ~low_bits(core.params.mmu.physical_address_bits)) != 0) return arch::general_protection();
    auto pdptes = core.s.pdpte;
    if (ControlRegisters{core.s.cr0, value, core.s.cr4, core.s.efer}.pae_paging())
        if (const auto event = load_pdptes(core, value, pdptes)) return event;
    core.mmu.mov_cr3(value, no_flush);
    core.s.cr3 = value;
    core.s.pdpte = pdptes;
    core.context_changed();
    return {};
}

Event write_cr4(Core& core, u64 value) {
    const u64 old = core.s.cr4, changed = old ^ value;
    if ((value & ~cr4_supported(core.params.features)) != 0) return arch::general_protection();
    if (core.s.long_mode_active() && ((value & cr4::pae) == 0 || (changed & cr4::la57) != 0)) return arch::general_protection();
    if ((changed & value & cr4::pcide) != 0 && (!core.s.long_mode_active() || (core.s.cr3 & 0xfff) != 0)) return arch::general_protection();
    if (!core.vmx->cr4_allowed(value)) return arch::general_protection();
    const bool reload = (changed & (cr4::pae | cr4::pge | cr4::pse | cr4::smep)) != 0;
    return commit(core, {core.s.cr0, core.s.cr3, value, core.s.efer}, reload);
}

Event write_cr8(Core& core, u64 value) {
    if ((value & ~u64{15}) != 0) return arch::general_protection();
    if (core.vmx->non_root() && core.vmx->intercepts.tpr_shadow) {
        if (!core.vmx->write_virtual_tpr(value)) return {};
        // A trap: the instruction has completed. SDM vol. 3, "TPR Virtualization".
        exit_with(core, vmx::ExitReason::tpr_below_threshold);
        events::vm_exit(core, static_cast<u16>(vmx::ExitReason::tpr_below_threshold), 0);
        return {};
    }
    core.s.cr8 = value;
    core.apic->write_cr8(static_cast<u8>(value));
    core.attention = true;                                     // interrupts may be deliverable now
    return {};
}

// ---- MOV --------------------------------------------------------------------------------------------------------------------

// The destination of MOV from CR and the source of MOV to CR have 64 bits in 64-bit mode and 32 in all others.
u64 source_of(const Core& core, u8 number) { return core.code64() ? core.s.gpr[number] : static_cast<u32>(core.s.gpr[number]); }
void set_destination(Core& core, u8 number, u64 value) { core.s.gpr[number] = core.code64() ? value : static_cast<u32>(value); }

Event mov_to_control(Core& core, const MicroOp& op) {
    if (core.s.cpl != 0) return arch::general_protection();
    const u64 source = source_of(core, op.src);
    vmx::CrAccess access{source, false};
    switch (op.dst) {
        case 0: access = core.vmx->mov_to_cr0(source, op.src); break;
        case 3: access = core.vmx->mov_to_cr3(source, op.src); break;
        case 4: access = core.vmx->mov_to_cr4(source, op.src); break;
        case 8: access = core.vmx->mov_to_cr8(source, op.src); break;
        default: break;
    }
    if (access.exits) return cr_exit(core, access);
    switch (op.dst) {
        case 0: return write_cr0(core, access.value);
        case 3: return write_cr3(core, access.value);
        case 4: return write_cr4(core, access.value);
        case 8: return write_cr8(core, access.value);
        default: core.s.cr2 = access.value; return {};
    }
}

Event mov_from_control(Core& core, const MicroOp& op) {
    if (core.s.cpl != 0) return arch::general_protection();
    vmx::CrAccess access;
    switch (op.src) {
        case 0: access.value = core.vmx->read_cr0(); break;
        case 2: access.value = core.s.cr2; break;
        case 3: access = core.vmx->mov_from_cr3(op.dst); break;
        case 4: access.value = core.vmx->read_cr4(); break;
        default:
            core.s.cr8 = core.apic->cr8();                     // the same register as the TPR, which is also written elsewhere
            access = core.vmx->mov_from_cr8(op.dst);
            break;
    }
    if (access.exits) return cr_exit(core, access);
    set_destination(core, op.dst, access.value);
    return {};
}

bool exists(u8 number) { return number == 0 || number == 2 || number == 3 || number == 4 || number == 8; }

// ---- CLTS, LMSW, SMSW ---------------------------------------------------------------------------------------------------------

Event clts(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    const auto access = core.vmx->clts();
    if (access.exits) return cr_exit(core, access);
    return write_cr0(core, access.value);
}

Event lmsw(Core& core, const MicroOp& op) {
    if (core.s.cpl != 0) return arch::general_protection();
    u16 source;
    if (op.memory()) {
        const auto loaded = core.read<u16>(op);
        if (!loaded) return loaded.event;
        source = loaded.value;
    } else {
        source = core.reg<u16>(op.dst);
    }
    const auto access = core.vmx->lmsw(source, op.memory());
    if (access.exits) {
        const Event event = cr_exit(core, access);
        if (op.memory())
            if (const auto address = core.linear(op, 2, false)) core.fault.linear = *address;
        return event;
    }
    return write_cr0(core, access.value);
}

Event smsw(Core& core, const MicroOp& op) {
    if ((core.s.cr4 & cr4::umip) != 0 && core.s.cpl > 0) return arch::general_protection();
    const u64 value = core.vmx->read_cr0();
    if (op.memory()) return core.write<u16>(op, static_cast<u16>(value));
    core.set_reg_sized(op.dst, op.width, value);
    return {};
}

constexpr Row rows[] = {
    row<clts, Flow::ends>(ZYDIS_MNEMONIC_CLTS),
    row<lmsw, Flow::ends>(ZYDIS_MNEMONIC_LMSW),
    row<smsw>(ZYDIS_MNEMONIC_SMSW),
};

}  // namespace

bool build_mov_control(const Decoded& decoded, Built& op) {
    const bool writes = decoded.is_register(0) && ZydisRegisterGetClass(decoded.operand(0).reg.value) != ZYDIS_REGCLASS_GPR64 &&
                        ZydisRegisterGetClass(decoded.operand(0).reg.value) != ZYDIS_REGCLASS_GPR32;
    if (ZydisRegisterGetClass(decoded.operand(writes ? 0 : 1).reg.value) == ZYDIS_REGCLASS_DEBUG) return build_mov_debug(decoded, op);
    if (!exists(writes ? op.dst : op.src)) return build_undefined(op);
    op.flow = Flow::ends;
    constexpr u8 cr8 = 8;
    if (!writes) op.handler = &complex_end<mov_from_control>;
    else op.handler = op.dst == cr8 ? &complex_end<mov_to_control> : &complex_end<serialising<mov_to_control>>;      // MOV CR8 does not serialise
    return true;
}

std::span<const Row> control_register_rows() { return rows; }

}  // namespace vtsim::cpu::exec
