// SPDX-License-Identifier: Apache-2.0
// Several guests, in turns on one processor or on processors of their own: each computes what it computes alone, whatever tags or flushes separate them.
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

GuestResult run_together(std::size_t count, const std::string& options, Mode mode, unsigned cpus = 1) {
    const std::vector<std::string> others(workloads.begin() + 1, workloads.begin() + static_cast<std::ptrdiff_t>(count));
    return run_guest({.workload = workloads[0], .vmm = options + " mem=64m", .settings = {{"memory.size", "512M"}, {"machine.cpus", std::to_string(cpus)}}, .mode = mode, .elf32 = false}, {}, others);
}

// Figures of one processor whose shares do not sum up to its own; counts the others.
std::vector<std::string> wrong_sums(const Statistics& figures, unsigned cpu, unsigned guests, unsigned& right) {
    std::vector<std::string> wrong;
    const auto prefix = fmt::format("cpu{}.guests.outside.", cpu);
    for (const auto& figure : figures) {
        if (!figure.name.starts_with(prefix) || figure.name.ends_with(".vmcs")) continue;
        const auto name = figure.name.substr(prefix.size());
        std::uint64_t sum = std::get<std::uint64_t>(figure.value);
        for (unsigned guest = 1; guest <= guests; ++guest) sum += figures.count(fmt::format("cpu{}.guests.{}.{}", cpu, guest, name));
        const auto own = figures.count(fmt::format("cpu{}.{}", cpu, name));
        if (sum == own) ++right;
        else wrong.push_back(fmt::format("cpu{}.{}: {} and {}", cpu, name, own, sum));
    }
    return wrong;
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
        EXPECT_THAT(wrong_sums(result.figures, 0, 4, shared), IsEmpty());
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

// Guests with processors of their own: INIT and SIPI start them, and the last one to end ends the machine.
TEST(PinnedGuests, ComputeWhatEachComputesAlone) {
    for (const std::string mmu : {"mmu=ept", "mmu=shadow"}) {
        for (const unsigned cpus : {2U, 4U}) {
            for (const Mode mode : {Mode::functional, Mode::warm, Mode::timing}) {
                const auto result = run_together(4, fmt::format("{} slice=50000 cores={}", mmu, cpus), mode, cpus);
                SCOPED_TRACE(fmt::format("{} cpus={} mode={}\n{}", mmu, cpus, int(mode), result.serial));
                EXPECT_TRUE(result.succeeded());
                EXPECT_THAT(broken_laws(result.figures, mode), IsEmpty());
                EXPECT_EQ(result.serial.find("FAIL"), std::string::npos);
                for (const auto& workload : workloads) {
                    const auto name = workload.substr(9, workload.find(' ') - 9);
                    EXPECT_THAT(result.serial, HasSubstr(fmt::format("{} checksum={:#018x}", name, checksum_alone(workload))));
                }
                const unsigned guests = 4 / cpus;
                for (unsigned cpu = 0; cpu < cpus; ++cpu) {
                    unsigned shared = 0;
                    EXPECT_THAT(wrong_sums(result.figures, cpu, guests, shared), IsEmpty());
                    EXPECT_GT(shared, 100U);
                    EXPECT_FALSE(result.figures.find(fmt::format("cpu{}.guests.{}.instructions", cpu, guests + 1)));
                    EXPECT_EQ(result.figures.count(fmt::format("cpu{}.vmx.exits.preemption_timer", cpu)) > 2, guests > 1) << cpu;
                }
            }
        }
    }
}

// The VMM switches XCR0 and what it manages: guests that use 256-bit registers, 128-bit ones and neither.
TEST(SeveralGuests, HaveTheirOwnVectorRegisters) {
    const std::vector<std::string> lanes{"workload=vector iters=40001", "workload=vector iters=40002", "workload=vector iters=40003 bits=128", "workload=selftest apic=0"};
    for (const char* const mmu : {"ept", "shadow"}) {
        const auto result = run_guest({.workload = lanes[0], .vmm = fmt::format("mmu={} slice=5000 mem=64m", mmu), .settings = {{"memory.size", "512M"}}, .mode = Mode::functional, .elf32 = false}, {},
                                      {lanes.begin() + 1, lanes.end()});
        EXPECT_TRUE(result.succeeded()) << result.serial;
        for (const auto& workload : {lanes[0], lanes[1], lanes[2]}) EXPECT_THAT(result.serial, HasSubstr(fmt::format("vector checksum={:#018x}", checksum_alone(workload))));
        EXPECT_GT(result.figures.count("cpu0.vmx.exits.xsetbv"), 1U);
    }
}

// Guests that share nothing but the third level and memory: what a guest does does not depend on the processor that does it.
TEST(PinnedGuests, HaveTheExitsThatTheyHaveInTurns) {
    const auto exits = [](unsigned cpus) {
        const std::string workload = "workload=churn iters=20";
        const auto result = run_guest({.workload = workload, .vmm = fmt::format("guests=2 cores={} mem=64m slice=1000000000", cpus), .settings = {{"memory.size", "512M"}, {"machine.cpus", "2"}},
                                       .mode = Mode::timing, .elf32 = false}, {}, {workload});
        EXPECT_TRUE(result.succeeded()) << result.serial;
        return cpus == 1 ? result.figures.count("cpu0.guests.2.vmx.exits.ept_violation") : result.figures.count("cpu1.guests.1.vmx.exits.ept_violation");
    };
    // The page of the local APIC, which a guest without others on its processor has for itself, may be one more.
    const auto in_turns = exits(1), pinned = exits(2);
    EXPECT_GT(in_turns, 50U);
    EXPECT_LE(pinned - in_turns, 1U);
}

TEST(PinnedGuests, NeedTheirProcessors) {
    const auto result = run_together(4, "cores=4", Mode::functional, 2);
    EXPECT_FALSE(result.succeeded());
    EXPECT_THAT(result.serial, HasSubstr("cores=4: processor 2 does not answer"));
    EXPECT_EQ(result.serial.find("guest 1"), std::string::npos) << "nothing runs until all are there";
    EXPECT_THAT(run_together(2, "cores=3", Mode::functional, 4).serial, HasSubstr("cores=3: 1 to 2 expected"));
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
