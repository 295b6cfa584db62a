// SPDX-License-Identifier: Apache-2.0
// Guests that take turns on one processor: each computes what it computes alone, whatever tags or flushes separate them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/guest_run.h"
#include "support/laws.h"

namespace vtsim::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> workloads{"workload=churn iters=10", "workload=selftest apic=0", "workload=fork children=5", "workload=switch iters=300"};

std::uint64_t checksum_alone(const std::string& workload) {
    return run_guest({.workload = workload, .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = false}).printed("checksum");
}

GuestResult run_together(std::size_t count, const std::string& options, Mode mode) {
    const std::vector<std::string> others(workloads.begin() + 1, workloads.begin() + static_cast<std::ptrdiff_t>(count));
    return run_guest({.workload = workloads[0], .vmm = options + " mem=64m", .settings = {{"memory.size", "512M"}}, .mode = mode, .elf32 = false}, {}, others);
}

class SeveralGuests : public testing::TestWithParam<const char*> {};

TEST_P(SeveralGuests, ComputeWhatEachComputesAlone) {
    for (const std::size_t count : {1U, 2U, 4U}) {
        for (const Mode mode : {Mode::functional, Mode::warm, Mode::timing}) {
            const auto result = run_together(count, GetParam(), mode);
            EXPECT_TRUE(result.succeeded()) << result.serial;
            EXPECT_THAT(broken_laws(result.figures, mode), IsEmpty());
            EXPECT_EQ(result.serial.find("FAIL"), std::string::npos) << result.serial;
            for (std::size_t i = 0; i < count; ++i) {
                const auto name = workloads[i].substr(9, workloads[i].find(' ') - 9);
                EXPECT_THAT(result.serial, HasSubstr(fmt::format("{} checksum={:#018x}", name, checksum_alone(workloads[i]))));
            }
            EXPECT_EQ(result.figures.count("cpu0.vmx.exits.preemption_timer") > 2, count > 1);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, SeveralGuests, testing::Values("mmu=ept slice=50000", "mmu=ept ept=2m vpid=off slice=50000", "mmu=shadow slice=50000", "mmu=shadow vpid=off roots=2 slice=20000"));

// Every figure that has shares is their sum: the guests', and what was outside any.
TEST(SeveralGuestsShares, SumUpToTheProcessors) {
    for (const Mode mode : {Mode::functional, Mode::timing}) {
        const auto result = run_together(4, "mmu=ept slice=50000", mode);
        ASSERT_TRUE(result.succeeded()) << result.serial;
        unsigned shared = 0;
        for (const auto& figure : result.figures) {
            const std::string prefix = "cpu0.guests.outside.";
            if (!figure.name.starts_with(prefix) || figure.name.ends_with(".vmcs")) continue;
            const auto name = figure.name.substr(prefix.size());
            std::uint64_t sum = std::get<std::uint64_t>(figure.value);
            for (unsigned guest = 1; guest <= 4; ++guest) sum += result.figures.count(fmt::format("cpu0.guests.{}.{}", guest, name));
            EXPECT_EQ(sum, result.figures.count("cpu0." + name)) << name;
            ++shared;
        }
        EXPECT_GT(shared, 100U);
        const auto of = [&](const std::string& guest, const std::string& name) { return result.figures.count(fmt::format("cpu0.guests.{}.{}", guest, name)); };
        EXPECT_GT(of("outside", "instructions"), 1000U) << "the VMM before its first guest";
        EXPECT_EQ(of("outside", "vmx.exits_total"), 0U);
        for (const std::string guest : {"1", "2", "3", "4"}) {
            EXPECT_GT(of(guest, "vmx.exits.preemption_timer"), 0U) << guest;
            EXPECT_GT(of(guest, "instructions"), 10'000U) << guest;
            EXPECT_EQ(of(guest, "vmx.entries"), of(guest, "vmx.exits_total")) << guest;
        }
    }
}

// Two guests that compute, in short turns: with VPIDs each finds its translations again after the other's turn.
TEST(SeveralGuestsVpid, KeepsWhatAGuestHadBeforeTheOthersTurn) {
    for (const std::string mmu : {"mmu=ept", "mmu=shadow"}) {
        const auto together = [&](const std::string& vpid) {
            const std::string workload = "workload=random mb=1 count=20000 pages=4k";
            const auto result = run_guest({.workload = workload, .vmm = fmt::format("{} {} slice=20000 mem=64m", mmu, vpid), .settings = {{"memory.size", "512M"}}, .mode = Mode::timing, .elf32 = false}, {},
                                          {workload});
            EXPECT_TRUE(result.succeeded()) << result.serial;
            return result.figures;
        };
        const auto tagged = together("vpid=on"), flushed = together("vpid=off");
        EXPECT_EQ(tagged.count("cpu0.mmu.invalidations.vm_transition"), 0U);
        EXPECT_GT(flushed.count("cpu0.mmu.invalidations.vm_transition"), 100U);
        EXPECT_EQ(tagged.count("cpu0.mmu.stlb.removed.vm_transition"), 0U);
        EXPECT_GT(flushed.count("cpu0.mmu.stlb.removed.vm_transition"), 1000U);
        EXPECT_LT(tagged.count("cpu0.mmu.stlb.misses"), flushed.count("cpu0.mmu.stlb.misses"));
        EXPECT_LT(tagged.count("cpu0.cycles"), flushed.count("cpu0.cycles"));
    }
}

}  // namespace
}  // namespace vtsim::test
