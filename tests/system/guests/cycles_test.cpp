// SPDX-License-Identifier: Apache-2.0
// Cycles that a guest measures by itself are the preset's.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <vtsim/config.h>

#include <boost/json/value.hpp>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

double preset(const std::string& key) { return Config::preset("broadwell").get(key).to_number<double>(); }

double cycles_per_load(const std::string& chase, std::vector<std::pair<std::string, std::string>> settings = {}) {
    const auto result = run_guest({.workload = "workload=chase " + chase, .vmm = std::nullopt, .settings = std::move(settings), .mode = Mode::timing, .elf32 = false});
    EXPECT_TRUE(result.succeeded()) << result.serial;
    return static_cast<double>(result.printed("cycles: total")) / static_cast<double>(result.printed("loads"));
}

// Large pages: the TLB never misses, and one level of the caches holds the cycle but the one above does not.
TEST(PointerChase, ShowsTheLatencyOfEachLevelOfTheCaches) {
    EXPECT_NEAR(cycles_per_load("bytes=16k stride=64 count=50000"), preset("cache.l1d.latency"), 1);
    EXPECT_NEAR(cycles_per_load("bytes=128k stride=64 count=50000"), preset("cache.l2.latency"), 1);
    EXPECT_NEAR(cycles_per_load("bytes=1m stride=64 count=200000"), preset("cache.l3.latency"), 1);
}

TEST(PointerChase, ShowsTheLatencyOfMemory) {
    // A cycle of 4 MiB is longer than this last level of 1.5 MiB, which keeps its preset's latency.
    EXPECT_NEAR(cycles_per_load("bytes=4m stride=64 count=100000", {{"cache.l3.size", "1572864"}}), preset("dram.latency"), 1);
}

// 256 pages of 4 KiB, one line each at different places of their pages: too many for the first-level TLB, few for the second; the lines fit the first-level cache.
TEST(PointerChase, ShowsTheCostOfAHitInTheSecondLevelTlb) {
    EXPECT_NEAR(cycles_per_load("bytes=1040k stride=4160 count=100000 pages=4k"), preset("cache.l1d.latency") + preset("mmu.stlb.latency"), 1);
}

TEST(Vmcall, TakesExitAndHandlerAndEntryByTheGuestsOwnClock) {
    const auto result = run_guest({.workload = "workload=vmcall count=1000", .vmm = "ept=2m", .settings = {}, .mode = Mode::timing, .elf32 = false});
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
