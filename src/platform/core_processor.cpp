// SPDX-License-Identifier: Apache-2.0
#include "platform/core_processor.h"

namespace vtsim::platform {

static_assert(static_cast<int>(Stop::limit) == static_cast<int>(cpu::Stop::limit) && static_cast<int>(Stop::halted) == static_cast<int>(cpu::Stop::halted));
static_assert(static_cast<int>(EndCause::vmx_abort) == static_cast<int>(cpu::EndCause::vmx_abort));
static_assert(static_cast<int>(ExecutionMode::timing) == static_cast<int>(cpu::Mode::timing));

CoreProcessor::CoreProcessor(const cpu::CoreParams& params, const ProcessorPorts& ports)
    : core_{ports.index, params, cpu::Surroundings{ports.memory, ports.bus, ports.io, ports.hierarchy, ports.costs}, ports.statistics} {
    core_.on_log = ports.log;
    core_.on_magic = [this, magic = ports.magic](unsigned function) {
        magic(function, core_.s.gpr[arch::rdi]);
    };
}

CoreProcessor::~CoreProcessor() = default;

Stop CoreProcessor::execute(u64 until_cycle) {
    core_.stop_requested = false;
    return static_cast<Stop>(core_.execute(until_cycle));
}

void CoreProcessor::end(EndCause cause, int status) {
    core_.end(static_cast<cpu::EndCause>(cause), status);
    core_.kick();
}

EndCause CoreProcessor::end_cause() const { return static_cast<EndCause>(core_.end_cause()); }

// The clock changes with the mode: a grant in progress was counted by the old one.
void CoreProcessor::set_mode(ExecutionMode mode) {
    core_.set_mode(static_cast<cpu::Mode>(mode));
    core_.stop_requested = true;
    core_.kick();
}

ProcessorFactory core_factory(const cpu::CoreParams& params) {
    return [params](const ProcessorPorts& ports) { return std::make_unique<CoreProcessor>(params, ports); };
}

}  // namespace vtsim::platform
