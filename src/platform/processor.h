// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "apic/local_apic.h"
#include "arch/state.h"
#include "base/physical_memory.h"
#include "base/stats/stats.h"

namespace vtsim::timing {
class MemoryHierarchy;
class InstructionCosts;
}

namespace vtsim::platform {

// Why execute() came back; as cpu::Core says it.
enum class Stop : u8 {
    budget,      // the granted cycles are used up
    resync,      // the next instruction touches a device: again, in step with the kernel
    halted,      // sleeps until something wakes it
    ended,       // nothing more will run: end_cause() says why
    limit,       // the instruction limit was reached, exactly
};
enum class EndCause : u8 { none, magic_exit, triple_fault, vmx_abort };
enum class ExecutionMode : u8 { functional, warm, timing };

// What a core module drives: cpu::Core in a machine, something small in a test. One call a quantum, so virtual functions cost nothing.
class Processor {
public:
    virtual ~Processor() = default;
    virtual Stop execute(u64 until_cycle) = 0;
    virtual void begin_activation(bool in_step) = 0;
    [[nodiscard]] virtual u64 cycles() const = 0;
    virtual void skip_to(u64 cycle) = 0;
    [[nodiscard]] virtual u64 instructions() const = 0;
    virtual void set_instruction_limit(u64 instructions) = 0;
    virtual void kick() = 0;
    [[nodiscard]] virtual bool wake_pending() const = 0;
    // While halted: whether a maskable interrupt would wake it. A processor that none would wake waits for an NMI, INIT or SIPI.
    [[nodiscard]] virtual bool interruptible() const = 0;
    // Ends it from outside (exit device): execute() returns Stop::ended after the current instruction.
    virtual void end(EndCause cause, int status) = 0;
    [[nodiscard]] virtual EndCause end_cause() const = 0;
    [[nodiscard]] virtual int exit_status() const = 0;
    virtual void set_mode(ExecutionMode mode) = 0;
    [[nodiscard]] virtual ExecutionMode mode() const = 0;
    [[nodiscard]] virtual std::string describe() const = 0;
    // The state as a loader sets it up; `state_changed` follows.
    virtual arch::State& state() = 0;
    virtual void state_changed() = 0;
    virtual apic::LocalApic* local_apic() = 0;        // nullptr: none
    // Cycle at which something of the processor itself is due (its timers); ~0: nothing.
    [[nodiscard]] virtual u64 next_deadline() const = 0;
    // With engine.record_forms: how often each instruction form was decoded.
    [[nodiscard]] virtual const std::map<std::string, u64>& recorded_forms() const = 0;
    // Brings statistics that are counted in batches up to date: before a report or a reset.
    virtual void settle_statistics() = 0;
};

// What a processor is connected to; all of it outlives the processor.
struct ProcessorPorts {
    unsigned index;
    PhysicalMemory& memory;
    BusPort& bus;
    IoPort& io;
    timing::MemoryHierarchy& hierarchy;
    const timing::InstructionCosts& costs;
    stats::Group& statistics;
    std::function<void(const std::string&)> log;                          // one line
    std::function<void(unsigned function, u64 argument)> magic;           // a magic instruction, exits included
};
using ProcessorFactory = std::function<std::unique_ptr<Processor>(const ProcessorPorts&)>;

}  // namespace vtsim::platform
