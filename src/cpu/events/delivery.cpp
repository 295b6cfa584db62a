// SPDX-License-Identifier: Apache-2.0
// Delivery of one event through the interrupt table of the current mode. SDM vol. 3, "Interrupt and Exception Handling", "Exception and Interrupt
// Handling in 64-bit Mode", "Real-Address Mode", "Virtual-8086 Mode".
#include "cpu/events/delivery.h"

#include "cpu/events/descriptor.h"
#include "cpu/exec/memory.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::events {
namespace {

using arch::Event;
using arch::Outcome;
using arch::Vector;
namespace flag = arch::rflags;

// EXT bit of error codes: the event was not an INT n, INT3 or INTO of the program. SDM vol. 3, "Error Code".
u32 ext_of(const Delivery& d) { return d.type == Type::software_interrupt || d.type == Type::software_exception ? 0 : 1; }

u32 idt_error(const Delivery& d) { return u32{d.vector} * 8 + 2 + ext_of(d); }

void enter_handler(Core& core, bool interrupt_gate, u64 also_clear) {
    u64 flags = core.s.read_rflags();
    flags &= ~(flag::tf | flag::nt | flag::rf | flag::vm | also_clear);
    if (interrupt_gate) flags &= ~flag::if_;
    core.s.write_rflags(flags);
}

// ---- real mode and the interrupt redirection of virtual-8086 mode ------------------------------------------------------------

Event through_vector_table(Core& core, const Delivery& d, u64 table) {
    const auto entry = core.read_system<u32>(table + u64{d.vector} * 4);
    if (!entry) return entry.event;
    const u64 rsp = core.s.gpr[arch::rsp];
    const auto flags = static_cast<u16>(core.s.read_rflags());
    const auto push = [&](u16 value) { return core.push<u16>(value); };
    Event event = push(flags);
    if (!event) event = push(core.s.segment[arch::cs].selector);
    if (!event) event = push(static_cast<u16>(core.s.rip));
    if (event) {
        core.s.gpr[arch::rsp] = rsp;
        return event;
    }
    load_real_segment(core, arch::cs, static_cast<u16>(entry.value >> 16));
    core.s.rip = entry.value & 0xffff;
    core.s.write_rflags(core.s.read_rflags() & ~(flag::tf | flag::if_ | flag::rf | flag::ac));
    core.segments_changed();
    core.privilege_changed();
    return {};
}

Event real_mode(Core& core, const Delivery& d) {
    if (u64{d.vector} * 4 + 3 > core.s.idtr.limit) return arch::exception(Vector::gp, 0);
    return through_vector_table(core, d, core.s.idtr.base);
}

// ---- IA-32e mode --------------------------------------------------------------------------------------------------------------

Event long_mode(Core& core, const Delivery& d) {
    const u32 ext = ext_of(d);
    const u64 at = u64{d.vector} * 16;
    if (at + 15 > core.s.idtr.limit) return arch::general_protection(idt_error(d));
    const auto low = core.read_system<u64>(core.s.idtr.base + at);
    if (!low) return low.event;
    const auto high = core.read_system<u64>(core.s.idtr.base + at + 8);
    if (!high) return high.event;
    const Descriptor gate{low.value, high.value};
    const auto type = static_cast<SystemType>(gate.type());
    if (gate.is_code_or_data() || (type != SystemType::interrupt_gate32 && type != SystemType::trap_gate32)) return arch::general_protection(idt_error(d));
    if (ext == 0 && gate.dpl() < core.s.cpl) return arch::general_protection(idt_error(d));
    if (!gate.present()) return arch::exception(Vector::np, idt_error(d));
    const u16 selector = gate.gate_selector();
    if (selector::null(selector)) return arch::general_protection(ext);
    const auto found = read_descriptor(core, selector, Vector::gp, ext);
    if (!found) return found.event;
    auto code = found.value;
    const u32 error = selector::error_code(selector) | ext;
    if (!code.is_code() || code.dpl() > core.s.cpl || !code.long_mode() || code.default_big()) return arch::general_protection(error);
    if (!code.present()) return arch::exception(Vector::np, error);
    const unsigned new_cpl = code.conforming() ? core.s.cpl : code.dpl();
    u64 rsp = core.s.gpr[arch::rsp];
    const unsigned ist = gate.gate_stack_index();
    if (ist != 0 || new_cpl < core.s.cpl) {
        const auto stack = long_mode_stack(core, new_cpl, ist, ext);
        if (!stack) return stack.event;
        rsp = stack.value;
    }
    rsp &= ~u64{15};
    const u64 target = gate.gate_offset(true);
    if (!core.canonical(target)) return arch::general_protection(ext);

    // The frame is written at the new privilege level, before anything of the state changes.
    u64 frame[6];
    unsigned words = 0;
    if (d.has_error_code) frame[words++] = d.error_code;
    frame[words++] = core.s.rip;
    frame[words++] = core.s.segment[arch::cs].selector;
    frame[words++] = pushed_flags(core, d);
    frame[words++] = core.s.gpr[arch::rsp];
    frame[words++] = core.s.segment[arch::ss].selector;
    const u64 top = rsp - u64{words} * 8;
    if (!core.canonical(top) || !core.canonical(rsp - 1)) return arch::exception(Vector::ss, ext);
    arch::Access access{.kind = arch::AccessKind::store, .user = new_cpl == 3};
    if (const auto event = core.write_tables(top, frame, words * 8, access)) {
        if (event.kind == arch::EventKind::resync) return event;
        // Pushes go downwards: the address of the fault is that of the first one that fails.
        for (unsigned i = words; i-- > 0;)
            if (const auto first = core.write_tables(top + u64{8} * i, &frame[i], 8, access)) return first;
        return event;
    }
    if (const auto event = mark_accessed(core, selector, code)) return event;

    if (new_cpl < core.s.cpl || new_cpl != core.s.cpl) {
        // A change of privilege loads SS with a null selector whose RPL is the new CPL.
        auto& ss = core.s.segment[arch::ss];
        ss = arch::Segment{};
        ss.selector = static_cast<u16>(new_cpl);
        ss.rights = arch::Segment::unusable_bit | static_cast<u32>(new_cpl << 5);
    }
    core.s.gpr[arch::rsp] = top;
    core.s.segment[arch::cs] = code.segment(static_cast<u16>((selector & 0xfffc) | new_cpl));
    core.s.cpl = static_cast<u8>(new_cpl);
    core.s.rip = target;
    enter_handler(core, type == SystemType::interrupt_gate32, 0);
    core.segments_changed();
    core.privilege_changed();
    return {};
}

// ---- protected mode -------------------------------------------------------------------------------------------------------------

Event write_frame(Core& core, const arch::Segment& stack, u32& esp, const u32* values, unsigned count, bool is32, bool user) {
    const u64 mask = stack.default_big() ? 0xffff'ffff : 0xffff;
    const arch::Access access{.kind = arch::AccessKind::store, .user = user};
    u64 pointer = esp;
    for (unsigned i = 0; i < count; ++i) {
        const unsigned bytes = is32 ? 4 : 2;
        pointer = (esp & ~mask) | ((pointer - bytes) & mask);
        const u64 offset = pointer & mask;
        const bool fits = stack.expands_down() ? offset > stack.limit && offset + bytes - 1 <= mask : offset + bytes - 1 <= stack.limit;
        if (!fits) return arch::exception(Vector::ss, 0);
        if (const auto event = core.write_tables(static_cast<u32>(stack.base + offset), &values[i], bytes, access)) return event;
    }
    esp = static_cast<u32>(pointer);
    return {};
}

Event protected_mode(Core& core, const Delivery& d) {
    const u32 ext = ext_of(d);
    const u64 at = u64{d.vector} * 8;
    if (at + 7 > core.s.idtr.limit) return arch::general_protection(idt_error(d));
    const auto low = core.read_system<u64>(core.s.idtr.base + at);
    if (!low) return low.event;
    const Descriptor gate{low.value, 0};
    const auto type = static_cast<SystemType>(gate.type());
    const bool task = type == SystemType::task_gate;
    const bool gate16 = type == SystemType::interrupt_gate16 || type == SystemType::trap_gate16;
    const bool gate32 = type == SystemType::interrupt_gate32 || type == SystemType::trap_gate32;
    if (gate.is_code_or_data() || (!task && !gate16 && !gate32)) return arch::general_protection(idt_error(d));
    if (ext == 0 && gate.dpl() < core.s.cpl) return arch::general_protection(idt_error(d));
    if (!gate.present()) return arch::exception(Vector::np, idt_error(d));
    if (task) return task_gate(core, d, gate.gate_selector());

    const bool interrupt_gate = type == SystemType::interrupt_gate16 || type == SystemType::interrupt_gate32;
    const u16 selector = gate.gate_selector();
    if (selector::null(selector)) return arch::general_protection(ext);
    const auto found = read_descriptor(core, selector, Vector::gp, ext);
    if (!found) return found.event;
    auto code = found.value;
    const u32 error = selector::error_code(selector) | ext;
    if (!code.is_code() || code.dpl() > core.s.cpl) return arch::general_protection(error);
    if (!code.present()) return arch::exception(Vector::np, error);
    const bool from_v86 = core.s.virtual8086();
    const unsigned new_cpl = code.conforming() ? core.s.cpl : code.dpl();
    if (from_v86 && new_cpl != 0) return arch::general_protection(error);
    const auto target = static_cast<u32>(gate.gate_offset(false)) & (gate16 ? 0xffffU : ~0U);
    const auto new_code = code.segment(static_cast<u16>((selector & 0xfffc) | new_cpl));

    arch::Segment stack = core.s.segment[arch::ss];
    u32 esp = static_cast<u32>(core.s.gpr[arch::rsp]);
    const bool inner = new_cpl < core.s.cpl;
    if (inner) {
        const auto from_tss = legacy_stack(core, new_cpl, ext);
        if (!from_tss) return from_tss.event;
        const auto segment = check_stack_segment(core, from_tss.value.ss, new_cpl, Vector::ts, ext);
        if (!segment) return segment.event;
        stack = segment.value;
        esp = from_tss.value.esp;
    }
    u32 frame[10];
    unsigned count = 0;
    if (inner) {
        if (from_v86)
            for (auto number : {arch::gs, arch::fs, arch::ds, arch::es}) frame[count++] = core.s.segment[number].selector;
        frame[count++] = core.s.segment[arch::ss].selector;
        frame[count++] = static_cast<u32>(core.s.gpr[arch::rsp]);
    }
    frame[count++] = static_cast<u32>(pushed_flags(core, d));
    frame[count++] = core.s.segment[arch::cs].selector;
    frame[count++] = static_cast<u32>(core.s.rip);
    if (d.has_error_code) frame[count++] = d.error_code;
    if (const auto event = write_frame(core, stack, esp, frame, count, gate32, new_cpl == 3)) return with_selector(event, inner ? stack.selector : u16{0}, ext);
    if (target > new_code.limit) return arch::general_protection(ext);
    if (const auto event = mark_accessed(core, selector, code)) return event;

    if (inner) {
        core.s.segment[arch::ss] = stack;
        if (from_v86) {
            for (auto number : {arch::gs, arch::fs, arch::ds, arch::es}) core.s.segment[number] = arch::Segment{};
        }
        core.s.gpr[arch::rsp] = esp;
    } else {
        core.set_stack_pointer(esp);
    }
    core.s.segment[arch::cs] = new_code;
    core.s.cpl = static_cast<u8>(new_cpl);
    core.s.rip = target;
    enter_handler(core, interrupt_gate, from_v86 ? flag::vm : 0);
    core.segments_changed();
    core.privilege_changed();
    return {};
}

}  // namespace

Event virtual8086_interrupt(Core& core, u8 vector) { return through_vector_table(core, {.vector = vector, .type = Type::software_interrupt}, 0); }

// RF is set for faults so that the instruction is not stopped again by its own breakpoint; but not by the #DB of that breakpoint, whose handler decides itself.
u64 pushed_flags(const Core& core, const Delivery& d) {
    const u64 flags = core.s.read_rflags();
    if (d.injected || d.type != Type::hardware_exception) return flags;
    const bool general_detect = (d.debug_status & bit(13)) != 0;
    const bool fault = d.vector == static_cast<u8>(Vector::db) ? general_detect : d.vector != static_cast<u8>(Vector::df);
    return fault ? flags | flag::rf : flags;
}

// A stack fault on the new stack carries its selector.
Event with_selector(Event event, u16 selector, u32 ext) {
    if (event.kind == arch::EventKind::exception && event.number == static_cast<u16>(Vector::ss)) event.code = selector::error_code(selector) | ext;
    return event;
}

Event deliver_once(Core& core, const Delivery& d) {
    if (!core.s.protected_mode()) return real_mode(core, d);
    if (core.s.long_mode_active()) return long_mode(core, d);
    return protected_mode(core, d);
}

}  // namespace vtsim::cpu::events
