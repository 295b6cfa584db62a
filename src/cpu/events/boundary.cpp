// SPDX-License-Identifier: Apache-2.0
// Between two instructions. SDM vol. 3, "Priority Among Concurrent Events"; for VMX "Event Blocking" and "VM Exits".
#include <utility>

#include "apic/local_apic.h"
#include "cpu/events/events.h"
#include "cpu/events/transitions.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::events {
namespace {

constexpr u64 single_step = bit(14), enabled_breakpoint = bit(12), task_switch = bit(15);

bool can_take_nmi(const Core& core, bool shadow) {
    if (shadow || core.s.activity == arch::Activity::wait_for_sipi) return false;
    const auto& i = core.vmx->intercepts;
    if (i.non_root && i.virtual_nmis) return true;              // physical NMIs exit; blocking is virtual
    return !core.s.blocked_by_nmi;
}

bool take_init(Core& core) {
    if ((core.apic->signals() & apic::signal_init) == 0) return false;
    if (core.vmx->root()) return false;                          // blocked in VMX root operation, stays pending
    core.apic->take_init();
    if (core.vmx->non_root()) {
        leave_guest(core, vmx::ExitReason::init, {});
        return true;
    }
    core.init_reset();
    return true;
}

bool take_startup(Core& core) {
    if ((core.apic->signals() & apic::signal_startup) == 0) return false;
    const auto vector = core.apic->take_startup();
    if (!vector || core.s.activity != arch::Activity::wait_for_sipi) return false;
    if (core.vmx->non_root()) {
        vmx::ExitDetails details;
        details.qualification = *vector;
        leave_guest(core, vmx::ExitReason::sipi, details);
        return true;
    }
    core.start_up(*vector);
    return true;
}

// Data and I/O breakpoints that the instruction before has met.
void settle_hits(Core& core) {
    if (core.breakpoint_hits == 0) return;
    core.s.pending_debug |= std::exchange(core.breakpoint_hits, 0U) | enabled_breakpoint;
}

bool take_debug_trap(Core& core) {
    if ((core.s.pending_debug & (single_step | enabled_breakpoint | task_switch)) == 0 || core.s.blocked_by_mov_ss) return false;
    const u64 status = core.s.pending_debug & (0xf | single_step | task_switch);
    core.s.pending_debug = 0;
    deliver(core, {.vector = 1, .type = Type::hardware_exception, .debug_status = status});
    return true;
}

bool take_nmi(Core& core, bool shadow) {
    if ((core.apic->signals() & apic::signal_nmi) == 0 || !can_take_nmi(core, shadow)) return false;
    core.apic->take_nmi();
    if (core.vmx->non_root() && core.vmx->intercepts.nmi) {
        vmx::ExitDetails details;
        details.interruption_information = vmx::interruption::encode(vmx::EventType::nmi, 2);
        leave_guest(core, vmx::ExitReason::exception_or_nmi, details);
        return true;
    }
    core.s.blocked_by_nmi = true;
    deliver(core, {.vector = 2, .type = Type::nmi});
    return true;
}

bool take_interrupt(Core& core, bool shadow) {
    if (!core.apic->interrupt_pending() || core.s.activity == arch::Activity::shutdown || core.s.activity == arch::Activity::wait_for_sipi) return false;
    const bool enabled = (core.s.rflags & arch::rflags::if_) != 0;
    const auto& i = core.vmx->intercepts;
    if (i.non_root && i.external_interrupt) {
        if (shadow) return false;                                // implementation specific; held until the shadow is over
        vmx::ExitDetails details;
        if (i.acknowledge_interrupt) details.interruption_information = vmx::interruption::encode(vmx::EventType::external_interrupt, core.apic->acknowledge());
        leave_guest(core, vmx::ExitReason::external_interrupt, details);
        return true;
    }
    if (!enabled || shadow) return false;
    deliver(core, {.vector = core.apic->acknowledge(), .type = Type::external});
    return true;
}

}  // namespace

bool take_pending(Core& core, bool shadow) {
    core.apic->advance(core.cycles());
    settle_hits(core);
    if (core.pending_delivery) {                                 // its frame lies in device memory: again, in step
        const auto delivery = *std::exchange(core.pending_delivery, std::nullopt);
        deliver(core, delivery);
        return true;
    }
    if (take_init(core) || take_startup(core)) return true;
    if (core.s.activity == arch::Activity::wait_for_sipi) return false;
    const auto& i = core.vmx->intercepts;
    if (i.non_root && core.mtf_pending) {
        core.mtf_pending = false;
        leave_guest(core, vmx::ExitReason::monitor_trap_flag, {});
        return true;
    }
    if (take_debug_trap(core)) return true;
    if (i.non_root && core.tsc() >= core.preemption_deadline) {
        leave_guest(core, vmx::ExitReason::preemption_timer, {});
        return true;
    }
    if (i.non_root && i.nmi_window && !core.vmx->virtual_nmi_blocking && !shadow) {
        leave_guest(core, vmx::ExitReason::nmi_window, {});
        return true;
    }
    if (take_nmi(core, shadow)) return true;
    if (i.non_root && i.interrupt_window && !shadow && (core.s.rflags & arch::rflags::if_) != 0 && core.s.activity != arch::Activity::shutdown) {
        leave_guest(core, vmx::ExitReason::interrupt_window, {});
        return true;
    }
    return take_interrupt(core, shadow);
}

bool single_steps(Core& core) { return core.vmx->intercepts.monitor_trap_flag; }

void after_step(Core& core, bool trap_flag, bool retired) {
    const bool delivered = std::exchange(core.event_delivered, false);
    if (core.vmx->intercepts.monitor_trap_flag && core.vmx->non_root() && (retired || delivered)) core.mtf_pending = core.attention = true;
    if (trap_flag && retired && !delivered) {
        core.s.pending_debug |= single_step;
        core.attention = true;
    }
}

void end_of_shadow(Core& core) {
    if (!core.interrupt_shadow) core.s.blocked_by_sti = core.s.blocked_by_mov_ss = false;
}

}  // namespace vtsim::cpu::events
