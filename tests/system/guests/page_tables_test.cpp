// SPDX-License-Identifier: Apache-2.0
// What the kernel's workloads do to page tables and to the TLB, in closed forms: alone, and under the VMM, where EPT leaves all of it to the guest.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

class PageTables : public testing::TestWithParam<const char*> {
protected:
    static GuestResult run(const std::string& workload) {
        GuestRun run{.workload = workload + " pages=4k", .vmm = std::nullopt, .settings = {}, .mode = Mode::timing, .elf32 = false};
        if (*GetParam() != '\0') run.vmm = GetParam();
        auto result = run_guest(run);
        EXPECT_TRUE(result.succeeded()) << result.serial;
        return result;
    }
    static std::uint64_t invalidations(const GuestResult& result, const std::string& cause) { return result.region.count("cpu0.mmu.invalidations." + cause); }
};

TEST_P(PageTables, UnmappingFlushesPagesUpToLinuxCeilingAndEverythingAbove) {
    constexpr unsigned iterations = 5, pages = 66, ceiling = 33;
    const auto few = run(fmt::format("churn set={} batch={} iters={}", pages, ceiling, iterations));
    EXPECT_EQ(invalidations(few, "invlpg"), iterations * pages);
    EXPECT_EQ(invalidations(few, "mov_cr3"), 0U);
    const auto many = run(fmt::format("churn set={} batch={} iters={}", 2 * (ceiling + 1), ceiling + 1, iterations));
    EXPECT_EQ(invalidations(many, "invlpg"), 0U);
    EXPECT_EQ(invalidations(many, "mov_cr3"), iterations * 2);
}

TEST_P(PageTables, AContextSwitchIsOneLoadOfCr3AndWithPcidItFlushesNothing) {
    constexpr unsigned visits = 200, spaces = 4, pages = 8;
    const auto without = run(fmt::format("switch spaces={} touch={} iters={} pcid=off", spaces, pages, visits));
    EXPECT_EQ(invalidations(without, "mov_cr3"), visits);
    const auto with = run(fmt::format("switch spaces={} touch={} iters={} pcid=on", spaces, pages, visits));
    EXPECT_EQ(invalidations(with, "mov_cr3"), 0U);
    EXPECT_EQ(with.printed("checksum"), without.printed("checksum"));
    // Every page of every visit is a miss without PCIDs; with them only the first round misses. The kernel's pages are global.
    const auto misses = [](const GuestResult& result) { return result.region.count("cpu0.mmu.stlb.misses"); };
    EXPECT_GE(misses(without), visits * pages);
    EXPECT_LE(misses(without), visits * pages + 50);
    EXPECT_LE(misses(with), spaces * pages + 50);
}

TEST_P(PageTables, AForkCopiesWhatOneSideWritesAndReusesWhatTheOtherKeeps) {
    constexpr unsigned pages = 50, children = 6, dirty = 12;
    const auto result = run(fmt::format("fork set={} children={} dirty={}", pages, children, dirty));
    const unsigned stack = 1;
    EXPECT_EQ(result.printed("demand_zero"), pages + stack);
    EXPECT_EQ(result.printed("copied"), children * (dirty + stack));      // half by the parent, which copies its stack too, half by the child
    EXPECT_EQ(result.printed("reused"), children * (dirty + stack));      // the other way round
    EXPECT_EQ(invalidations(result, "mov_cr3"), children * 3);            // the parent's flush, to the child and back
    EXPECT_EQ(invalidations(result, "invlpg"), children * (dirty + stack));
}

TEST_P(PageTables, AProcessFaultsOnceAPageAndEndsWithItsAddressSpace) {
    constexpr unsigned jobs = 3, heap = 20, files = 5, pages_of_file = 8, text = 1, stack = 1;
    const auto result = run(fmt::format("build jobs={} heap={} files={}", jobs, heap, files));
    EXPECT_EQ(result.printed("demand_zero"), jobs * (heap + stack));
    EXPECT_EQ(invalidations(result, "mov_cr3"), jobs * 2);                // there and away
    EXPECT_EQ(invalidations(result, "invlpg"), jobs * (files * pages_of_file + 2 * heap));     // protected, then unmapped
    EXPECT_EQ(invalidations(result, "page_fault"), jobs * (heap + stack + text + files * pages_of_file));
}

TEST_P(PageTables, WaysIntoTheKernelLeaveThemAlone) {
    constexpr unsigned cold = 60;                                          // the pages of kernel and program
    for (const std::string workload : {"syscall count=3000", "interrupt count=3000", "interrupt count=3000 apic=x"}) {
        const auto result = run(workload);
        EXPECT_EQ(invalidations(result, "mov_cr3"), 1U) << workload;       // to the process
        EXPECT_LE(result.region.count("cpu0.mmu.stlb.misses"), cold) << workload;
    }
}

std::string test_name(const testing::TestParamInfo<const char*>& tested) { return *tested.param == '\0' ? "Alone" : "UnderEpt"; }
INSTANTIATE_TEST_SUITE_P(Guests, PageTables, testing::Values("", "ept=2m lazy=off"), test_name);

}  // namespace
}  // namespace vtsim::test
