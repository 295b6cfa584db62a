// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/core.h"
#include "platform/processor.h"

namespace vtsim::platform {

// cpu::Core as a core module drives it.
class CoreProcessor final : public Processor {
public:
    CoreProcessor(const cpu::CoreParams& params, const ProcessorPorts& ports);
    ~CoreProcessor() override;

    Stop execute(u64 until_cycle) override;
    void begin_activation(bool in_step) override { core_.begin_activation(in_step); }
    [[nodiscard]] u64 cycles() const override { return core_.cycles(); }
    void skip_to(u64 cycle) override { core_.skip_to(cycle); }
    [[nodiscard]] u64 instructions() const override { return core_.instructions(); }
    void set_instruction_limit(u64 instructions) override { core_.set_instruction_limit(instructions); }
    void kick() override { core_.kick(); }
    [[nodiscard]] bool wake_pending() const override { return core_.wake_pending(); }
    [[nodiscard]] bool interruptible() const override { return core_.interruptible(); }
    void end(EndCause cause, int status) override;
    [[nodiscard]] EndCause end_cause() const override;
    [[nodiscard]] int exit_status() const override { return core_.exit_status(); }
    void set_mode(ExecutionMode mode) override;
    [[nodiscard]] ExecutionMode mode() const override { return static_cast<ExecutionMode>(core_.mode()); }
    [[nodiscard]] std::string describe() const override { return core_.describe(); }
    arch::State& state() override { return core_.s; }
    void state_changed() override { core_.state_changed(); }
    apic::LocalApic* local_apic() override { return core_.apic.get(); }
    [[nodiscard]] u64 next_deadline() const override { return core_.next_deadline(); }
    [[nodiscard]] const std::map<std::string, u64>& recorded_forms() const override { return core_.recorded_forms; }
    void settle_statistics() override { core_.count_instructions(); }
    [[nodiscard]] cpu::Core& core() { return core_; }

private:
    cpu::Core core_;
};

[[nodiscard]] ProcessorFactory core_factory(const cpu::CoreParams& params);

}  // namespace vtsim::platform
