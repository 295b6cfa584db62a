// SPDX-License-Identifier: Apache-2.0
#include "platform/core_processor.h"

#include <vtsim/guest/magic.h>

#include "cpu/core.h"

namespace vtsim::platform {
namespace {

class CoreProcessor final : public Processor {
public:
    CoreProcessor(const cpu::CoreParams& params, const ProcessorPorts& ports)
        : core_{ports.index, params, {ports.memory, ports.bus, ports.io, ports.hierarchy, ports.costs}, ports.statistics} {
        core_.on_log = ports.log;
        core_.on_magic = [this, magic = ports.magic](unsigned function) {
            const u64 argument = core_.s.gpr[arch::rdi];
            if (function == VTSIM_MAGIC_EXIT) core_.end(cpu::EndCause::magic_exit, static_cast<int>(static_cast<u32>(argument)));
            if (magic) magic(function, argument);
        };
    }

    Stop execute(u64 until_cycle) override {
        switch (core_.execute(until_cycle)) {
            case cpu::Stop::budget: return Stop::budget;
            case cpu::Stop::resync: return Stop::resync;
            case cpu::Stop::halted: return Stop::halted;
            case cpu::Stop::limit: return Stop::limit;
            default: return Stop::ended;
        }
    }
    void begin_activation(bool in_step) override { core_.begin_activation(in_step); }
    [[nodiscard]] u64 cycles() const override { return core_.cycles(); }
    void skip_to(u64 cycle) override { core_.skip_to(cycle); }
    [[nodiscard]] u64 instructions() const override { return core_.instructions(); }
    void set_instruction_limit(u64 instructions) override { core_.set_instruction_limit(instructions); }
    void kick() override { core_.kick(); }
    [[nodiscard]] bool wake_pending() const override { return core_.wake_pending(); }
    [[nodiscard]] bool interruptible() const override { return core_.interruptible(); }
    void end(EndCause cause, int status) override {
        core_.end(static_cast<cpu::EndCause>(cause), status);
        core_.kick();
    }
    [[nodiscard]] EndCause end_cause() const override { return static_cast<EndCause>(core_.end_cause()); }
    [[nodiscard]] int exit_status() const override { return core_.exit_status(); }
    void set_mode(ExecutionMode mode) override { core_.set_mode(static_cast<cpu::Mode>(mode)); }
    [[nodiscard]] ExecutionMode mode() const override { return static_cast<ExecutionMode>(core_.mode()); }
    [[nodiscard]] std::string describe() const override { return core_.describe(); }
    arch::State& state() override { return core_.s; }
    void state_changed() override { core_.state_changed(); }
    apic::LocalApic* local_apic() override { return core_.apic.get(); }
    [[nodiscard]] u64 next_deadline() const override { return core_.next_deadline(); }
    void settle_statistics() override { core_.count_instructions(); }

private:
    cpu::Core core_;
};

static_assert(static_cast<int>(EndCause::vmx_abort) == static_cast<int>(cpu::EndCause::vmx_abort));
static_assert(static_cast<int>(ExecutionMode::timing) == static_cast<int>(cpu::Mode::timing));

}  // namespace

ProcessorFactory core_factory(const cpu::CoreParams& params) {
    return [params](const ProcessorPorts& ports) -> std::unique_ptr<Processor> { return std::make_unique<CoreProcessor>(params, ports); };
}

}  // namespace vtsim::platform
