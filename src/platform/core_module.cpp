// SPDX-License-Identifier: Apache-2.0
#include "platform/core_module.h"

#include <algorithm>

namespace vtsim::platform {

using sc_core::sc_time;

CoreModule::CoreModule(const sc_core::sc_module_name& name, unsigned index, const Timing& timing, RunControl& control)
    : sc_module(name), port{"port", index}, index_{index}, timing_{timing}, control_{control} {
    SC_METHOD(run);
    SC_METHOD(on_timer);
    sensitive << timer_;
    dont_initialize();
}

void CoreModule::plug(std::unique_ptr<Processor> processor) {
    processor_ = std::move(processor);
    if (auto* const apic = processor_->local_apic())
        apic->attach(apic::Wake{[](void* self) { static_cast<CoreModule*>(self)->wake(); }, this});
}

void CoreModule::run() {
    try {
        activate();
    } catch (...) {
        control_.running = nullptr;
        control_.fail(std::current_exception());
        next_trigger(sc_core::SC_ZERO_TIME);
    }
}

void CoreModule::activate() {
    const u64 now = timing_.clock.cycles_at(sc_core::sc_time_stamp());
    if (processor_->cycles() < now) processor_->skip_to(now);          // slept
    sleeping_ = false;
    if (control_.ended() || control_.instructions_left == 0 || processor_->cycles() >= control_.cycle_limit) {
        // Not a moment of simulated time passes: the next run() finds everything as it is.
        RunControl::pause();
        return next_trigger(sc_core::SC_ZERO_TIME);
    }
    control_.count_activation();
    processor_->begin_activation(processor_->cycles() == now);
    const u64 before = processor_->instructions();
    processor_->set_instruction_limit(control_.instructions_left == ~u64{0} ? ~u64{0} : before + control_.instructions_left);
    control_.running = processor_.get();
    const Stop stop = processor_->execute(grant_end());
    control_.running = nullptr;
    go_on(stop, processor_->instructions() - before);
}

void CoreModule::go_on(Stop stop, u64 executed) {
    if (control_.instructions_left != ~u64{0}) control_.instructions_left -= std::min(executed, control_.instructions_left);
    if (stop == Stop::ended) control_.end(ending_of(processor_->end_cause()));
    if (stop == Stop::halted && !processor_->wake_pending()) return sleep();
    next_trigger(timing_.clock.time_of(processor_->cycles()) - sc_core::sc_time_stamp());
}

// Alone, the core never passes the next thing that another process will do, so that interrupts arrive at their exact cycle.
u64 CoreModule::grant_end() const {
    u64 end = processor_->cycles() + timing_.quantum;
    const auto* const context = sc_core::sc_get_curr_simcontext();
    if (timing_.alone && sc_core::sc_pending_activity_at_future_time(context)) {
        const u64 event = timing_.clock.cycles_at(sc_core::sc_time_stamp() + sc_core::sc_time_to_pending_activity(context));
        end = std::min(end, std::max(event, processor_->cycles() + 1));
    }
    return std::min(end, control_.cycle_limit);
}

// The timer of a processor that takes no interrupts is not waited for: only something else can wake it, and its APIC catches up then.
void CoreModule::sleep() {
    sleeping_ = true;
    if (processor_->interruptible()) arm_timer();
    next_trigger(wake_);
}

// Lazily: a notification that was brought forward or cancelled stays in the kernel's queue until its time, so a later deadline waits for
// the armed one and only then arms again.
void CoreModule::arm_timer() {
    const u64 deadline = processor_->next_deadline();
    if (deadline > timing_.clock.last_cycle()) return;
    const sc_time when = std::max(timing_.clock.time_of(deadline), sc_core::sc_time_stamp());
    if (armed_ && armed_for_ <= when) return;
    armed_ = true;
    armed_for_ = when;
    timer_.notify(when - sc_core::sc_time_stamp());
}

// An expiry that does not wake the processor (masked, or of too low a priority) is the last one waited for: while it sleeps, no later one differs.
void CoreModule::on_timer() {
    armed_ = false;
    if (!sleeping_) return;
    const u64 now = timing_.clock.cycles_at(sc_core::sc_time_stamp());
    if (processor_->next_deadline() > now) return arm_timer();
    if (auto* const apic = processor_->local_apic()) apic->advance(now);
    // What is still due is not the APIC's: the processor itself must look.
    if (processor_->wake_pending() || processor_->next_deadline() <= now) wake_.notify(sc_core::SC_ZERO_TIME);
}

void CoreModule::wake() {
    // What the processor does to itself while it executes (its timer, a self-IPI) is in time.
    const u64 now = timing_.clock.cycles_at(sc_core::sc_time_stamp());
    if (control_.running != processor_.get() && processor_->cycles() > now)
        control_.largest_skew = std::max(control_.largest_skew, processor_->cycles() - now);
    processor_->kick();
    if (sleeping_) wake_.notify(sc_core::SC_ZERO_TIME);
}

Ending CoreModule::ending_of(EndCause cause) const {
    switch (cause) {
        case EndCause::triple_fault: return {Ending::Cause::triple_fault, 0, index_, processor_->describe()};
        case EndCause::vmx_abort: return {Ending::Cause::vmx_abort, 0, index_, processor_->describe()};
        default: return {Ending::Cause::magic_exit, processor_->exit_status(), index_, {}};
    }
}

}  // namespace vtsim::platform
