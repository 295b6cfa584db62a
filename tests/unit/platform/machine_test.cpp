// SPDX-License-Identifier: Apache-2.0
#include <vtsim/guest/magic.h>
#include <vtsim/machine.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "platform/kernel/context.h"
#include "timing/cache/memory_port.h"
#include "unit/platform/fake_processor.h"
#include "unit/platform/image_builder.h"

namespace vtsim::platform {
namespace {

using namespace test;
using Program = FakeProcessor::Program;
using testing::HasSubstr;

constexpr auto work = FakeProcessor::work;
constexpr auto out = FakeProcessor::out;

MachineParams params_for(std::size_t cpus = 1, u64 quantum = 1000) {
    MachineParams params;
    params.machine.cpus = static_cast<unsigned>(cpus);
    params.machine.quantum = quantum;
    params.machine.instruction_costs = "none";
    params.core.frequency_hz = 2'000'000'000;
    params.memory.size = 4 * MiB;
    return params;
}

Machine loaded(const MachineParams& params, const std::vector<Program>& programs) {
    auto machine = MachineAccess::make(params, running(programs));
    const TemporaryFile image(elf32());
    machine.load({.path = image.path(), .command_line = "", .initrd = "", .modules = {}});
    return machine;
}

Machine machine_with(const std::vector<Program>& programs, u64 quantum = 1000) { return loaded(params_for(programs.size(), quantum), programs); }

TEST(Machine, EndsWithTheStatusThatTheGuestWroteToTheExitDevice) {
    auto machine = machine_with({{work(12345), out(0xf4, 1, 0x10), work(1'000'000)}});
    const auto result = machine.run();
    EXPECT_EQ(result.reason, StopReason::guest_exit);
    EXPECT_EQ(result.status, 0x21);
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 12346U);          // not one instruction later
    EXPECT_EQ(machine.statistics().count("sim.cycles"), 12346U);
    EXPECT_DOUBLE_EQ(machine.statistics().number("sim.seconds"), 12346 / 2e9);
}

TEST(Machine, ReportsEveryOtherEndWithItsStatus) {
    auto fault = machine_with({{work(5), FakeProcessor::end(EndCause::triple_fault)}});
    auto result = fault.run();
    EXPECT_EQ(result.reason, StopReason::triple_fault);
    EXPECT_EQ(result.status, 4);
    EXPECT_EQ(result.dump, "fake processor");
    EXPECT_EQ(machine_with({{FakeProcessor::end(EndCause::vmx_abort)}}).run().status, 4);
    result = machine_with({{FakeProcessor::end(EndCause::magic_exit)}}).run();
    EXPECT_EQ(result.reason, StopReason::clean_end);
    EXPECT_EQ(result.status, 0);
    result = machine_with({{work(100)}, {work(7)}}).run();
    EXPECT_EQ(result.reason, StopReason::halted);
    EXPECT_EQ(result.status, 8);
}

TEST(Machine, StopsExactlyAtAnInstructionLimitAndGoesOn) {
    auto machine = machine_with({{work(10'000), out(0xf4, 1, 0)}}, 300);
    for (const u64 expected : {u64{777}, u64{1554}, u64{2331}}) {
        const auto result = machine.run({.instructions = 777});
        EXPECT_EQ(result.reason, StopReason::limit);
        EXPECT_EQ(result.status, 6);
        EXPECT_EQ(machine.statistics().count("sim.instructions"), expected);
    }
    EXPECT_EQ(machine.run().reason, StopReason::guest_exit);
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 10'001U);
}

TEST(Machine, SharesAnInstructionLimitAmongItsCores) {
    auto machine = machine_with({{work(10'000)}, {work(10'000)}, {work(10'000)}}, 100);
    EXPECT_EQ(machine.run({.instructions = 3030}).reason, StopReason::limit);
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 3030U);
    for (unsigned i = 0; i < 3; ++i) EXPECT_NEAR(static_cast<double>(fake(machine, i).instructions()), 1010.0, 100.0);
}

TEST(Machine, StopsAtALimitOfSimulatedTime) {
    auto machine = machine_with({{work(1'000'000)}, {work(10)}}, 333);
    EXPECT_EQ(machine.run({.seconds = 1e-6}).reason, StopReason::limit);         // 2000 cycles at 2 GHz
    EXPECT_EQ(fake(machine).cycles(), 2000U);
    EXPECT_EQ(machine.run({.seconds = 1e-6}).reason, StopReason::limit);
    EXPECT_EQ(fake(machine).cycles(), 4000U);
}

TEST(Machine, SlicingARunChangesNothing) {
    const std::vector<Program> programs{{work(1500), out(0x3f8, 1, 'a'), work(700), out(0x3f8, 1, 'b'), work(99'999), out(0xf4, 1, 3)}, {work(50'000), out(0x3f8, 1, 'c')}};
    const auto trace = [&](u64 slice) {
        auto machine = machine_with(programs);
        std::string serial;
        machine.on_serial([&](std::string_view text) { serial += text; });
        RunResult result;
        do result = machine.run({.instructions = slice});
        while (result.reason == StopReason::limit);
        return serial + std::to_string(result.status) + "/" + std::to_string(machine.statistics().count("sim.instructions")) + "/" +
               std::to_string(machine.statistics().count("sim.cycles"));
    };
    const auto whole = trace(0);
    EXPECT_THAT(whole, HasSubstr("abc7/"));
    for (const u64 slice : {u64{1000}, u64{12'345}}) EXPECT_EQ(trace(slice), whole);
}

TEST(Machine, ReachesDevicesInStepWithTheKernel) {
    std::vector<std::pair<u64, u64>> seen;               // cycle of the processor, cycle of the kernel
    const auto look = FakeProcessor::device([&](FakeProcessor& self) {
        seen.emplace_back(self.cycles() - 1, static_cast<u64>(sc_core::sc_time_stamp().value() / 500));
    });
    auto machine = machine_with({{work(1234), look, look, work(5), look}});
    machine.run();
    EXPECT_EQ(seen, (std::vector<std::pair<u64, u64>>{{1234, 1234}, {1235, 1235}, {1241, 1241}}));
}

TEST(Machine, KeepsCoresWithinAQuantumOfEachOther) {
    u64 largest = 0;
    Machine* watched = nullptr;
    const auto check = FakeProcessor::device([&](FakeProcessor& self) {
        const u64 other = fake(*watched, 1 - self.ports.index).cycles();
        largest = std::max(largest, other > self.cycles() ? other - self.cycles() : self.cycles() - other);
    });
    Program program;
    for (int i = 0; i < 200; ++i) program.insert(program.end(), {work(37), check});
    auto machine = machine_with({program, program}, 500);
    watched = &machine;
    machine.run();
    EXPECT_GT(largest, 0U);
    EXPECT_LE(largest, 501U);
}

// A local APIC whose timer the test starts, as a guest would by its registers.
ProcessorFactory with_apic(Program program, u64 initial_count, bool interrupts_on = true) {
    return [=](const ProcessorPorts& ports) {
        auto processor = std::make_unique<FakeProcessor>(ports, program);
        processor->interrupts_on = interrupts_on;
        processor->apic = std::make_unique<apic::LocalApic>(apic::LocalApicParams{.timer_hz = 2'000'000'000}, ports.index, ports.index == 0, 2'000'000'000, 46, nullptr);
        auto& apic = *processor->apic;
        apic.write_mmio(apic::offset::svr, 4, 0x1ff, 0);
        apic.write_mmio(apic::offset::divide, 4, 0xb, 0);
        apic.write_mmio(apic::offset::lvt_timer, 4, 0x40, 0);
        if (initial_count != 0) apic.write_mmio(apic::offset::initial_count, 4, initial_count, 0);
        return processor;
    };
}

Machine machine_of(const ProcessorFactory& factory, std::size_t cpus = 1) {
    auto machine = MachineAccess::make(params_for(cpus), factory);
    const TemporaryFile image(elf32());
    machine.load({.path = image.path(), .command_line = "", .initrd = "", .modules = {}});
    return machine;
}

TEST(Machine, JumpsOverIdleTimeToTheTimerExactly) {
    auto machine = machine_of(with_apic({work(100), FakeProcessor::halt(), out(0xf4, 1, 0)}, 4'000'000'000));
    EXPECT_EQ(machine.run().reason, StopReason::guest_exit);
    EXPECT_EQ(fake(machine).cycles(), 4'000'000'001U);
    EXPECT_EQ(fake(machine).instructions(), 101U);
}

TEST(Machine, DoesNotWaitForATimerThatCannotWakeAnyone) {
    auto machine = machine_of(with_apic({work(100), FakeProcessor::halt(), out(0xf4, 1, 0)}, 4'000'000, false));
    EXPECT_EQ(machine.run().reason, StopReason::halted);
    EXPECT_EQ(fake(machine).cycles(), 100U);
}

TEST(Machine, WakesAHaltedCoreByAMessageOnTheBus) {
    auto factory = [](const ProcessorPorts& ports) -> std::unique_ptr<Processor> {
        const auto send = FakeProcessor::device([](FakeProcessor& self) { self.ports.bus.write(PhysicalAddress{0xfee01000}, 4, 0x4055); });
        return with_apic(ports.index == 0 ? Program{work(5000), send, FakeProcessor::halt()} : Program{FakeProcessor::halt(), work(10), out(0xf4, 1, 2)}, 0)(ports);
    };
    auto machine = machine_of(factory, 2);
    EXPECT_EQ(machine.run().status, 5);
    EXPECT_EQ(fake(machine, 1).apic->acknowledge(), 0x55);
    EXPECT_EQ(fake(machine, 1).cycles(), 5000U + 11);
    EXPECT_EQ(machine.statistics().count("bus.interrupt_messages"), 1U);
}

TEST(Machine, RunsDmaThroughTheRemappingUnit) {
    const auto start = FakeProcessor::device([](FakeProcessor& self) {
        auto& bus = self.ports.bus;
        const PhysicalAddress device{PcDevices::test_dma_address};
        bus.write(device + 0x80, 8, 0x10ff0);                    // crosses a page
        bus.write(device + 0x88, 8, TestDma::buffer_address);
        bus.write(device + 0x90, 8, 32);
        bus.write(device + 0x98, 8, 1);
        bus.write(device + 0x80, 8, TestDma::buffer_address);
        bus.write(device + 0x88, 8, 0x20000);
        bus.write(device + 0x98, 8, 3);
    });
    auto machine = machine_with({{start, out(0xf4, 1, 0)}});
    const std::string data = "thirty-two bytes of plain text!!";
    machine.write_memory(0x10ff0, data);
    machine.run();
    EXPECT_EQ(machine.read_memory(0x20000, 32), data);
    EXPECT_GE(machine.statistics().count("iommu.requests"), 3U);
}

TEST(Machine, DmaIsCoherentWithTheCaches) {
    constexpr PhysicalAddress source{0x10000}, target{0x20000};
    std::vector<u32> latencies;
    const auto dma = FakeProcessor::device([&](FakeProcessor& self) {
        auto& bus = self.ports.bus;
        stats::Group own{nullptr, ""};
        timing::MemoryPort port(self.ports.hierarchy, own);
        const PhysicalAddress device{PcDevices::test_dma_address};
        const auto copy = [&](u64 from, u64 to, u64 command) {
            bus.write(device + 0x80, 8, from);
            bus.write(device + 0x88, 8, to);
            bus.write(device + 0x90, 8, 64);
            bus.write(device + 0x98, 8, command);
        };
        for (const auto line : {source, target}) {
            static_cast<void>(port.store(line));
            latencies.push_back(port.load(line));
        }
        copy(source.value(), TestDma::buffer_address, 1);
        copy(TestDma::buffer_address, target.value(), 3);
        for (const auto line : {source, target}) latencies.push_back(port.load(line));
    });
    auto machine = machine_with({{dma, out(0xf4, 1, 0)}});
    machine.run();
    const u32 hit = latencies.at(0);
    EXPECT_EQ(latencies.at(1), hit);
    EXPECT_EQ(latencies.at(2), hit) << "a device that reads leaves the line where it is";
    EXPECT_GT(latencies.at(3), hit) << "a device that writes takes the line away";
    EXPECT_EQ(machine.statistics().count("memory.dram.writes"), 2U) << "both were modified";
}

TEST(Machine, GivesEveryExceptionOfACallbackToTheCallerAndGoesOn) {
    struct Odd : std::runtime_error { using runtime_error::runtime_error; };
    auto machine = machine_with({{work(10), out(0x3f8, 1, 'x'), work(10), out(0xf4, 1, 0)}});
    machine.on_serial([](std::string_view) { throw Odd("mine"); });
    EXPECT_THROW(machine.run(), Odd);
    EXPECT_EQ(machine.run().reason, StopReason::guest_exit);
}

TEST(Machine, RefusesNestedRunsAndASecondThread) {
    auto other = machine_with({{work(10)}});
    auto machine = machine_with({{out(0x3f8, 1, 'x'), out(0xf4, 1, 0)}});
    std::string nested, threaded, created;
    const auto message = [](auto&& action) -> std::string {
        try { action(); } catch (const InputError& error) { return error.what(); }
        return "(accepted)";
    };
    machine.on_serial([&](std::string_view) {
        nested = message([&] { other.run(); });
        created = message([&] { machine_with({{work(1)}}); });
        std::thread([&] { threaded = message([&] { other.run(); }); }).join();
        { auto dropped = std::move(other); }                     // destruction waits for the end of the run
    });
    EXPECT_EQ(machine.run().reason, StopReason::guest_exit);
    EXPECT_THAT(nested, HasSubstr("callback"));
    EXPECT_THAT(created, HasSubstr("callback"));
    EXPECT_THAT(threaded, HasSubstr("one host thread"));
}

TEST(Machine, ManyLiveSideBySideAndRunInTurns) {
    std::vector<Machine> machines;
    for (u64 i = 0; i < 20; ++i) machines.push_back(machine_with({{work(1000 * (i + 1)), out(0xf4, 1, i)}}));
    unsigned ended = 0;
    for (int round = 0; ended < machines.size(); ++round) {
        ended = 0;
        for (std::size_t i = 0; i < machines.size(); ++i) {
            if (fake(machines[i]).end_cause() == EndCause::none) machines[i].run({.instructions = 700});
            ended += fake(machines[i]).end_cause() != EndCause::none;
        }
        ASSERT_LT(round, 100);
    }
    for (u64 i = 0; i < 20; ++i) EXPECT_EQ(fake(machines[i]).cycles(), 1000 * (i + 1) + 1);
    while (machines.size() > 10) machines.erase(machines.begin() + 3);         // out of order
}

TEST(Machine, RefusesWhatMakesNoSense) {
    auto machine = machine_with({{out(0xf4, 1, 0)}});
    EXPECT_THROW(machine.load({.path = "again", .command_line = "", .initrd = "", .modules = {}}), InputError);
    machine.run();
    EXPECT_THROW(machine.run(), InputError);
    EXPECT_THROW(static_cast<void>(machine.describe_core(1)), InputError);
    EXPECT_THROW(machine.write_memory(4 * MiB - 1, "ab"), InputError);
    EXPECT_EQ(machine.read_memory(4 * MiB - 1, 2).back(), '\xff');
    auto empty = MachineAccess::make(params_for(), running({{}}));
    EXPECT_THROW(empty.run(), InputError);
    for (const auto& change : std::vector<void (*)(MachineParams&)>{[](auto& p) { p.machine.cpus = 0; }, [](auto& p) { p.machine.quantum = 0; },
                                                                     [](auto& p) { p.memory.size = 12345678; }, [](auto& p) { p.machine.mode = "fast"; }, [](auto& p) { p.machine.roi_mode = "fast"; },
                                                                     [](auto& p) { p.loader.format = "pe"; }, [](auto& p) { p.core.frequency_hz = 3; }}) {
        auto params = params_for();
        change(params);
        EXPECT_THROW(MachineAccess::make(params, running({{}})), ConfigError);
    }
}

TEST(Machine, ResetsItsStatisticsWithoutTouchingTheGuest) {
    auto machine = machine_with({{work(1000), out(0x80, 1, 0), work(1000), out(0xf4, 1, 0)}});
    machine.run({.instructions = 1500});
    EXPECT_EQ(machine.statistics().count("bus.writes"), 1U);
    machine.reset_statistics();
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 0U);
    machine.run();
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 502U);
    EXPECT_EQ(machine.statistics().count("bus.writes"), 1U);
}

TEST(Machine, ActsOnMagicInstructions) {
    const auto magic = [](unsigned function, u64 argument = 0) {
        return FakeProcessor::device([=](FakeProcessor& self) { self.ports.magic(function, argument); });
    };
    auto machine = machine_with({{out(0x80, 1, 0), magic(VTSIM_MAGIC_MODE_TIMING), magic(VTSIM_MAGIC_ROI_BEGIN), magic(VTSIM_MAGIC_MARK, 42), magic(VTSIM_MAGIC_STATS_RESET),
                                  work(9), magic(VTSIM_MAGIC_EXIT, 5), work(100)}, {work(10)}});
    std::vector<std::pair<GuestRequest, u64>> requests;
    machine.on_guest_request([&](GuestRequest request, u64 argument) { requests.emplace_back(request, argument); });
    const auto result = machine.run();
    EXPECT_EQ(requests, (std::vector<std::pair<GuestRequest, u64>>{{GuestRequest::region_begin, 0}, {GuestRequest::mark, 42}}));
    EXPECT_EQ(result.reason, StopReason::guest_exit);
    EXPECT_EQ(result.status, 11);                                              // odd: 5 << 1 | 1
    EXPECT_EQ(machine.mode(), Mode::timing);
    EXPECT_EQ(fake(machine, 1).mode(), ExecutionMode::timing);
    EXPECT_EQ(machine.statistics().count("bus.writes"), 0U);
    EXPECT_EQ(machine_with({{magic(VTSIM_MAGIC_EXIT, 0)}}).run().reason, StopReason::clean_end);
}

// The region is the machine's: from the first begin, by whichever processor, until as many ends.
TEST(Machine, ChangesModeInTheRegionOfInterest) {
    std::vector<std::string> seen;
    const auto mark = [&seen](unsigned function) {
        return FakeProcessor::device([function, &seen](FakeProcessor& self) {
            self.ports.magic(function, 0);
            seen.push_back(self.mode() == ExecutionMode::timing ? "in" : "out");
        });
    };
    auto params = params_for(2);
    params.machine.roi_mode = "timing";
    params.machine.mode = "warm";
    const auto begin = mark(VTSIM_MAGIC_ROI_BEGIN), end = mark(VTSIM_MAGIC_ROI_END);
    auto machine = loaded(params, {{end, begin, begin, end, end, begin, work(50'000), end, work(50'000), out(0xf4, 1, 0)}, {work(30'000), begin, work(60'000), end, work(90'000)}});
    machine.run();
    //                                      an end alone; a pair in a pair;  one processor, then both, then the other one
    EXPECT_EQ(seen, (std::vector<std::string>{"out", "in", "in", "in", "out", "in", "in", "in", "out"}));
    EXPECT_EQ(machine.mode(), Mode::warm);
    EXPECT_EQ(fake(machine, 1).mode(), ExecutionMode::warm);
    EXPECT_TRUE(machine.region_seen());
}

TEST(Machine, CountsTheLatestRegionOfInterestOnly) {
    const auto magic = [](unsigned function) { return FakeProcessor::device([=](FakeProcessor& self) { self.ports.magic(function, 0); }); };
    const auto begin = magic(VTSIM_MAGIC_ROI_BEGIN), end = magic(VTSIM_MAGIC_ROI_END);
    auto params = params_for();
    params.machine.roi_stats = true;
    auto machine = loaded(params, {{work(10), begin, work(100), end, work(10), begin, work(1000), end, work(10), out(0xf4, 1, 0)}});
    std::vector<u64> regions;
    machine.on_guest_request([&](GuestRequest request, u64) {
        if (request == GuestRequest::region_end) regions.push_back(machine.statistics().count("sim.instructions"));
    });
    EXPECT_FALSE(machine.region_seen());
    machine.run();
    ASSERT_EQ(regions.size(), 2U);
    EXPECT_EQ(regions[1] - regions[0], 900U);
    EXPECT_EQ(machine.statistics().count("sim.instructions"), regions[1]);
    machine.reset_statistics();
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 0U);
}

TEST(Machine, LogsAnUnassignedAddressOnce) {
    auto machine = machine_with({{out(0x2f8, 1, 0), out(0x2f8, 1, 0), out(0xf4, 1, 0)}});
    std::vector<std::string> lines;
    machine.on_log([&](std::string_view line) { lines.emplace_back(line); });
    machine.run();
    EXPECT_EQ(lines, std::vector<std::string>{"write of unassigned port 0x2f8 (1 bytes): dropped"});
}

TEST(Machine, ReportsProgressAndKeepsTheSimulationTheSame) {
    Program program;
    for (int i = 0; i < 300'000; ++i) program.push_back(out(0x80, 1, 1));
    auto machine = machine_with({program}, 100);
    unsigned reports = 0;
    machine.on_progress([&](const Progress& progress) {
        ++reports;
        EXPECT_EQ(progress.instructions, static_cast<u64>(progress.simulated_seconds * 2e9 + 0.5));
    });
    const auto result = machine.run();
    EXPECT_EQ(result.reason, StopReason::halted);
    const double host = machine.statistics().number("host.seconds");
    EXPECT_LE(reports, host * 10 + 1);
    EXPECT_EQ(machine.statistics().count("sim.instructions"), 300'000U);
}

}  // namespace
}  // namespace vtsim::platform
