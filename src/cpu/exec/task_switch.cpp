// SPDX-License-Identifier: Apache-2.0
// Hardware task switches. SDM vol. 3, "Task Switching", "Task Linking"; in VMX non-root operation "Task Switches" as a cause of VM exits.
#include "cpu/exec/task_switch.h"

#include "cpu/events/delivery.h"
#include "cpu/events/descriptor.h"
#include "cpu/exec/segment_load.h"
#include "vmx/vmx.h"

namespace vtsim::cpu {
namespace {

using arch::Event;
using arch::Outcome;
using arch::Vector;
using vmx::TaskSwitchSource;
namespace flag = arch::rflags;

// The part of a 32-bit TSS that a switch saves and loads, at its offsets. 16-bit TSSs have the same registers in halves.
struct Image {
    u32 cr3 = 0, eip = 0, eflags = 0;
    u32 gpr[8] = {};
    u16 segment[6] = {};        // ES CS SS DS FS GS
    u16 ldt = 0, link = 0;
    bool trap = false;
};

constexpr u64 busy_bit = bit(41);

Event set_busy(Core& core, u16 selector, bool busy) {
    const u64 address = descriptor_address(core, selector);
    const auto low = core.read_system<u64>(address);
    if (!low) return low.event;
    return core.write_system<u64>(address, busy ? low.value | busy_bit : low.value & ~busy_bit);
}

Event save(Core& core, const arch::Segment& tss, u32 eflags) {
    const bool is32 = (tss.type() & 8) != 0;
    const auto put = [&](unsigned offset, u32 value) { return is32 ? core.write_system<u32>(tss.base + offset, value) : core.write_system<u16>(tss.base + offset, static_cast<u16>(value)); };
    const unsigned step = is32 ? 4 : 2;
    unsigned at = is32 ? 32 : 14;
    if (const auto event = put(at, static_cast<u32>(core.s.rip))) return event;
    if (const auto event = put(at += step, eflags)) return event;
    for (u8 number = 0; number < 8; ++number)
        if (const auto event = put(at += step, static_cast<u32>(core.s.gpr[number]))) return event;
    for (unsigned number = 0; number < (is32 ? 6U : 4U); ++number)
        if (const auto event = core.write_system<u16>(tss.base + (at += step), core.s.segment[number].selector)) return event;
    return {};
}

Outcome<u32> field(Core& core, u64 address, bool is32) {
    if (is32) return core.read_system<u32>(address);
    const auto value = core.read_system<u16>(address);
    if (!value) return value.event;
    return u32{value.value};
}

Event load(Core& core, const arch::Segment& tss, Image& image) {
    const bool is32 = (tss.type() & 8) != 0;
    const unsigned step = is32 ? 4 : 2;
    Event failed;
    const auto get = [&](unsigned offset, bool wide) {
        const auto value = field(core, tss.base + offset, wide);
        if (!value && !failed) failed = value.event;
        return value.value;
    };
    unsigned at = is32 ? 32 : 14;
    if (is32) image.cr3 = get(28, true);
    image.eip = get(at, is32);
    image.eflags = get(at += step, is32);
    for (auto& value : image.gpr) value = get(at += step, is32);
    for (unsigned number = 0; number < (is32 ? 6U : 4U); ++number) image.segment[number] = static_cast<u16>(get(at += step, false));
    image.ldt = static_cast<u16>(get(at + step, false));
    image.trap = is32 && (get(100, false) & 1) != 0;
    return failed;
}

Event load_ldt(Core& core, u16 selector) {
    core.s.segment[arch::ldtr] = arch::Segment{};
    core.s.segment[arch::ldtr].selector = selector;
    if (selector::null(selector)) return {};
    const u32 error = selector::error_code(selector);
    if (selector::Local::test(selector)) return arch::exception(Vector::ts, error);
    const auto found = read_descriptor(core, selector, Vector::ts);
    if (!found) return found.event;
    if (found.value.is_code_or_data() || found.value.type() != static_cast<unsigned>(SystemType::ldt) || !found.value.present()) return arch::exception(Vector::ts, error);
    core.s.segment[arch::ldtr] = found.value.segment(selector);
    return {};
}

// Segment registers of the new task; faults are #TS and belong to the new task.
Event load_segments(Core& core, const Image& image) {
    if (core.s.virtual8086()) {
        for (u8 number = 0; number < 6; ++number) load_real_segment(core, static_cast<arch::SegmentRegister>(number), image.segment[number]);
        return {};
    }
    const u16 cs = image.segment[arch::cs], ss = image.segment[arch::ss];
    if (selector::null(cs)) return arch::exception(Vector::ts);
    const auto found = read_descriptor(core, cs, Vector::ts);
    if (!found) return found.event;
    auto code = found.value;
    const unsigned rpl = cs & 3;
    if (!code.is_code() || (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl)) return arch::exception(Vector::ts, selector::error_code(cs));
    if (!code.present()) return arch::exception(Vector::np, selector::error_code(cs));
    core.s.cpl = static_cast<u8>(rpl);
    const auto stack = check_stack_segment(core, ss, rpl, Vector::ts, 0);
    if (!stack) return stack.event;
    core.s.segment[arch::ss] = stack.value;
    if (const auto event = mark_accessed(core, cs, code)) return event;
    core.s.segment[arch::cs] = code.segment(cs);
    for (const auto number : {arch::es, arch::ds, arch::fs, arch::gs})
        if (auto event = load_segment(core, number, image.segment[number])) {
            if (event.number == static_cast<u16>(Vector::gp)) event.number = static_cast<u16>(Vector::ts);
            return event;
        }
    return {};
}

}  // namespace

Event switch_task(Core& core, u16 selector, TaskSwitchSource source, u8 instruction_length, u32 ext, bool has_error_code, u32 error_code) {
    const bool returns = source == TaskSwitchSource::iret;
    const Vector fault = returns ? Vector::ts : Vector::gp;
    const u32 error = selector::error_code(selector) | ext;
    if (selector::null(selector) || selector::Local::test(selector)) return arch::exception(fault, error);
    const auto found = read_descriptor(core, selector, fault, ext);
    if (!found) return found.event;
    const auto descriptor = found.value;
    const auto type = static_cast<SystemType>(descriptor.type());
    const bool busy = type == SystemType::tss16_busy || type == SystemType::tss32_busy;
    const bool available = type == SystemType::tss16_available || type == SystemType::tss32_available;
    if (descriptor.is_code_or_data() || !(returns ? busy : available)) return arch::exception(fault, error);
    if (!descriptor.present()) return arch::exception(Vector::np, error);
    auto tss = descriptor.segment(selector);
    const bool is32 = (tss.type() & 8) != 0;
    if (tss.limit < (is32 ? 0x67U : 0x2bU)) return arch::exception(Vector::ts, error);
    if (core.vmx->non_root()) {
        core.fault.qualification = vmx::task_switch_qualification(selector, source);
        (void)instruction_length;
        return {arch::EventKind::vm_exit, static_cast<u16>(vmx::ExitReason::task_switch), 0};
    }
    const auto old_tss = core.s.segment[arch::tr];
    const bool nests = source == TaskSwitchSource::call || source == TaskSwitchSource::task_gate;
    u32 eflags = static_cast<u32>(core.s.read_rflags());
    if (returns) eflags &= ~static_cast<u32>(flag::nt);
    // Everything that may fault belongs to the old task up to here.
    if (const auto event = core.probe_write_system(old_tss.base, old_tss.limit < 0x67 ? 0x2c : 0x68)) return event;
    Image image;
    if (const auto event = load(core, tss, image)) return event;
    if (!nests)
        if (const auto event = set_busy(core, old_tss.selector, false)) return event;
    if (const auto event = save(core, old_tss, eflags)) return event;
    if (nests)
        if (const auto event = core.write_system<u16>(tss.base, old_tss.selector)) return event;
    if (!returns)
        if (const auto event = set_busy(core, selector, true)) return event;

    // Commit point: what fails from here on is a fault of the new task.
    tss.rights |= 2;
    core.s.segment[arch::tr] = tss;
    core.s.cr0 |= arch::cr0::ts;
    if (is32 && (core.s.cr0 & arch::cr0::pg) != 0 && image.cr3 != core.s.cr3) {
        core.mmu.mov_cr3(image.cr3, false);
        core.s.cr3 = image.cr3;
    }
    if (nests) image.eflags |= flag::nt;
    core.s.rip = image.eip;
    core.s.write_rflags(image.eflags & (is32 ? 0x3f7fd7U : 0x7fd7U));
    core.resume_flag_loaded();
    for (u8 number = 0; number < 8; ++number) core.s.gpr[number] = is32 ? image.gpr[number] : 0xffff0000U | image.gpr[number];
    for (u8 number = 0; number < 6; ++number) {
        core.s.segment[number] = arch::Segment{};
        core.s.segment[number].selector = image.segment[number];
    }
    core.s.dr[7] &= ~u64{0x155};                       // local breakpoint enables
    core.context_changed();
    Event event = load_ldt(core, image.ldt);
    if (!event) event = load_segments(core, image);
    core.segments_changed();
    core.privilege_changed();
    // A fault from here on belongs to the new task: RIP stays there.
    if (!event && core.s.rip > core.s.segment[arch::cs].limit) event = arch::general_protection();
    if (!event && has_error_code) event = is32 ? core.push<u32>(error_code) : core.push<u16>(static_cast<u16>(error_code));
    core.task_switched = static_cast<bool>(event);
    if (event) return event;
    if (image.trap) {
        core.s.pending_debug |= bit(15);                 // DR6.BT
        core.attention = true;
    }
    return {};
}

Event return_from_task(Core& core, u8 instruction_length) {
    const auto link = core.read_system<u16>(core.s.segment[arch::tr].base);
    if (!link) return link.event;
    return switch_task(core, link.value, TaskSwitchSource::iret, instruction_length);
}

namespace events {

Event task_gate(Core& core, const Delivery& delivery, u16 tss_selector) {
    const bool software = delivery.type == Type::software_interrupt || delivery.type == Type::software_exception;
    return switch_task(core, tss_selector, TaskSwitchSource::task_gate, delivery.instruction_length, software ? 0 : 1, delivery.has_error_code, delivery.error_code);
}

}  // namespace events
}  // namespace vtsim::cpu
