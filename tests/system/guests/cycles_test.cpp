// SPDX-License-Identifier: Apache-2.0
// Cycles that a guest measures by itself are the preset's, whichever it is.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <vtsim/config.h>

#include <boost/json/value.hpp>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

// Every timing preset that is a processor's, by its name.
class EachPreset : public testing::TestWithParam<const char*> {
protected:
    static double preset(const std::string& key) { return Config::preset(GetParam()).get(key).to_number<double>(); }

    static double cycles_per_load(const std::string& chase, std::vector<std::pair<std::string, std::string>> settings = {}) {
        const auto result = run_guest({.workload = "workload=chase " + chase, .vmm = std::nullopt, .settings = std::move(settings), .mode = Mode::timing, .elf32 = false, .preset = GetParam()});
        EXPECT_TRUE(result.succeeded()) << result.serial;
        return static_cast<double>(result.printed("cycles: total")) / static_cast<double>(result.printed("loads"));
    }
};

using PointerChase = EachPreset;
using Vmcall = EachPreset;
using Delivery = EachPreset;

INSTANTIATE_TEST_SUITE_P(Timing, PointerChase, testing::Values("haswell", "broadwell", "skylake-sp"));
INSTANTIATE_TEST_SUITE_P(Timing, Delivery, testing::Values("haswell", "broadwell", "skylake-sp"));
INSTANTIATE_TEST_SUITE_P(Timing, Vmcall, testing::Values("haswell", "broadwell", "skylake-sp"));

// Large pages: the TLB never misses, and one level of the caches holds the cycle but the one above does not.
TEST_P(PointerChase, ShowsTheLatencyOfEachLevelOfTheCaches) {
    const auto l2 = static_cast<unsigned long>(preset("cache.l2.size"));
    EXPECT_NEAR(cycles_per_load("bytes=16k stride=64 count=50000"), preset("cache.l1d.latency"), 1);
    EXPECT_NEAR(cycles_per_load(fmt::format("bytes={} stride=64 count=50000", l2 / 2)), preset("cache.l2.latency"), 1);
    EXPECT_NEAR(cycles_per_load(fmt::format("bytes={} stride=64 count=200000", 4 * l2)), preset("cache.l3.latency"), 1);
}

// A last level of 2048 sets, 2 MiB at most, which keeps its preset's ways and latency: a cycle of 4 MiB is longer.
TEST_P(PointerChase, ShowsTheLatencyOfMemory) {
    const auto size = static_cast<unsigned long>(preset("cache.l3.ways")) * 2048 * 64;
    EXPECT_NEAR(cycles_per_load("bytes=4m stride=64 count=100000", {{"cache.l3.size", std::to_string(size)}}), preset("dram.latency"), 1);
}

// 256 pages of 4 KiB, one line each at different places of their pages: too many for the first-level TLB, few for the second; the lines fit the first-level cache.
TEST_P(PointerChase, ShowsTheCostOfAHitInTheSecondLevelTlb) {
    EXPECT_NEAR(cycles_per_load("bytes=1040k stride=4160 count=100000 pages=4k"), preset("cache.l1d.latency") + preset("mmu.stlb.latency"), 1);
}

TEST_P(Vmcall, TakesExitAndHandlerAndEntryByTheGuestsOwnClock) {
    const auto result = run_guest({.workload = "workload=vmcall count=1000", .vmm = "ept=2m", .settings = {}, .mode = Mode::timing, .elf32 = false, .preset = GetParam()});
    ASSERT_TRUE(result.succeeded()) << result.serial;
    const auto mean = [&](const std::string& what) {
        return static_cast<double>(result.region.count("cpu0.vmx." + what + ".vmcall")) / static_cast<double>(result.region.count("cpu0.vmx.exits.vmcall"));
    };
    const double transition = mean("exit_cycles") + mean("handler_cycles") + mean("entry_cycles");
    const double measured = static_cast<double>(result.printed("cycles: total")) / static_cast<double>(result.printed("calls"));
    // The same workload without a VMCALL between the time stamps: what LFENCE and RDTSC take.
    const double frame = static_cast<double>(result.printed("empty"));
    EXPECT_GT(frame, 0);
    EXPECT_NEAR(measured, transition + frame, 5) << mean("exit_cycles") << " + " << mean("handler_cycles") << " + " << mean("entry_cycles");
}

