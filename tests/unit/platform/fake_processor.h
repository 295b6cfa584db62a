// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "platform/machine_access.h"

namespace vtsim::platform::test {

// A processor that executes a list of steps, one instruction and one cycle each: enough to prove the shapes of the modules around it.
class FakeProcessor final : public Processor {
public:
    struct Step {
        enum class Kind { work, device, halt, end, fail } kind;
        u64 repeat = 1;                                     // work
        std::function<void(FakeProcessor&)> action;         // device
        EndCause cause = EndCause::none;
    };
    static Step work(u64 instructions) { return {Step::Kind::work, instructions, {}, {}}; }
    static Step device(std::function<void(FakeProcessor&)> action) { return {Step::Kind::device, 1, std::move(action), {}}; }
    static Step out(u16 port, unsigned size, u64 value) {
        return device([=](FakeProcessor& self) { self.ports.io.out(port, size, value); });
    }
    static Step halt() { return {Step::Kind::halt, 1, {}, {}}; }
    static Step end(EndCause cause) { return {Step::Kind::end, 1, {}, cause}; }
    using Program = std::deque<Step>;

    FakeProcessor(const ProcessorPorts& where, Program program) : ports{where}, program_{std::move(program)} {}

    Stop execute(u64 until_cycle) override {
        while (cycles_ < until_cycle) {
            if (end_ != EndCause::none) return Stop::ended;
            if (instructions_ >= limit_) return Stop::limit;
            if (program_.empty()) program_.push_back(halt());
            auto& step = program_.front();
            if (step.kind == Step::Kind::halt && wake_) {    // woken: HLT completes
                wake_ = false;
                program_.pop_front();
                continue;
            }
            if ((step.kind == Step::Kind::device || step.kind == Step::Kind::halt) && !in_step_) return Stop::resync;
            in_step_ = false;
            if (step.kind == Step::Kind::halt) return Stop::halted;
            if (step.kind == Step::Kind::work) {
                const u64 now = std::min({step.repeat, until_cycle - cycles_, limit_ - instructions_});
                advance(now);
                if ((step.repeat -= now) == 0) program_.pop_front();
                continue;
            }
            const Step taken = std::move(step);
            program_.pop_front();
            advance(1);
            if (taken.kind == Step::Kind::device) taken.action(*this);
            else end_ = taken.cause;
        }
        return end_ != EndCause::none ? Stop::ended : Stop::budget;
    }
    void begin_activation(bool in_step) override { in_step_ = in_step; activations.push_back(cycles_); }
    [[nodiscard]] u64 cycles() const override { return cycles_; }
    void skip_to(u64 cycle) override { cycles_ = cycle; }
    [[nodiscard]] u64 instructions() const override { return instructions_; }
    void set_instruction_limit(u64 instructions) override { limit_ = instructions; }
    void kick() override { wake_ = true; }
    [[nodiscard]] bool wake_pending() const override { return wake_; }
    [[nodiscard]] bool interruptible() const override { return interrupts_on; }
    void end(EndCause cause, int status) override { end_ = cause; status_ = status; }
    [[nodiscard]] EndCause end_cause() const override { return end_; }
    [[nodiscard]] int exit_status() const override { return status_; }
    void set_mode(ExecutionMode mode) override { mode_ = mode; }
    [[nodiscard]] ExecutionMode mode() const override { return mode_; }
    [[nodiscard]] std::string describe() const override { return "fake processor"; }
    arch::State& state() override { return state_; }
    void state_changed() override {}
    apic::LocalApic* local_apic() override { return apic.get(); }

    ProcessorPorts ports;
    [[nodiscard]] u64 next_deadline() const override { return apic ? apic->deadline() : ~u64{0}; }
    [[nodiscard]] const std::map<std::string, u64>& recorded_forms() const override { return forms_; }
    void settle_statistics() override {}

    std::vector<u64> activations;                           // cycle at which each began
    std::unique_ptr<apic::LocalApic> apic;
    bool interrupts_on = true;

private:
    void advance(u64 count) {
        cycles_ += count;
        instructions_ += count;
    }
    Program program_;
    u64 cycles_ = 0, instructions_ = 0, limit_ = ~u64{0};
    bool in_step_ = false, wake_ = false;
    EndCause end_ = EndCause::none;
    int status_ = 0;
    ExecutionMode mode_ = ExecutionMode::functional;
    arch::State state_;
    std::map<std::string, u64> forms_;
};

inline ProcessorFactory running(std::vector<FakeProcessor::Program> programs) {
    return [programs](const ProcessorPorts& ports) { return std::make_unique<FakeProcessor>(ports, programs.at(ports.index)); };
}

inline FakeProcessor& fake(Machine& machine, unsigned core = 0) {
    return static_cast<FakeProcessor&>(MachineAccess::system(machine).cores().at(core)->processor());
}

}  // namespace vtsim::platform::test
