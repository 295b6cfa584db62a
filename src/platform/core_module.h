// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemc>

#include "platform/bus/bus_initiator.h"
#include "platform/kernel/clock.h"
#include "platform/processor.h"
#include "platform/run_control.h"

namespace vtsim::platform {

// A processor as a process: one quantum an activation. Between activations the processor's clock may be ahead of the kernel's by up to a
// quantum; what touches devices is stopped before and redone in step.
class CoreModule final : public sc_core::sc_module {
public:
    BusInitiator port;

    struct Timing {
        Clock clock;
        u64 quantum;                // cycles
        bool alone;                 // the only core: pending kernel activity bounds its quantum, so interrupts are exact to the cycle
    };
    SC_HAS_PROCESS(CoreModule);
    CoreModule(const sc_core::sc_module_name& name, unsigned index, const Timing& timing, RunControl& control);
    // The processor is made after the module, as it needs the module's port.
    void plug(std::unique_ptr<Processor> processor);
    [[nodiscard]] Processor& processor() { return *processor_; }
    [[nodiscard]] const Processor& processor() const { return *processor_; }

    // Something arrived for the processor: it looks at its next instruction boundary, and wakes if it sleeps.
    void wake();
    [[nodiscard]] bool sleeping() const { return sleeping_; }

private:
    void run();
    void activate();
    void go_on(Stop stop, u64 executed);
    [[nodiscard]] u64 grant_end() const;
    void sleep();
    void on_timer();
    void arm_timer();
    [[nodiscard]] Ending ending_of(EndCause cause) const;

    unsigned index_;
    Timing timing_;
    RunControl& control_;
    std::unique_ptr<Processor> processor_;
    sc_core::sc_event wake_{"wake"};
    sc_core::sc_event timer_{"timer"};
    sc_core::sc_time armed_for_;
    bool armed_ = false;
    bool sleeping_ = false;
};

}  // namespace vtsim::platform
