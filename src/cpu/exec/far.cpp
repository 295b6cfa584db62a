// SPDX-License-Identifier: Apache-2.0
// Far JMP, CALL and RET. SDM vol. 2, "JMP - Jump", "CALL - Call Procedure", "RET - Return from Procedure"; vol. 3, "Gate Descriptors".
#include "cpu/events/descriptor.h"
#include "cpu/exec/build.h"
#include "cpu/exec/far_rows.h"
#include "cpu/exec/segment_load.h"
#include "cpu/exec/task_switch.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
using arch::Vector;

void finish(Core& core) {
    core.segments_changed();
    core.privilege_changed();
}

bool real_or_v86(const Core& core) { return !core.s.protected_mode() || core.s.virtual8086(); }

Event push_sized(Core& core, unsigned width, u64 value) {
    switch (width) {
        case 1: return core.push<u16>(static_cast<u16>(value));
        case 2: return core.push<u32>(static_cast<u32>(value));
        default: return core.push<u64>(value);
    }
}

arch::Outcome<u64> pop_sized(Core& core, unsigned width) {
    const auto widen = [](const auto& value) { return value ? arch::Outcome<u64>{u64{value.value}} : arch::Outcome<u64>{value.event}; };
    switch (width) {
        case 1: return widen(core.pop<u16>());
        case 2: return widen(core.pop<u32>());
        default: return widen(core.pop<u64>());
    }
}

// Code segment checks of a direct far JMP or CALL (no gate).
Event check_code(const Core& core, u16 selector, const Descriptor& code) {
    const u32 error = selector::error_code(selector);
    if (core.s.long_mode_active() && code.long_mode() && code.default_big()) return arch::general_protection(error);
    if (code.conforming() ? code.dpl() > core.s.cpl : ((selector & 3U) > core.s.cpl || code.dpl() != core.s.cpl)) return arch::general_protection(error);
    if (!code.present()) return arch::exception(Vector::np, error);
    return {};
}

Event check_target(const Core& core, const arch::Segment& code, bool long_mode, u64 target) {
    if (long_mode && code.long_mode()) return core.canonical(target) ? Event{} : arch::general_protection();
    return target <= code.limit ? Event{} : arch::general_protection();
}

struct FarPointer {
    u16 selector = 0;
    u64 offset = 0;
};

