// SPDX-License-Identifier: Apache-2.0
// The VMM's shadow paging: what the guest sees is what it sees natively and under EPT, and what exits is what a serious VMM lets exit.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/guest_run.h"
#include "support/laws.h"

namespace vtsim::test {
namespace {

using testing::IsEmpty;

GuestResult run_under(const std::string& vmm, const std::string& workload, Mode mode = Mode::functional) {
    auto result = run_guest({.workload = workload, .vmm = vmm, .settings = {}, .mode = mode, .elf32 = false});
    EXPECT_TRUE(result.succeeded()) << vmm << ", " << workload << '\n' << result.serial;
    EXPECT_THAT(broken_laws(result.figures, mode), IsEmpty()) << vmm << ", " << workload;
    return result;
}

constexpr const char* exits = "cpu0.vmx.exits_total";
constexpr const char* exceptions = "cpu0.vmx.exits.exception_or_nmi";
constexpr const char* cr_accesses = "cpu0.vmx.exits.cr_access";
constexpr const char* invlpgs = "cpu0.vmx.exits.invlpg";

// Every switch alone and all of them together, on what exercises tables most.
class ShadowSwitches : public testing::TestWithParam<const char*> {};

TEST_P(ShadowSwitches, ChangeNoResult) {
    for (const std::string workload : {"workload=selftest", "workload=churn set=64 batch=64 iters=8", "workload=churn set=33 batch=33 iters=8", "workload=switch spaces=3 touch=5 iters=100",
                                       "workload=switch spaces=40 iters=300", "workload=fork set=40 children=3 dirty=10", "workload=build jobs=2 heap=20 files=3", "workload=interrupt count=601",
                                       "workload=random mb=4 count=20000 pages=4k", "workload=random mb=4 count=20000 pages=2m"}) {
        const auto alone = run_guest({.workload = workload, .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = false});
        for (const Mode mode : {Mode::functional, Mode::timing}) {
            const auto shadowed = run_under(fmt::format("mmu=shadow {}", GetParam()), workload, mode);
            EXPECT_EQ(shadowed.printed("checksum"), alone.printed("checksum")) << workload;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, ShadowSwitches,
                         testing::Values("", "vpid=off", "unsync=off", "filter=off", "large=off", "roots=1", "prefetch=1", "prefetch=512", "tables=64",
                                         "vpid=off unsync=off filter=off large=off roots=1 prefetch=1 tables=64"));

TEST(Shadow, NothingExitsInSteadyCompute) {
    for (const std::string mode : {"mmu=shadow", "mmu=shadow vpid=off", "mmu=ept"}) {
        for (const std::string workload : {"workload=compute iters=20000", "workload=copy iters=20", "workload=chase bytes=65536 stride=64 count=20000"})
            EXPECT_EQ(run_under(mode, workload).region.count(exits), 0U) << mode << ", " << workload;
    }
}

// 2,000 switches over 8 address spaces, 16 pages of each touched every time: all tables are made once.
TEST(Shadow, ACr3LoadIsOneExitAndKeptRootsAreFilledAlready) {
    constexpr std::uint64_t iterations = 2000;
    const auto figures = run_under("mmu=shadow", fmt::format("workload=switch iters={}", iterations), Mode::timing).region;
    EXPECT_GE(figures.count(cr_accesses), iterations - 1);
    EXPECT_LE(figures.count(cr_accesses), iterations + 1);
    EXPECT_EQ(figures.count(invlpgs), 0U);
    EXPECT_LE(figures.count(exceptions), 8 * (16 * 2 + 4U)) << "at most two for each page's first touch, and one for each table";
}

TEST(Shadow, AFirstTouchIsAtMostTwoExits) {
    constexpr std::uint64_t pages = 64, iterations = 100;
    const auto figures = run_under("mmu=shadow", fmt::format("workload=churn set={0} batch=16 iters={1}", pages, iterations), Mode::timing).region;
    EXPECT_LE(figures.count(exceptions), 2 * pages * iterations);
    EXPECT_EQ(figures.count(invlpgs), pages * iterations) << "the kernel's own, one exit each";
}

TEST(Shadow, UnderEptNeitherTablesNorFaultsExit) {
    for (const std::string workload : {"workload=switch iters=300", "workload=churn iters=10", "workload=selftest"}) {
        const auto figures = run_under("mmu=ept", workload).figures;
        EXPECT_EQ(figures.count(exceptions), 0U) << workload;
        EXPECT_EQ(figures.count(invlpgs), 0U) << workload;
        EXPECT_LE(figures.count(cr_accesses), 2U) << workload << ": CR0 and CR4 at boot";
    }
}

// The guest's memory at the end, tables with their accessed and dirty flags included. What differs between two runs under EPT is what the guest read from clocks: a page of its stack.
TEST(Shadow, TheGuestsMemoryIsTheSameAsUnderEptAndAlone) {
    constexpr std::uint64_t guest_bytes = 64 << 20, machine_bytes = 256 << 20, multiboot_information = 1 << 20;
    const auto memory_after = [&](const std::string& vmm, const std::string& workload) {
        std::string memory;
        GuestRun run{.workload = workload, .vmm = vmm + " mem=64m", .settings = {{"memory.size", "256M"}}, .mode = Mode::functional, .elf32 = false};
        if (vmm.empty()) run.vmm = std::nullopt, run.settings[0].second = "64M";
        const auto result = run_guest(run, [&](const Machine& machine) { memory = machine.read_memory(vmm.empty() ? 0 : machine_bytes - guest_bytes, guest_bytes); });
        EXPECT_TRUE(result.succeeded()) << result.serial;
        return memory;
    };
    const auto differing = [&](const std::string& a, const std::string& b) {
        std::vector<std::uint64_t> pages;
        for (std::uint64_t page = multiboot_information; page < guest_bytes; page += 4096)
            if (a.compare(page, 4096, b, page, 4096) != 0) pages.push_back(page);
        return pages;
    };
    const std::string timed = "workload=churn iters=10";
    const auto clocks = differing(memory_after("mmu=ept ept=4k", timed), memory_after("mmu=ept ept=2m vpid=off", timed));
    EXPECT_EQ(clocks.size(), 1U);
    for (const std::string workload : {"workload=churn iters=10", "workload=switch spaces=3 touch=5 iters=100", "workload=selftest apic=0", "workload=random mb=4 count=20000 pages=4k",
                                       "workload=fork set=40 children=3 dirty=10", "workload=build jobs=2 heap=20 files=3"}) {
        const auto ept = memory_after("mmu=ept ept=4k", workload);
        for (const std::string options : {"mmu=shadow", "mmu=shadow unsync=off filter=off large=off roots=1 prefetch=1 vpid=off", ""})
            EXPECT_THAT(differing(ept, memory_after(options, workload)), testing::IsSubsetOf(clocks)) << workload << ", " << options;
    }
}

}  // namespace
}  // namespace vtsim::test
