// SPDX-License-Identifier: Apache-2.0
#include "platform/system.h"

#include <algorithm>
#include <numeric>

#include "vtsim/guest/magic.h"
#include "platform/preset.h"

namespace vtsim::platform {
namespace {

// Numbers of the bus's initiators; the cores come first.
constexpr u32 memory_initiator = 64;
constexpr u32 remapping_initiator = 65;
constexpr u32 dma_initiator = 66;

constexpr u64 remapping_unit_address = 0xfed90000;
constexpr std::chrono::milliseconds slice{40};           // of host time

ExecutionMode mode_of(const std::string& name) {
    return name == "timing" ? ExecutionMode::timing : name == "warm" ? ExecutionMode::warm : ExecutionMode::functional;
}

timing::InstructionCosts load_costs(const std::string& preset) {
    if (preset == "none") return {};
    return timing::InstructionCosts::load(preset.find('/') != std::string::npos ? std::filesystem::path(preset) : find_preset("timing", preset));
}

}  // namespace

System::System(const MachineParams& params, const ProcessorFactory& make_processor)
    : clock_{params.core.frequency_hz},
      memory_{params.memory.size},
      hierarchy_{params.cache, params.dram, statistics_},
      costs_{load_costs(params.machine.instruction_costs)},
      bus_{"bus", statistics_},
      ram_{"memory", memory_, params.bus.dmi},
      memory_port_{"memory_port", memory_initiator},
      interrupts_{"interrupts"},
      remapping_unit_{"remapping_unit", params.iommu, remapping_initiator, clock_, statistics_},
      devices_{interrupts_, params.memory.size, params.machine.cpus, dma_initiator, [this](int status) {
                   control_.end({Ending::Cause::guest_exit, status, 0, {}});
                   if (control_.running != nullptr) control_.running->end(EndCause::magic_exit, status);
               }},
      statistics_of_region_{params.machine.roi_stats},
      firmware_interrupts_{params.loader.firmware_interrupts} {
    bus_.on_unassigned([this](const std::string& line) { log(line); });
    map_devices();
    memory_.attach(&memory_port_);
    // DMA is coherent with the caches of all cores.
    ram_.on_device_access = [this](PhysicalAddress address, u64 bytes, bool write) { hierarchy_.snoop(address, bytes, write); };
    for (unsigned i = 0; i < params.machine.cpus; ++i) {
        const auto name = "cpu" + std::to_string(i);
        auto& core = *cores_.emplace_back(std::make_unique<CoreModule>(name.c_str(), i, CoreModule::Timing{clock_, params.machine.quantum, params.machine.cpus == 1}, control_));
        core.port.socket.bind(bus_.initiators);
        core.plug(make_processor(ports_of(core, i)));
        if (auto* const apic = core.processor().local_apic()) interrupts_.add(*apic);
    }
    register_statistics();
    set_mode(mode_of(params.machine.mode));
    if (!params.machine.roi_mode.empty()) mode_in_region_ = mode_of(params.machine.roi_mode);
}

ProcessorPorts System::ports_of(CoreModule& core, unsigned index) {
    return {.index = index,
            .memory = memory_,
            .bus = core.port,
            .io = core.port,
            .hierarchy = hierarchy_,
            .costs = costs_,
            .statistics = statistics_,
            .log = [this](const std::string& line) { log(line); },
            .magic = [this, &core](unsigned function, u64 argument) { take_magic(core, function, argument); }};
}

void System::log(const std::string& line) const {
    if (on_log) on_log(line);
}

void System::take_magic(CoreModule& core, unsigned function, u64 argument) {
    switch (function) {
        case VTSIM_MAGIC_EXIT: return core.processor().end(EndCause::magic_exit, static_cast<int>(argument & 0x7fff'ffff));
        case VTSIM_MAGIC_STATS_RESET: return reset_statistics();
        case VTSIM_MAGIC_MODE_FUNCTIONAL: return set_mode(ExecutionMode::functional);
        case VTSIM_MAGIC_MODE_WARM: return set_mode(ExecutionMode::warm);
        case VTSIM_MAGIC_MODE_TIMING: return set_mode(ExecutionMode::timing);
        case VTSIM_MAGIC_ROI_BEGIN: begin_region(); break;
        case VTSIM_MAGIC_ROI_END: end_region(); break;
        default: break;
    }
    if (on_magic) on_magic(function, argument);
}

void System::begin_region() {
    if (!region_.begin()) return;
    region_seen_ = true;
    mode_around_region_ = cores_.front()->processor().mode();
    if (mode_in_region_) set_mode(*mode_in_region_);
    if (statistics_of_region_) reset_statistics();
}

void System::end_region() {
    if (!region_.end()) return;
    if (statistics_of_region_) region_figures_ = collect_figures();
    if (mode_in_region_) set_mode(mode_around_region_);
}

void System::set_mode(ExecutionMode mode) {
    for (auto& core : cores_) core->processor().set_mode(mode);
}

void System::settle_statistics() {
    for (auto& core : cores_) core->processor().settle_statistics();
}

Statistics System::figures() { return region_figures_ ? *region_figures_ : collect_figures(); }

Statistics System::collect_figures() {
    std::vector<Statistic> figures;
    settle_statistics();
    statistics_.visit([&](const std::string& name, const stats::Stat& figure) {
        figures.push_back({name, {}, std::string(stats::name_of(figure.unit())), figure.description()});
        std::visit([&](auto&& value) { figures.back().value = std::forward<decltype(value)>(value); }, figure.value());
    });
    return Statistics(std::move(figures));
}

void System::map_devices() {
    memory_port_.socket.bind(bus_.initiators);
    remapping_unit_.memory.socket.bind(bus_.initiators);
    devices_.test_dma.dma.socket.bind(remapping_unit_.requests);

    const unsigned ram = bus_.attach(ram_.socket, false);
    bus_.map(Space::memory, 0, memory_.low_end(), ram, "memory");
    if (memory_.high_end() > PhysicalMemory::hole_end)
        bus_.map(Space::memory, PhysicalMemory::hole_end, memory_.high_end() - PhysicalMemory::hole_end, ram, "memory above 4 GiB", PhysicalMemory::hole_end);
    bus_.map(Space::memory, InterruptFabric::message_first, InterruptFabric::message_bytes, bus_.attach(interrupts_.messages), "interrupts");
    bus_.map(Space::memory, remapping_unit_address, page_size, bus_.attach(remapping_unit_.registers), "remapping_unit");
    devices_.map(bus_);
}

void System::register_statistics() {
    using stats::Unit;
    const auto add = [this](stats::Group& group, const char* name, Unit unit, const char* description, stats::Formula::Function function) {
        figures_.push_back(std::make_unique<stats::Formula>(group, name, unit, description, std::move(function)));
    };
    add(simulation_, "instructions", Unit::instructions, "instructions retired by all cores", [this] { return instructions() - instructions_at_reset_; });
    add(simulation_, "cycles", Unit::cycles, "core cycles that the most advanced core has seen, idle ones included", [this] { return cycles() - cycles_at_reset_; });
    add(simulation_, "seconds", Unit::seconds, "simulated time", [this] { return clock_.seconds(cycles() - cycles_at_reset_); });
    add(simulation_, "max_skew", Unit::cycles, "largest distance by which a core was ahead when an interrupt reached it", [this] { return control_.largest_skew; });
    add(host_, "seconds", Unit::seconds, "host time spent in simulation", [this] { return host_seconds(); });
    add(host_, "ram_transactions", Unit::events, "bus transactions that reached RAM since the start: how an access travels is not part of the model",
        [this] { return ram_.transactions(); });
    add(host_, "mips", Unit::per_second, "millions of simulated instructions per second of host time", [this] {
        return host_seconds() > 0 ? static_cast<double>(instructions() - instructions_at_reset_) / host_seconds() / 1e6 : 0.0;
    });
}

void System::reset_statistics() {
    settle_statistics();
    statistics_.reset();
    region_figures_.reset();
    instructions_at_reset_ = instructions();
    cycles_at_reset_ = cycles();
    control_.largest_skew = 0;
    host_time_ = {};
}

u64 System::instructions() const {
    return std::accumulate(cores_.begin(), cores_.end(), u64{0}, [](u64 sum, const auto& core) { return sum + core->processor().instructions(); });
}

u64 System::cycles() const {
    return std::accumulate(cores_.begin(), cores_.end(), u64{0}, [](u64 most, const auto& core) { return std::max(most, core->processor().cycles()); });
}

// Intel 8259A data sheet, "Initialization Command Words"; MultiProcessor Specification 1.4, "Virtual Wire Mode".
void System::set_up_interrupts() {
    const auto initialise = [](Pic8259& pic, u8 vectors, u8 cascade) {
        pic.write(0, 1, 0x11);
        for (const u8 word : {vectors, cascade, u8{1}, u8{0}}) pic.write(1, 1, word);          // ICW2 to ICW4; OCW1: no input is masked
    };
    initialise(interrupts_.pics.first, 0x08, 4);
    initialise(interrupts_.pics.second, 0x70, 2);
    constexpr u32 spurious = 0xf0, lint0 = 0x350, lint1 = 0x360;
    if (auto* const apic = cores_.front()->processor().local_apic()) {
        apic->write_mmio(spurious, 4, 0x1ff, 0);
        apic->write_mmio(lint0, 4, 0x700, 0);                                                  // ExtINT
        apic->write_mmio(lint1, 4, 0x400, 0);                                                  // NMI
    }
}

void System::start(const BootState& boot) {
    auto& processor = cores_.front()->processor();
    apply(boot, processor.state());
    if (firmware_interrupts_) set_up_interrupts();
    processor.state_changed();
}

bool System::limit_reached() const {
    return control_.instructions_left == 0 || sc_core::sc_time_stamp() >= control_.end_time;
}

System::Outcome System::run(const Limits& limits, const std::function<void()>& after_slice) {
    control_.instructions_left = limits.instructions;
    control_.cycle_limit = limits.cycles;
    control_.end_time = limits.cycles > clock_.last_cycle() ? sc_core::sc_max_time() : clock_.time_of(limits.cycles);
    while (!control_.ended() && !limit_reached()) {
        const auto begin = std::chrono::steady_clock::now();
        control_.begin_slice(slice);
        sc_core::sc_start(control_.end_time - sc_core::sc_time_stamp(), sc_core::SC_EXIT_ON_STARVATION);
        host_time_ += std::chrono::steady_clock::now() - begin;
        if (auto failure = control_.take_failure()) std::rethrow_exception(failure);
        if (!control_.ended() && !sc_core::sc_pending_activity()) control_.end({Ending::Cause::halted, 0, 0, {}});
        after_slice();
    }
    return control_.ended() ? Outcome::ended : Outcome::limit;
}

}  // namespace vtsim::platform
