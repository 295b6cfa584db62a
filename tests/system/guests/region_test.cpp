// SPDX-License-Identifier: Apache-2.0
// The guest's region of interest in a mode of its own, and statistics of the region alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "support/guest_run.h"
#include "support/laws.h"

namespace vtsim::test {
namespace {

struct Case {
    const char* workload;
    std::optional<std::string> vmm;

    friend void PrintTo(const Case& one, std::ostream* out) { *out << one.workload << (one.vmm ? " under the VMM, " + *one.vmm : ""); }
};

GuestResult run(const Case& what, Mode mode, const std::string& roi_mode, bool roi_stats = true) {
    auto result = run_guest({.workload = what.workload,
                             .vmm = what.vmm,
                             .settings = {{"machine.roi_mode", roi_mode}, {"machine.roi_stats", roi_stats ? "on" : "off"}},
                             .mode = mode,
                             .elf32 = false});
    EXPECT_TRUE(result.succeeded()) << result.serial;
    return result;
}

class Region : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Workloads, Region,
                         testing::Values(Case{"workload=random mb=4 count=20000 pages=4k", std::nullopt}, Case{"workload=random mb=4 count=20000 pages=4k", "ept=4k"},
                                         Case{"workload=compute iters=20000", std::nullopt}, Case{"workload=vmcall count=500", "ept=2m"}));

// The counts of the region do not depend on how they are taken: by differences at its two marks, or by a reset and a stop there.
// Cycles are kept in parts, so that differences of whole ones may be one off.
TEST_P(Region, StatisticsAreThoseBetweenItsMarks) {
    const auto whole = run(GetParam(), Mode::timing, "", false), alone = run(GetParam(), Mode::timing, "");
    EXPECT_GT(whole.figures.count("sim.instructions"), alone.figures.count("sim.instructions"));
    for (const char* figure : {"cpu0.instructions", "cpu0.mmu.dtlb.lookups", "cpu0.mmu.stlb.misses", "cpu0.l1d.data.misses", "cpu0.vmx.exits_total", "sim.instructions", "memory.dram.reads"})
        EXPECT_EQ(alone.figures.count(figure), whole.region.count(figure)) << figure;
    EXPECT_NEAR(static_cast<double>(alone.figures.count("cpu0.cycles")), static_cast<double>(whole.region.count("cpu0.cycles")), 1);
    EXPECT_EQ(alone.serial, whole.serial);
}

// What precedes the region is only counted: the same instructions, and of the cycles what cold caches and TLBs add, which warming takes away again.
TEST_P(Region, CanBeTimedAlone) {
    const auto timed = run(GetParam(), Mode::timing, ""), warmed = run(GetParam(), Mode::warm, "timing"), cold = run(GetParam(), Mode::functional, "timing");
    for (const auto* result : {&warmed, &cold}) {
        EXPECT_EQ(result->figures.count("cpu0.instructions"), timed.figures.count("cpu0.instructions"));
        EXPECT_EQ(result->figures.count("cpu0.instructions_by_mode.timing"), result->figures.count("cpu0.instructions"));
        EXPECT_THAT(broken_laws(result->figures, Mode::timing), testing::IsEmpty());
        EXPECT_EQ(result->printed("checksum"), timed.printed("checksum"));
    }
    const auto cycles = [](const GuestResult& result) { return static_cast<double>(result.figures.count("cpu0.cycles")); };
    EXPECT_NEAR(cycles(warmed), cycles(timed), 0.01 * cycles(timed));
    EXPECT_GE(cycles(cold), 0.99 * cycles(timed));
    // Each line that the region has to fetch once more costs at most memory's latency (230 cycles).
    const auto misses = [](const GuestResult& result) { return static_cast<double>(result.figures.count("memory.dram.reads")); };
    EXPECT_LE(cycles(cold), 1.01 * cycles(timed) + 230 * (misses(cold) - misses(timed)));
}

TEST_P(Region, RunsTheSameTwice) {
    EXPECT_EQ(as_text(run(GetParam(), Mode::functional, "timing").figures), as_text(run(GetParam(), Mode::functional, "timing").figures));
}

TEST(RegionMode, IsLeftAtTheEndOfTheRegion) {
    const auto result = run({"workload=compute iters=20000", std::nullopt}, Mode::functional, "warm", false);
    EXPECT_EQ(result.figures.count("cpu0.instructions_by_mode.warm"), result.region.count("cpu0.instructions"));
    EXPECT_EQ(result.figures.count("cpu0.instructions_by_mode.timing"), 0U);
    EXPECT_GT(result.figures.count("cpu0.instructions_by_mode.functional"), 0U);
}

}  // namespace
}  // namespace vtsim::test
