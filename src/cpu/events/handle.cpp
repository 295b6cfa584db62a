// SPDX-License-Identifier: Apache-2.0
// What becomes of an event: VM exit, delivery, double fault, triple fault. SDM vol. 3, "Interrupt 8 - Double Fault Exception (#DF)", "VM Exits Caused by Exceptions",
// "Information for VM Exits That Occur During Event Delivery".
#include <utility>

#include "cpu/events/delivery.h"
#include "cpu/events/transitions.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::events {
namespace {

using arch::Event;
using arch::Vector;

enum class Class : u8 { benign, contributory, page_fault, double_fault };

Class class_of(const Delivery& d) {
    if (d.type != Type::hardware_exception) return Class::benign;
    switch (static_cast<Vector>(d.vector)) {
        case Vector::de: case Vector::ts: case Vector::np: case Vector::ss: case Vector::gp: case Vector::cp: return Class::contributory;
        case Vector::pf: case Vector::ve: return Class::page_fault;
        case Vector::df: return Class::double_fault;
        default: return Class::benign;
    }
}

// Whether `second`, met while delivering `first`, makes a double fault.
bool doubles(Class first, Class second) {
    if (first == Class::contributory) return second == Class::contributory;
    if (first == Class::page_fault) return second == Class::contributory || second == Class::page_fault;
    return false;
}

u32 information(const Delivery& d) { return vmx::interruption::encode(static_cast<vmx::EventType>(d.type), d.vector, d.has_error_code); }

bool saves_length(const Delivery& d) { return d.type == Type::software_interrupt || d.type == Type::software_exception || d.type == Type::privileged_software_exception; }

void add_vectoring(vmx::ExitDetails& details, const Delivery& d) {
    details.idt_vectoring_information = information(d);
    details.idt_vectoring_error_code = d.error_code;
    if (saves_length(d)) details.instruction_length = d.instruction_length;
}

// The exit that the event itself causes. `vectoring`: the event whose delivery met it, or nullptr.
void exit_on_exception(Core& core, const Delivery& d, const Delivery* vectoring, bool unblocked_nmi) {
    vmx::ExitDetails details;
    details.interruption_information = information(d);
    if (unblocked_nmi && vectoring == nullptr && d.vector != static_cast<u8>(Vector::df)) details.interruption_information |= 1U << 12;
    details.interruption_error_code = d.error_code;
    if (saves_length(d)) details.instruction_length = d.instruction_length;
    if (d.vector == static_cast<u8>(Vector::pf)) details.qualification = core.s.long_mode_active() ? core.fault.linear : static_cast<u32>(core.fault.linear);
    if (d.vector == static_cast<u8>(Vector::db)) details.qualification = d.debug_status;
    if (vectoring != nullptr) add_vectoring(details, *vectoring);
    details.keep_resume_flag = false;
    details.resume_flag = (pushed_flags(core, d) & arch::rflags::rf) != 0;
    leave_guest(core, d.type == Type::nmi ? vmx::ExitReason::exception_or_nmi : vmx::ExitReason::exception_or_nmi, details);
}

// Side effects that an exception has even when its delivery then fails. SDM vol. 3, "Architectural State Before a VM Exit".
void update_state(Core& core, const Delivery& d) {
    if (d.type != Type::hardware_exception && d.type != Type::privileged_software_exception) return;
    if (d.vector == static_cast<u8>(Vector::pf) && !d.injected) core.s.cr2 = core.s.long_mode_active() ? core.fault.linear : static_cast<u32>(core.fault.linear);
    if (d.vector == static_cast<u8>(Vector::db) && !d.injected) {
        core.s.dr[6] = (core.s.dr[6] & ~u64{0xf}) | (d.debug_status & 0xe00f) | 0xffff0ff0;
        core.s.dr[7] &= ~u64{1 << 13};               // GD
        core.s.debugctl &= ~u64{1};                  // LBR
    }
}

void triple_fault(Core& core) {
    if (core.vmx->non_root()) {
        leave_guest(core, vmx::ExitReason::triple_fault, {});
        return;
    }
    core.end(EndCause::triple_fault, 4);
}

}  // namespace