// Whatever goes through the interrupt table: page faults, INT n, interrupts of the local APIC; alone, and in a guest that takes them without exits.
TEST_P(Delivery, CostsTheSameForEveryEvent) {
    for (const std::string workload : {"fork children=3", "interrupt count=500"}) {
        for (const auto& vmm : {std::optional<std::string>{}, std::optional<std::string>{"ept=2m"}}) {
            const auto result = run_guest({.workload = workload, .vmm = vmm, .settings = {}, .mode = Mode::timing, .elf32 = false, .preset = GetParam()});
            ASSERT_TRUE(result.succeeded()) << result.serial;
            const auto events = result.figures.count("cpu0.exceptions") + result.figures.count("cpu0.interrupts");
            EXPECT_GT(events, 300U) << workload;
            EXPECT_EQ(result.figures.count("cpu0.cycle_stack.interrupt"), events * static_cast<std::uint64_t>(preset("core.interrupt_delivery"))) << workload;
        }
    }
}

// All penalties are gone, whichever processor CPUID names: a dependent load takes the cycle of the instruction and one of the memory, wherever the line is.
TEST(Ideal, CostsNothingButInstructions) {
    for (const char* preset : {"haswell:ideal", "broadwell:ideal", "skylake-sp:ideal"}) {
        const auto run = [&](const std::string& workload, std::optional<std::string> vmm) {
            auto result = run_guest({.workload = workload, .vmm = std::move(vmm), .settings = {}, .mode = Mode::timing, .elf32 = false, .preset = preset});
            EXPECT_TRUE(result.succeeded()) << preset << result.serial;
            return result;
        };
        for (const char* bytes : {"16k", "1m", "8m"}) {
            const auto chase = run(std::string("workload=chase stride=64 count=100000 bytes=") + bytes, std::nullopt);
            EXPECT_NEAR(static_cast<double>(chase.printed("cycles: total")), 2.0 * static_cast<double>(chase.printed("loads")), 100) << preset << ' ' << bytes;
            EXPECT_EQ(chase.region.count("memory.dram.reads") > 50'000, bytes == std::string("8m")) << "misses are counted";
        }
        const auto calls = run("workload=vmcall count=100", "ept=2m");
        EXPECT_GE(calls.region.count("cpu0.vmx.exits.vmcall"), 100U);
        for (const char* bucket : {"vm_exit", "vm_entry"}) EXPECT_EQ(calls.figures.count(std::string("cpu0.cycle_stack.") + bucket), 0U) << preset;
    }
}

TEST(ColdWalk, TakesTheSumOfItsReferences) {
    // Dependent loads, so that no walk overlaps another; caches of translations off, so that each is a whole walk of 24.
    const auto result = run_guest({.workload = "workload=chase bytes=8m stride=4160 count=4000 pages=4k", .vmm = "ept=4k lazy=off", .settings = {{"mmu.walk_caches", "false"}}, .mode = Mode::timing, .elf32 = false});
    ASSERT_TRUE(result.succeeded()) << result.serial;
    std::uint64_t walks = result.region.count("cpu0.mmu.walker.guest.walks.nested"), references = 0, cycles = 0;
    ASSERT_GT(walks, 1000U);
    for (int g = 0; g <= 4; ++g)
        for (int e = 0; e <= 4; ++e) {
            references += result.region.count(fmt::format("cpu0.mmu.walker.guest.refs.nested.g{}e{}", g, e));
            cycles += result.region.count(fmt::format("cpu0.mmu.walker.guest.ref_cycles.nested.g{}e{}", g, e));
        }
    EXPECT_EQ(references, 24 * walks);
    // The stack divides waiting time among what was waited for, in fractions of a cycle: within one cycle a walk.
    const auto waited = static_cast<double>(result.region.count("cpu0.cycle_stack.walk_nested"));
    EXPECT_NEAR(waited, static_cast<double>(cycles + result.region.count("cpu0.mmu.walker.guest.ad_writes.cycles")), static_cast<double>(walks));
}

}  // namespace
}  // namespace vtsim::test
