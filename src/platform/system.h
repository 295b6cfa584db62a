// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <systemc>
#include <vector>
#include <vtsim/stats.h>

#include "base/physical_memory.h"
#include "base/stats/stats.h"
#include "platform/bus/bus_module.h"
#include "platform/core_module.h"
#include "platform/devices/pc_devices.h"
#include "platform/interrupt_fabric.h"
#include "platform/machine_params.h"
#include "platform/memory/memory_module.h"
#include "platform/region_of_interest.h"
#include "platform/remapping_unit_module.h"
#include "platform/run_control.h"
#include "timing/cache/memory_hierarchy.h"
#include "timing/instruction_costs.h"

namespace vtsim::platform {

// All modules of one machine, wired. Lives in its own kernel context: create, run and destroy it inside a ContextScope of that.
class System {
public:
    System(const MachineParams& params, const ProcessorFactory& make_processor);
    // One line a message: unassigned addresses, missing instructions. And what guests ask for by magic instructions.
    std::function<void(const std::string&)> on_log;
    std::function<void(unsigned function, u64 argument)> on_magic;

    void start(const BootState& boot);              // sets up the bootstrap processor

    struct Limits {
        u64 instructions = ~u64{0};                 // of all cores, from now
        u64 cycles = ~u64{0};                       // no core passes this cycle
    };
    enum class Outcome : u8 { ended, limit };
    // Runs until something ends it; `after_slice` is called every few tens of milliseconds of host time and may throw.
    Outcome run(const Limits& limits, const std::function<void()>& after_slice);
    [[nodiscard]] const std::optional<Ending>& ending() const { return control_.ending(); }

    [[nodiscard]] u64 instructions() const;         // of all cores
    [[nodiscard]] u64 cycles() const;               // of the most advanced core
    [[nodiscard]] double seconds() const { return clock_.seconds(cycles()); }
    [[nodiscard]] double host_seconds() const { return std::chrono::duration<double>(host_time_).count(); }
    [[nodiscard]] u64 kernel_cycles() const { return clock_.cycles_at(sc_core::sc_time_stamp()); }
    [[nodiscard]] bool instruction_limit_reached() const { return control_.instructions_left == 0; }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] PhysicalMemory& memory() { return memory_; }
    [[nodiscard]] PcDevices& devices() { return devices_; }
    [[nodiscard]] BusModule& bus() { return bus_; }
    [[nodiscard]] stats::Group& statistics() { return statistics_; }
    [[nodiscard]] std::vector<std::unique_ptr<CoreModule>>& cores() { return cores_; }
    void reset_statistics();
    // With machine.roi_stats, those of the latest region of interest: frozen at its end, until the next one begins.
    [[nodiscard]] Statistics figures();
    [[nodiscard]] bool region_seen() const { return region_seen_; }
    void set_mode(ExecutionMode mode);              // of all cores

private:
    [[nodiscard]] ProcessorPorts ports_of(CoreModule& core, unsigned index);
    void log(const std::string& line) const;
    void take_magic(CoreModule& core, unsigned function, u64 argument);
    void begin_region();
    void end_region();
    void settle_statistics();
    [[nodiscard]] Statistics collect_figures();
    void set_up_interrupts();
    void map_devices();
    void register_statistics();
    [[nodiscard]] bool limit_reached() const;

    stats::Group statistics_{nullptr, ""};
    stats::Group simulation_{statistics_, "sim"};
    stats::Group host_{statistics_, "host"};
    std::vector<std::unique_ptr<stats::Stat>> figures_;

    Clock clock_;
    PhysicalMemory memory_;
    timing::MemoryHierarchy hierarchy_;
    timing::InstructionCosts costs_;
    RunControl control_;
    BusModule bus_;
    MemoryModule ram_;
    BusInitiator memory_port_;                      // PhysicalMemory's own: models that have no port
    InterruptFabric interrupts_;
    RemappingUnitModule remapping_unit_;
    PcDevices devices_;
    std::vector<std::unique_ptr<CoreModule>> cores_;
    std::chrono::nanoseconds host_time_{0};
    RegionOfInterest region_;
    std::optional<ExecutionMode> mode_in_region_;
    bool statistics_of_region_;
    bool firmware_interrupts_;
    bool region_seen_ = false;
    ExecutionMode mode_around_region_ = ExecutionMode::functional;
    std::optional<Statistics> region_figures_;
    u64 instructions_at_reset_ = 0;
    u64 cycles_at_reset_ = 0;
};

}  // namespace vtsim::platform