arch::Outcome<FarPointer> far_operand(Core& core, const MicroOp& op) {
    if (!op.memory()) return FarPointer{static_cast<u16>(op.imm >> 32), op.imm & 0xffff'ffff};
    const u64 address = core.effective_address(op);
    const unsigned bytes = 1U << op.width;
    u64 offset = 0;
    if (op.width == 1) {
        const auto value = core.read<u16>(op.segment(), address);
        if (!value) return value.event;
        offset = value.value;
    } else if (op.width == 2) {
        const auto value = core.read<u32>(op.segment(), address);
        if (!value) return value.event;
        offset = value.value;
    } else {
        const auto value = core.read<u64>(op.segment(), address);
        if (!value) return value.event;
        offset = value.value;
    }
    const auto selector = core.read<u16>(op.segment(), address + bytes);
    if (!selector) return selector.event;
    return FarPointer{selector.value, offset};
}

Event real_transfer(Core& core, const MicroOp& op, FarPointer to, bool call) {
    if (to.offset > 0xffff && to.offset > core.s.segment[arch::cs].limit) return arch::general_protection();
    const u64 rsp = core.s.gpr[arch::rsp];
    if (call) {
        Event event = push_sized(core, op.width, core.s.segment[arch::cs].selector);
        if (!event) event = push_sized(core, op.width, core.s.rip);
        if (event) {
            core.s.gpr[arch::rsp] = rsp;
            return event;
        }
    }
    load_real_segment(core, arch::cs, to.selector);
    core.s.rip = op.width == 1 ? to.offset & 0xffff : to.offset;
    finish(core);
    return {};
}

// Whether `count` words of `bytes` can be pushed from `rsp` on.
bool has_room(const arch::Segment& stack, u64 rsp, u64 mask, unsigned count, unsigned bytes) {
    for (unsigned i = 1; i <= count; ++i) {
        const u64 offset = (rsp - u64{i} * bytes) & mask;
        if (stack.expands_down() ? offset <= stack.limit : offset + bytes - 1 > stack.limit) return false;
    }
    return true;
}

// Into a code segment of this level, by JMP or CALL: room for the return address, then the target, then the pushes. SDM vol. 2, "CALL".
Event enter_code(Core& core, bool call, unsigned width, u16 selector, Descriptor code, u64 target) {
    if (call && !core.code64() && !has_room(core.s.segment[arch::ss], core.s.gpr[arch::rsp], core.stack_mask(), 2, 1U << width)) return arch::exception(Vector::ss);
    const auto segment = code.segment(static_cast<u16>((selector & 0xfffc) | core.s.cpl));
    if (const auto event = check_target(core, segment, core.s.long_mode_active(), target)) return event;
    const u64 rsp = core.s.gpr[arch::rsp];
    Event event;
    if (call) event = push_sized(core, width, core.s.segment[arch::cs].selector);
    if (call && !event) event = push_sized(core, width, core.s.rip);
    if (!event) event = mark_accessed(core, selector, code);
    if (event) {
        core.s.gpr[arch::rsp] = rsp;
        return event;
    }
    core.s.segment[arch::cs] = segment;
    core.s.rip = target;
    finish(core);
    return {};
}

Event direct(Core& core, const MicroOp& op, FarPointer to, Descriptor code, bool call) {
    if (const auto event = check_code(core, to.selector, code)) return event;
    const u64 target = op.width == 1 ? to.offset & 0xffff : op.width == 2 ? to.offset & 0xffff'ffff : to.offset;
    return enter_code(core, call, op.width, to.selector, code, target);
}

// A call gate: 16- and 32-bit ones in legacy mode, 64-bit ones in IA-32e mode.
Event through_gate(Core& core, u16 gate_selector, Descriptor gate, bool call) {
    const bool long_mode = core.s.long_mode_active();
    const u32 gate_error = selector::error_code(gate_selector);
    const bool gate16 = static_cast<SystemType>(gate.type()) == SystemType::call_gate16;
    if (gate.dpl() < core.s.cpl || (gate_selector & 3U) > gate.dpl()) return arch::general_protection(gate_error);
    if (!gate.present()) return arch::exception(Vector::np, gate_error);
    if (long_mode)
        if (const auto event = read_upper_half(core, gate_selector, gate)) return event;
    const u16 selector = gate.gate_selector();
    if (selector::null(selector)) return arch::general_protection();
    const auto found = read_descriptor(core, selector);
    if (!found) return found.event;
    auto code = found.value;
    const u32 error = selector::error_code(selector);
    if (!code.is_code() || code.dpl() > core.s.cpl) return arch::general_protection(error);
    if (long_mode && (!code.long_mode() || code.default_big())) return arch::general_protection(error);
    if (!call && !code.conforming() && code.dpl() != core.s.cpl) return arch::general_protection(error);
    if (!code.present()) return arch::exception(Vector::np, error);
    const u64 target = gate16 ? gate.gate_offset(false) & 0xffff : gate.gate_offset(long_mode);
    const unsigned new_cpl = call && !code.conforming() && code.dpl() < core.s.cpl ? code.dpl() : core.s.cpl;
    const auto segment = code.segment(static_cast<u16>((selector & 0xfffc) | new_cpl));
    const unsigned width = long_mode ? 3 : gate16 ? 1 : 2;

    if (!call || new_cpl == core.s.cpl) return enter_code(core, call, width, selector, code, target);

    // To an inner level: the new stack gets SS:ESP, parameters and the return address.
    const u16 old_ss = core.s.segment[arch::ss].selector;
    const u64 old_rsp = core.s.gpr[arch::rsp];
    const unsigned bytes = 1U << width;
    u64 frame[4 + 31];
    unsigned count = 0;
    arch::Segment stack;
    u64 rsp;
    if (long_mode) {
        const auto pointer = long_mode_stack(core, new_cpl, 0, 0);
        if (!pointer) return pointer.event;
        rsp = pointer.value;
        stack.selector = static_cast<u16>(new_cpl);
        stack.rights = arch::Segment::unusable_bit | static_cast<u32>(new_cpl << 5);
    } else {
        const auto from_tss = legacy_stack(core, new_cpl, 0);
        if (!from_tss) return from_tss.event;
        const auto checked = check_stack_segment(core, from_tss.value.ss, new_cpl, Vector::ts, 0);
        if (!checked) return checked.event;
        stack = checked.value;
        rsp = from_tss.value.esp;
    }
    // SDM vol. 2, "CALL", MORE-PRIVILEGE: room on the new stack for the whole frame, then the target, then the pushes.
    const unsigned parameters = long_mode ? 0 : gate.gate_parameters();
    const u64 mask = long_mode ? ~u64{0} : stack.default_big() ? 0xffff'ffff : 0xffff;
    if (!long_mode && !has_room(stack, rsp, mask, 4 + parameters, bytes)) return arch::exception(Vector::ss, selector::error_code(stack.selector));
    if (const auto event = check_target(core, segment, long_mode, target)) return event;
    frame[count++] = old_ss;
    frame[count++] = old_rsp;
    if (!long_mode) {
        for (unsigned i = parameters; i-- > 0;) {
            const u64 address = (old_rsp + u64{i} * bytes) & core.stack_mask();
            u64 value;
            if (width == 1) {
                const auto word = core.read<u16>(arch::ss, address);
                if (!word) return word.event;
                value = word.value;
            } else {
                const auto word = core.read<u32>(arch::ss, address);
                if (!word) return word.event;
                value = word.value;
            }
            frame[count++] = value;
        }
    }
    frame[count++] = core.s.segment[arch::cs].selector;
    frame[count++] = core.s.rip;
    const arch::Access access{.kind = arch::AccessKind::store, .user = new_cpl == 3};
    for (unsigned i = 0; i < count; ++i) {
        rsp = (rsp & ~mask) | ((rsp - bytes) & mask);
        const u64 offset = rsp & mask;
        const u64 linear = long_mode ? offset : static_cast<u32>(stack.base + offset);
        if (const auto event = core.write_bytes(linear, &frame[i], bytes, access)) return event;
    }
    if (const auto event = mark_accessed(core, selector, code)) return event;
    core.s.segment[arch::ss] = stack;
    core.s.gpr[arch::rsp] = rsp;
    core.s.segment[arch::cs] = segment;
    core.s.cpl = static_cast<u8>(new_cpl);
    core.s.rip = target;
    finish(core);
    return {};
}

template <bool call>
Event far_transfer(Core& core, const MicroOp& op) {
    const auto operand = far_operand(core, op);
    if (!operand) return operand.event;
    const FarPointer to = operand.value;
    if (real_or_v86(core)) return real_transfer(core, op, to, call);
    if (selector::null(to.selector)) return arch::general_protection();
    const auto found = read_descriptor(core, to.selector);
    if (!found) return found.event;
    const Descriptor descriptor = found.value;
    const u32 error = selector::error_code(to.selector);
    if (descriptor.is_code_or_data()) {
        if (!descriptor.is_code()) return arch::general_protection(error);
        return direct(core, op, to, descriptor, call);
    }
    const bool long_mode = core.s.long_mode_active();
    const auto source = call ? vmx::TaskSwitchSource::call : vmx::TaskSwitchSource::jmp;
    switch (static_cast<SystemType>(descriptor.type())) {
        case SystemType::call_gate16:
            if (long_mode) return arch::general_protection(error);
            return through_gate(core, to.selector, descriptor, call);
        case SystemType::call_gate32: return through_gate(core, to.selector, descriptor, call);
        case SystemType::task_gate:
            if (long_mode || descriptor.dpl() < core.s.cpl || (to.selector & 3U) > descriptor.dpl()) return arch::general_protection(error);
            if (!descriptor.present()) return arch::exception(Vector::np, error);
            return switch_task(core, descriptor.gate_selector(), source, op.length);
        case SystemType::tss16_available: case SystemType::tss32_available:
            if (long_mode || descriptor.dpl() < core.s.cpl || (to.selector & 3U) > descriptor.dpl()) return arch::general_protection(error);
            return switch_task(core, to.selector, source, op.length);
        default: return arch::general_protection(error);
    }
}

Event far_return(Core& core, const MicroOp& op) {
    const u64 old_rsp = core.s.gpr[arch::rsp];
    const auto fail = [&](Event event) {
        core.s.gpr[arch::rsp] = old_rsp;
        return event;
    };
    const auto ip = pop_sized(core, op.width);
    if (!ip) return fail(ip.event);
    const auto cs = pop_sized(core, op.width);
    if (!cs) return fail(cs.event);
    const auto selector = static_cast<u16>(cs.value);
    if (real_or_v86(core)) {
        if (ip.value > core.s.segment[arch::cs].limit) return fail(arch::general_protection());
        load_real_segment(core, arch::cs, selector);
        core.s.rip = ip.value;
        core.set_stack_pointer(core.s.gpr[arch::rsp] + op.imm);
        finish(core);
        return {};
    }
    if (selector::null(selector)) return fail(arch::general_protection());
    const auto found = read_descriptor(core, selector);
    if (!found) return fail(found.event);
    auto code = found.value;
    const u32 error = selector::error_code(selector);
    const unsigned rpl = selector & 3;
    if (!code.is_code() || rpl < core.s.cpl) return fail(arch::general_protection(error));
    if (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl) return fail(arch::general_protection(error));
    if (core.s.long_mode_active() && code.long_mode() && code.default_big()) return fail(arch::general_protection(error));
    if (!code.present()) return fail(arch::exception(Vector::np, error));
    const auto segment = code.segment(selector);
    const bool to_64 = core.s.long_mode_active() && segment.long_mode();
    core.set_stack_pointer(core.s.gpr[arch::rsp] + op.imm);
    if (rpl == core.s.cpl) {
        if (const auto event = check_target(core, segment, core.s.long_mode_active(), ip.value)) return fail(event);
        if (const auto event = mark_accessed(core, selector, code)) return fail(event);
        core.s.segment[arch::cs] = segment;
        core.s.rip = ip.value;
        finish(core);
        return {};
    }
    const auto sp = pop_sized(core, op.width);
    if (!sp) return fail(sp.event);
    const auto ss = pop_sized(core, op.width);
    if (!ss) return fail(ss.event);
    const auto ss_selector = static_cast<u16>(ss.value);
    arch::Segment stack;
    if (selector::null(ss_selector)) {
        if (!to_64 || rpl == 3 || (ss_selector & 3U) != rpl) return fail(arch::general_protection());
        stack.selector = ss_selector;
        stack.rights = arch::Segment::unusable_bit | static_cast<u32>(rpl << 5);
    } else {
        const auto checked = check_stack_segment(core, ss_selector, rpl, Vector::gp, 0);
        if (!checked) return fail(checked.event);
        stack = checked.value;
    }
    if (const auto event = check_target(core, segment, core.s.long_mode_active(), ip.value)) return fail(event);     // after the stack's checks
    if (const auto event = mark_accessed(core, selector, code)) return fail(event);
    core.s.segment[arch::cs] = segment;
    core.s.segment[arch::ss] = stack;
    core.s.cpl = static_cast<u8>(rpl);
    core.s.rip = ip.value;
    const u64 mask = to_64 ? ~u64{0} : stack.default_big() ? 0xffff'ffff : 0xffff;
    const u64 released = sp.value + op.imm;
    core.s.gpr[arch::rsp] = to_64 || stack.default_big() ? released & mask : (old_rsp & ~mask) | (released & mask);
    drop_inner_segments(core, rpl);
    finish(core);
    return {};
}

unsigned far_width(const Decoded& decoded) { return decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3; }

}  // namespace

bool build_far_transfer(const Decoded& decoded, Built& op) {
    op.flow = Flow::ends;
    op.width = static_cast<u8>(far_width(decoded));
    if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_RET) {
        op.imm &= 0xffff;
        return build_body<far_return, Flow::ends>(decoded, op);
    }
    if (decoded.operand(0).type == ZYDIS_OPERAND_TYPE_POINTER)
        op.imm = u64{decoded.operand(0).ptr.segment} << 32 | (op.width == 1 ? decoded.operand(0).ptr.offset & 0xffff : decoded.operand(0).ptr.offset);
    if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_CALL) return build_body<far_transfer<true>, Flow::ends>(decoded, op);
    return build_body<far_transfer<false>, Flow::ends>(decoded, op);
}

}  // namespace vtsim::cpu::exec
