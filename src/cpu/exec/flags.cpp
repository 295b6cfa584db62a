// SPDX-License-Identifier: Apache-2.0
// Instructions on RFLAGS that privilege governs. SDM vol. 2, "PUSHF/PUSHFD/PUSHFQ", "POPF/POPFD/POPFQ", "CLI", "STI", "CLAC", "STAC"; vol. 3, "Protected-Mode
// Virtual Interrupts" and "Class 2 - Maskable Hardware Interrupt Handling in Virtual-8086 Mode Using the Virtual Interrupt Mechanism".
#include "cpu/exec/build.h"
#include "cpu/exec/system_rows.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
namespace flag = arch::rflags;

unsigned iopl(const Core& core) { return static_cast<unsigned>((core.s.rflags & flag::iopl) >> 12); }

// ---- PUSHF, POPF --------------------------------------------------------------------------------------------------------

// Virtual-8086 mode with IOPL below 3 has only the 16-bit forms, and those only with CR4.VME: VIF stands in for IF.
bool virtual_interrupt_form(const Core& core, std::size_t size) { return size == 2 && (core.s.cr4 & arch::cr4::vme) != 0; }

template <class T>
Event pushf(Core& core, const MicroOp&) {
    u64 flags = core.s.read_rflags() & ~(flag::vm | flag::rf);
    if (core.s.virtual8086() && iopl(core) < 3) {
        if (!virtual_interrupt_form(core, sizeof(T))) return arch::general_protection();
        flags = (flags & ~flag::if_) | flag::iopl | ((flags & flag::vif) != 0 ? flag::if_ : 0);
    }
    return core.push<T>(static_cast<T>(flags));
}

constexpr u64 always_loaded = flag::cf | flag::pf | flag::af | flag::zf | flag::sf | flag::tf | flag::df | flag::of | flag::nt | flag::ac | flag::id;

template <class T>
Event popf_virtual(Core& core, u64 popped, u64 old) {
    if (!virtual_interrupt_form(core, sizeof(T))) return arch::general_protection();
    if (((popped & flag::if_) != 0 && (old & flag::vip) != 0) || (popped & flag::tf) != 0) return arch::general_protection();
    constexpr u64 mask = always_loaded & 0xffff;
    const u64 vif = (popped & flag::if_) != 0 ? flag::vif : 0;
    core.s.write_rflags((old & ~(mask | flag::vif)) | (popped & mask) | vif);
    return {};
}

template <class T>
Event load_flags(Core& core, u64 popped) {
    const u64 old = core.s.read_rflags();
    if (core.s.virtual8086() && iopl(core) < 3) return popf_virtual<T>(core, popped, old);
    u64 mask = always_loaded;
    if (core.s.cpl <= iopl(core)) mask |= flag::if_;
    if (core.s.cpl == 0) mask |= flag::iopl;
    if constexpr (sizeof(T) == 2) mask &= 0xffff;
    core.s.write_rflags((old & ~mask & ~flag::rf) | (popped & mask));
    return {};
}

template <class T>
Event popf(Core& core, const MicroOp&) {
    const u64 rsp = core.s.gpr[arch::rsp];
    if (core.s.virtual8086() && iopl(core) < 3 && !virtual_interrupt_form(core, sizeof(T))) return arch::general_protection();
    const auto popped = core.pop<T>();
    if (!popped) return popped.event;
    if (const auto event = load_flags<T>(core, *popped)) {
        core.s.gpr[arch::rsp] = rsp;
        return event;
    }
    core.privilege_changed();                                // TF, IF and AC
    return {};
}

// ---- CLI, STI -------------------------------------------------------------------------------------------------------------

// SDM vol. 2, "Decision Table for CLI Results".
enum class InterruptFlag : u8 { physical, virtualized, fault };

InterruptFlag interrupt_flag(const Core& core) {
    if (!core.s.protected_mode() || iopl(core) >= core.s.cpl) return InterruptFlag::physical;      // CPL is 3 in virtual-8086 mode
    const u64 extension = core.s.virtual8086() ? arch::cr4::vme : arch::cr4::pvi;
    return core.s.cpl == 3 && (core.s.cr4 & extension) != 0 ? InterruptFlag::virtualized : InterruptFlag::fault;
}

Event cli(Core& core, const MicroOp&) {
    switch (interrupt_flag(core)) {
        case InterruptFlag::physical: core.s.rflags &= ~flag::if_; return {};
        case InterruptFlag::virtualized: core.s.rflags &= ~flag::vif; return {};
        default: return arch::general_protection();
    }
}

Event sti(Core& core, const MicroOp&) {
    switch (interrupt_flag(core)) {
        case InterruptFlag::physical:
            if ((core.s.rflags & flag::if_) != 0) return {};
            core.s.rflags |= flag::if_;
            core.s.blocked_by_sti = true;
            core.inhibit_interrupts_once();
            return {};
        case InterruptFlag::virtualized:
            if ((core.s.rflags & flag::vip) != 0) return arch::general_protection();
            core.s.rflags |= flag::vif;
            return {};
        default: return arch::general_protection();
    }
}

// ---- CLAC, STAC -------------------------------------------------------------------------------------------------------------

template <bool set>
Event alignment_check(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::undefined_opcode;
    if constexpr (set) core.s.rflags |= flag::ac;
    else core.s.rflags &= ~flag::ac;
    core.privilege_changed();
    return {};
}

constexpr Row rows[] = {
    row<pushf<u16>>(ZYDIS_MNEMONIC_PUSHF),
    row<pushf<u32>>(ZYDIS_MNEMONIC_PUSHFD),
    row<pushf<u64>>(ZYDIS_MNEMONIC_PUSHFQ),
    row<popf<u16>, Flow::ends>(ZYDIS_MNEMONIC_POPF),
    row<popf<u32>, Flow::ends>(ZYDIS_MNEMONIC_POPFD),
    row<popf<u64>, Flow::ends>(ZYDIS_MNEMONIC_POPFQ),
    row<cli>(ZYDIS_MNEMONIC_CLI),
    row<sti, Flow::ends>(ZYDIS_MNEMONIC_STI),
    row<alignment_check<false>>(ZYDIS_MNEMONIC_CLAC),
    row<alignment_check<true>>(ZYDIS_MNEMONIC_STAC),
};

}  // namespace

std::span<const Row> flag_rows() { return rows; }

}  // namespace vtsim::cpu::exec
