// SPDX-License-Identifier: Apache-2.0
// INT n, INT3, INT1, INTO, BOUND and IRET. SDM vol. 2, "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure", "IRET/IRETD/IRETQ - Interrupt Return".
#include "cpu/events/events.h"
#include "cpu/exec/build.h"
#include "cpu/exec/far_rows.h"
#include "cpu/exec/segment_load.h"
#include "cpu/exec/task_switch.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
using arch::Vector;
namespace flag = arch::rflags;

// RIP is behind the instruction already: that is what is pushed.
Event software_event(Core& core, const MicroOp& op, u8 vector, events::Type type) {
    events::deliver(core, {.vector = vector, .type = type, .instruction_length = op.length, .fault_rip = core.truncate_rip(core.rip_of(op))});
    return {};
}

Event int_n(Core& core, const MicroOp& op) {
    const auto vector = static_cast<u8>(op.imm);
    // Virtual-8086 mode: IOPL 3 or, with CR4.VME, the redirection bitmap. SDM vol. 3, "Software Interrupt Handling Methods While in Virtual-8086 Mode".
    if (core.s.virtual8086()) {
        if ((core.s.cr4 & arch::cr4::vme) != 0) {
            const auto& tss = core.s.segment[arch::tr];
            const auto base = core.read_system<u16>(tss.base + 102);
            if (!base) return base.event;
            const u64 byte = u64{base.value} - 32 + vector / 8;
            if (byte <= tss.limit) {
                const auto bits = core.read_system<u8>(tss.base + byte);
                if (!bits) return bits.event;
                if ((bits.value >> (vector & 7) & 1) == 0) return events::virtual8086_interrupt(core, vector);
            }
        }
        if ((core.s.rflags & flag::iopl) != flag::iopl) return arch::general_protection();
    }
    return software_event(core, op, vector, events::Type::software_interrupt);
}

Event int3(Core& core, const MicroOp& op) { return software_event(core, op, 3, events::Type::software_exception); }
Event int1(Core& core, const MicroOp& op) { return software_event(core, op, 1, events::Type::privileged_software_exception); }
Event into(Core& core, const MicroOp& op) {
    if ((core.s.read_rflags() & flag::of) == 0) return {};
    return software_event(core, op, 4, events::Type::software_exception);
}

template <class T>
struct Bound {
    static Event run(Core& core, const MicroOp& op) {
        using Signed = std::make_signed_t<T>;
        const u64 address = core.effective_address(op);
        const auto lower = core.read<T>(op.segment(), address);
        if (!lower) return lower.event;
        const auto upper = core.read<T>(op.segment(), address + sizeof(T));
        if (!upper) return upper.event;
        const auto index = static_cast<Signed>(core.reg<T>(op.dst));
        if (index < static_cast<Signed>(lower.value) || index > static_cast<Signed>(upper.value)) return arch::exception(Vector::br);
        return {};
    }
};

// ---- IRET ---------------------------------------------------------------------------------------------------------------------

// NMI blocking ends even when IRET faults later.
void unblock_nmi(Core& core) {
    const bool blocked = core.vmx->non_root() && core.vmx->intercepts.virtual_nmis ? core.vmx->virtual_nmi_blocking : core.s.blocked_by_nmi;
    if (core.vmx->non_root()) core.vmx->iret_unblocks_nmi();
    else core.s.blocked_by_nmi = false;
    core.iret_unblocked_nmi = blocked;
    core.attention = true;
}

constexpr u64 flags_user = flag::cf | flag::pf | flag::af | flag::zf | flag::sf | flag::tf | flag::df | flag::of | flag::nt | flag::rf | flag::ac | flag::id;

void load_flags(Core& core, u64 popped, unsigned width, unsigned cpl_before) {
    const u64 old = core.s.read_rflags();
    u64 mask = flags_user;
    if (cpl_before == 0) mask |= flag::iopl | flag::vif | flag::vip;
    if (cpl_before <= ((old & flag::iopl) >> 12)) mask |= flag::if_;
    if (width == 1) mask &= 0xffff;
    core.s.write_rflags((old & ~mask) | (popped & mask));
}