void deliver(Core& core, const Delivery& delivery) {
    if (core.on_delivery && core.on_delivery(delivery)) return;
    Delivery d = delivery;
    Delivery original;
    bool nested = false;
    const bool unblocked_nmi = std::exchange(core.iret_unblocked_nmi, false);
    // Software interrupts and exceptions let debug exceptions pass that loading SS has held back; all other events end them. SDM vol. 3, "Delivery of Pending Debug
    // Exceptions after VM Entry", which says it for injected events.
    const bool keeps_pending_debug = d.type == Type::software_interrupt || d.type == Type::software_exception;
    if (!d.injected) core.settle_resume_flag();
    for (;;) {
        const bool exception = d.type == Type::hardware_exception || d.type == Type::software_exception || d.type == Type::privileged_software_exception;
        if (exception && !d.injected && core.vmx->non_root() && core.vmx->exits_on_exception(d.vector, d.error_code)) {
            // A double fault that exits directly is not reported as met during delivery.
            const bool vectoring = nested && d.vector != static_cast<u8>(Vector::df);
            if (saves_length(d)) core.s.rip = d.fault_rip;
            exit_on_exception(core, d, vectoring ? &original : nullptr, unblocked_nmi);
            return;
        }
        update_state(core, d);
        const Event event = deliver_once(core, d);
        const bool switched = std::exchange(core.task_switched, false);
        if (!event) {
            core.account_delivery();
            if (d.type == Type::external) ++core.stats.interrupts;
            else ++core.stats.exceptions;
            core.s.blocked_by_sti = core.s.blocked_by_mov_ss = false;
            if (!keeps_pending_debug && !d.injected) core.s.pending_debug = 0;
            core.interrupt_shadow = false;
            core.event_delivered = true;
            if (core.decode_mode.single_step) core.attention = true;          // the handler's first instruction is another step
            core.halted = false;
            core.s.activity = arch::Activity::active;
            return;
        }
        if (event.kind == arch::EventKind::vm_exit) {
            if (saves_length(d)) core.s.rip = d.fault_rip;
            vmx::ExitDetails details = details_of(core);
            details.instruction_length = 0;
            add_vectoring(details, d);
            details.keep_resume_flag = false;
            details.resume_flag = (pushed_flags(core, d) & arch::rflags::rf) != 0;
            leave_guest(core, static_cast<vmx::ExitReason>(event.number), details);
            return;
        }
        if (event.kind == arch::EventKind::resync) {
            // A frame or table in device memory: once more, in step. The event is kept and delivered first thing.
            core.pending_delivery = d;
            core.resync_request = true;
            core.attention = true;
            return;
        }
        // The nested fault belongs to the instruction, not to the one behind it; after a task switch, to the new task.
        if (saves_length(d) && !switched) core.s.rip = d.fault_rip;
        const Vector second = static_cast<Vector>(event.number);
        const Delivery next{static_cast<u8>(second), Type::hardware_exception, arch::pushes_error_code(second) && core.s.protected_mode(), event.code};
        // The exception bitmap comes before the double fault (and the triple fault) that it would become: SDM vol. 3, "Other Causes of VM Exits".
        if (core.vmx->non_root() && core.vmx->exits_on_exception(next.vector, next.error_code)) {
            exit_on_exception(core, next, &d, unblocked_nmi);
            return;
        }
        if (class_of(d) == Class::double_fault) {
            triple_fault(core);
            return;
        }
        original = d;
        nested = true;
        if (doubles(class_of(d), class_of(next))) d = Delivery{static_cast<u8>(Vector::df), Type::hardware_exception, core.s.protected_mode(), 0};
        else d = next;
    }
}

void handle(Core& core, Event event, u8 instruction_length) {
    switch (event.kind) {
        case arch::EventKind::vm_exit: {
            auto details = details_of(core);
            details.instruction_length = instruction_length;
            if (std::exchange(core.iret_unblocked_nmi, false) && event.number == static_cast<u16>(vmx::ExitReason::ept_violation)) details.qualification |= bit(12);
            // EPT violations and misconfigurations restart the instruction with RF set; instructions that exit do so with RF clear.
            const bool memory = event.number == static_cast<u16>(vmx::ExitReason::ept_violation) || event.number == static_cast<u16>(vmx::ExitReason::ept_misconfiguration);
            details.keep_resume_flag = false;
            details.resume_flag = memory;
            leave_guest(core, static_cast<vmx::ExitReason>(event.number), details);
            return;
        }
        case arch::EventKind::shutdown: core.end(EndCause::triple_fault, 4); return;
        case arch::EventKind::resync:
            core.resync_request = true;
            core.attention = true;
            return;
        case arch::EventKind::exception: {
            const auto vector = static_cast<Vector>(event.number);
            Delivery d{static_cast<u8>(vector), Type::hardware_exception, arch::pushes_error_code(vector) && core.s.protected_mode(), event.code};
            d.instruction_length = instruction_length;
            if (vector == Vector::db) d.debug_status = core.fault.qualification;
            deliver(core, d);
            return;
        }
        default: return;
    }
}

}  // namespace vtsim::cpu::events
