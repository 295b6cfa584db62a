// SPDX-License-Identifier: Apache-2.0
#include "unicorn/subject.h"

#include <stdexcept>

#include "cpu/events/delivery.h"

namespace vtsim::unicorn {

SimulatedProcessor::SimulatedProcessor(cpu::Mode mode) {
    bench_.core.set_mode(mode);
    bench_.core.on_delivery = [this](const cpu::events::Delivery& delivery) {
        if (!event_) event_ = delivery;                               // a trap behind the instruction comes too late
        bench_.core.halted = true;
        bench_.core.attention = true;
        return true;
    };
}

void SimulatedProcessor::load(const arch::State& start) {
    auto& core = bench_.core;
    core.s = start;
    core.halted = core.interrupt_shadow = core.task_switched = core.event_delivered = false;
    event_.reset();
    core.state_changed();
    if ((start.cr0 & arch::cr0::pg) == 0) return;
    core.mmu.mov_cr3(start.cr3, false);
    core.state_changed();                                             // the context has another number now
}

Outcome SimulatedProcessor::step(const arch::State& start, const Port& port) {
    auto& core = bench_.core;
    load(start);
    bench_.io.answers = {{port.number, port.value}};
    bench_.io.reads.clear();
    bench_.io.writes.clear();
    core.set_instruction_limit(core.instructions() + 1);
    for (int activations = 0; activations < 16; ++activations) {
        core.begin_activation(true);
        if (core.execute(core.cycles() + 1'000'000) != cpu::Stop::resync) break;
    }
    if (core.s.gpr[arch::State::zero_register] != 0) throw std::logic_error("an instruction wrote to the register that stands for none");
    Outcome outcome;
    outcome.state = core.s;
    for (const auto& access : bench_.io.reads) outcome.io.push_back({access.port, access.size, false, access.value});
    for (const auto& access : bench_.io.writes) outcome.io.push_back({access.port, access.size, true, access.value});
    if (core.end_cause() != cpu::EndCause::none) throw std::logic_error("vtsim's processor has ended");
    if (!event_) return outcome;
    // A fault of the fetch that comes next, which a direct branch does already.
    const bool of_fetch = event_->vector == static_cast<u8>(arch::Vector::pf) || event_->vector == static_cast<u8>(arch::Vector::gp);
    if (of_fetch && event_->type == cpu::events::Type::hardware_exception && core.s.rip != start.rip && (core.s.cr0 & arch::cr0::pg) != 0) return outcome;
    outcome.end = End::exception;
    outcome.vector = event_->vector;
    outcome.error_code = event_->has_error_code ? event_->error_code : 0;
    outcome.software = event_->type != cpu::events::Type::hardware_exception;
    // A page fault's address is loaded when it is delivered.
    if (!outcome.software && event_->vector == static_cast<u8>(arch::Vector::pf)) outcome.state.cr2 = start.long_mode_active() ? core.fault.linear : static_cast<u32>(core.fault.linear);
    return outcome;
}

Outcome SimulatedProcessor::deliver(const arch::State& start, u8 vector) {
    load(start);
    const auto event = cpu::events::deliver_once(bench_.core, {.vector = vector, .type = cpu::events::Type::external});
    Outcome outcome;
    outcome.state = bench_.core.s;
    if (!event) return outcome;
    outcome.end = event.kind == arch::EventKind::exception ? End::exception : End::outside;          // a frame in device memory
    outcome.vector = event.number;
    outcome.error_code = event.code;
    if (event.number == static_cast<u16>(arch::Vector::pf)) outcome.state.cr2 = bench_.core.fault.linear;
    return outcome;
}

}  // namespace vtsim::unicorn