template <class T>
arch::Outcome<T> pop_at(Core& core, u64& rsp) {
    const auto value = core.read<T>(arch::ss, rsp & core.stack_mask());
    if (value) rsp = (rsp & ~core.stack_mask()) | ((rsp + sizeof(T)) & core.stack_mask());
    return value;
}

template <class T>
Event iret_real(Core& core, const MicroOp& op) {
    u64 rsp = core.s.gpr[arch::rsp];
    const auto ip = pop_at<T>(core, rsp);
    if (!ip) return ip.event;
    const auto cs = pop_at<T>(core, rsp);
    if (!cs) return cs.event;
    const auto flags = pop_at<T>(core, rsp);
    if (!flags) return flags.event;
    if (ip.value > 0xffff && sizeof(T) == 4 && ip.value > core.s.segment[arch::cs].limit) return arch::general_protection();
    if (core.s.virtual8086()) {
        const u64 old = core.s.read_rflags();
        if ((old & flag::iopl) != flag::iopl) return arch::general_protection();
        u64 mask = flags_user | flag::if_;
        if (sizeof(T) == 2) mask &= 0xffff;
        core.s.write_rflags((old & ~mask) | (flags.value & mask));
    } else {
        load_flags(core, flags.value, op.width, 0);
    }
    core.s.gpr[arch::rsp] = rsp;
    load_real_segment(core, arch::cs, static_cast<u16>(cs.value));
    core.s.rip = ip.value;
    return {};
}

// IRETD from CPL 0 to virtual-8086 mode: ESP, SS, ES, DS, FS, GS follow on the stack.
Event iret_to_virtual8086(Core& core, u64 rsp, u64 ip, u16 cs, u32 flags) {
    u32 words[6];
    for (auto& word : words) {
        const auto value = pop_at<u32>(core, rsp);
        if (!value) return value.event;
        word = value.value;
    }
    core.s.write_rflags((flags & 0x3f7fd7) | flag::vm);
    core.s.cpl = 3;
    load_real_segment(core, arch::cs, cs);
    load_real_segment(core, arch::ss, static_cast<u16>(words[1]));
    load_real_segment(core, arch::es, static_cast<u16>(words[2]));
    load_real_segment(core, arch::ds, static_cast<u16>(words[3]));
    load_real_segment(core, arch::fs, static_cast<u16>(words[4]));
    load_real_segment(core, arch::gs, static_cast<u16>(words[5]));
    core.s.gpr[arch::rsp] = words[0];
    core.s.rip = ip & 0xffff;
    return {};
}

