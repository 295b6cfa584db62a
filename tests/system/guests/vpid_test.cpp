// SPDX-License-Identifier: Apache-2.0
// What VPIDs are for, seen by a guest that does nothing but exit (SDM vol. 3, "Cached Information Across VMX Transitions").
#include <gtest/gtest.h>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

constexpr std::uint64_t round_trips = 1000;

Statistics region_of(const std::string& vmm) {
    const auto result = run_guest({.workload = "workload=cpuid count=1000 pages=4k", .vmm = vmm, .settings = {}, .mode = Mode::timing, .elf32 = false});
    EXPECT_TRUE(result.succeeded()) << result.serial;
    EXPECT_EQ(result.region.count("cpu0.vmx.exits.cpuid"), round_trips);
    return result.region;
}

std::uint64_t walks(const Statistics& figures, const std::string& side) {
    std::uint64_t sum = 0;
    for (const std::string kind : {"native", "ept", "nested"}) sum += figures.count("cpu0.mmu.walker." + side + ".walks." + kind);
    return sum;
}

TEST(Vpid, KeepsTheMappingsOfBothSidesAcrossTransitions) {
    const auto figures = region_of("ept=4k vpid=on");
    EXPECT_EQ(figures.count("cpu0.mmu.invalidations.vm_transition"), 0U);
    // After the first round trip nobody walks: each side finds what it used before.
    EXPECT_LE(walks(figures, "root"), 3U);
    EXPECT_LE(walks(figures, "guest"), 3U);
    EXPECT_GE(figures.count("cpu0.mmu.dtlb.hits"), round_trips);
    EXPECT_GE(figures.count("cpu0.mmu.itlb.hits"), 2 * round_trips);
}

TEST(Vpid, WithoutItEveryTransitionFlushesAndBothSidesWalkAgain) {
    const auto figures = region_of("ept=4k vpid=off");
    EXPECT_EQ(figures.count("cpu0.mmu.invalidations.vm_transition"), 2 * round_trips);
    EXPECT_GE(walks(figures, "guest"), round_trips);               // at least the page of code
    EXPECT_GE(walks(figures, "root"), round_trips);                // one large page holds the VMM's code and data
    EXPECT_GE(figures.count("cpu0.mmu.itlb.removed.vm_transition"), 2 * round_trips);
    // Guest-physical mappings have no VPID: they survive, so each walk of the guest finds its tables by the nested TLB.
    EXPECT_EQ(figures.count("cpu0.mmu.nested_tlb.removed.vm_transition"), 0U);
    EXPECT_LE(figures.count("cpu0.mmu.nested_tlb.misses"), 3U);
}

TEST(Vpid, CostsLessThanFlushing) {
    EXPECT_LT(region_of("ept=4k vpid=on").count("cpu0.cycles"), region_of("ept=4k vpid=off").count("cpu0.cycles"));
}

}  // namespace
}  // namespace vtsim::test