template <class T>
Event iret_protected(Core& core, const MicroOp& op) {
    const bool long_mode = core.s.long_mode_active();
    if ((core.s.read_rflags() & flag::nt) != 0) {
        if (long_mode) return arch::general_protection();
        return return_from_task(core, op.length);
    }
    u64 rsp = core.s.gpr[arch::rsp];
    const auto ip = pop_at<T>(core, rsp);
    if (!ip) return ip.event;
    const auto cs = pop_at<T>(core, rsp);
    if (!cs) return cs.event;
    const auto flags = pop_at<T>(core, rsp);
    if (!flags) return flags.event;
    const auto selector = static_cast<u16>(cs.value);
    if (!long_mode && sizeof(T) == 4 && (flags.value & flag::vm) != 0 && core.s.cpl == 0) return iret_to_virtual8086(core, rsp, ip.value, selector, static_cast<u32>(flags.value));

    if (selector::null(selector)) return arch::general_protection();
    const auto found = read_descriptor(core, selector);
    if (!found) return found.event;
    auto code = found.value;
    const u32 error = selector::error_code(selector);
    const unsigned rpl = selector & 3;
    if (!code.is_code() || rpl < core.s.cpl) return arch::general_protection(error);
    if (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl) return arch::general_protection(error);
    if (long_mode && code.long_mode() && code.default_big()) return arch::general_protection(error);
    if (!code.present()) return arch::exception(Vector::np, error);

    const auto new_code = code.segment(selector);
    const bool to_64 = long_mode && code.long_mode();
    arch::Segment stack = core.s.segment[arch::ss];
    const bool outer = rpl > core.s.cpl;
    u64 new_rsp = rsp;
    const bool pops_stack = outer || (long_mode && core.code64());      // IRETQ in 64-bit mode pops SS:RSP always
    if (pops_stack) {
        const auto sp = pop_at<T>(core, rsp);
        if (!sp) return sp.event;
        const auto ss = pop_at<T>(core, rsp);
        if (!ss) return ss.event;
        const auto ss_selector = static_cast<u16>(ss.value);
        if (selector::null(ss_selector)) {
            if (!to_64 || rpl == 3 || (ss_selector & 3U) != rpl) return arch::general_protection();
            stack = arch::Segment{};
            stack.selector = ss_selector;
            stack.rights = arch::Segment::unusable_bit | static_cast<u32>(rpl << 5);
        } else {
            const auto checked = check_stack_segment(core, ss_selector, rpl, Vector::gp, 0);
            if (!checked) return checked.event;
            stack = checked.value;
        }
        new_rsp = sp.value;
    }
    if (to_64 ? !core.canonical(ip.value) : ip.value > new_code.limit) return arch::general_protection();
    if (const auto event = mark_accessed(core, selector, code)) return event;

    const unsigned cpl = core.s.cpl;
    load_flags(core, flags.value, op.width, cpl);
    core.s.segment[arch::cs] = new_code;
    core.s.cpl = static_cast<u8>(rpl);
    core.s.rip = to_64 ? ip.value : static_cast<u32>(ip.value);
    if (pops_stack) {
        core.s.segment[arch::ss] = stack;
        if (to_64 || stack.default_big()) core.s.gpr[arch::rsp] = to_64 ? new_rsp : static_cast<u32>(new_rsp);
        else core.s.gpr[arch::rsp] = (core.s.gpr[arch::rsp] & ~u64{0xffff}) | (new_rsp & 0xffff);
        if (outer) drop_inner_segments(core, rpl);
    } else {
        core.s.gpr[arch::rsp] = rsp;
    }
    return {};
}

template <class T>
struct Iret {
    static Event run(Core& core, const MicroOp& op) {
        unblock_nmi(core);
        const auto event = !core.s.protected_mode() || core.s.virtual8086() ? iret_real<T>(core, op) : iret_protected<T>(core, op);
        if (event) return event;
        core.iret_unblocked_nmi = false;
        core.resume_flag_loaded();
        core.segments_changed();
        core.privilege_changed();
        return {};
    }
};

bool build_iret(const Decoded& decoded, Built& op) {
    op.width = decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3;
    switch (op.width) {
        case 1: return build_body<serialising<Iret<u16>::run>, Flow::ends>(decoded, op);
        case 2: return build_body<serialising<Iret<u32>::run>, Flow::ends>(decoded, op);
        default: return build_body<serialising<Iret<u64>::run>, Flow::ends>(decoded, op);
    }
}

bool build_bound(const Decoded& decoded, Built& op) { return op.width == 1 ? build_body<Bound<u16>::run, Flow::next>(decoded, op) : build_body<Bound<u32>::run, Flow::next>(decoded, op); }

constexpr Row rows[] = {
    row<int_n, Flow::ends>(ZYDIS_MNEMONIC_INT),
    row<int3, Flow::ends>(ZYDIS_MNEMONIC_INT3),
    row<int1, Flow::ends>(ZYDIS_MNEMONIC_INT1),
    row<into, Flow::ends>(ZYDIS_MNEMONIC_INTO),
    {ZYDIS_MNEMONIC_BOUND, &build_bound},
    {ZYDIS_MNEMONIC_IRET, &build_iret, Flow::ends},
    {ZYDIS_MNEMONIC_IRETD, &build_iret, Flow::ends},
    {ZYDIS_MNEMONIC_IRETQ, &build_iret, Flow::ends},
};

Event undefined(Core&, const MicroOp&) { return arch::undefined_opcode; }

}  // namespace

bool build_undefined(Built& op) {
    op.flow = Flow::ends;
    op.handler = &complex_end<undefined>;
    return true;
}

std::span<const Row> interrupt_rows() { return rows; }

}  // namespace vtsim::cpu::exec
