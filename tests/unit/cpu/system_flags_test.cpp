// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
namespace flag = arch::rflags;
constexpr int gp = 13, ud = 6;
constexpr u64 all_defined = 0x3f'7fd7;

// What POPF may change at a privilege level, from the table of SDM vol. 2, "POPF/POPFD/POPFQ - Pop Stack Into EFLAGS Register".
u64 changeable(unsigned cpl, unsigned iopl, unsigned bytes) {
    u64 mask = flag::id | flag::ac | flag::nt | flag::of | flag::df | flag::tf | flag::sf | flag::zf | flag::af | flag::pf | flag::cf;
    if (cpl == 0) mask |= flag::iopl;
    if (cpl <= iopl) mask |= flag::if_;
    return bytes == 2 ? mask & 0xffff : mask;
}

class PopFlags : public testing::TestWithParam<std::tuple<unsigned, unsigned, unsigned>> {};

TEST_P(PopFlags, ChangesWhatThePrivilegeAllows) {
    const auto [cpl, iopl, bytes] = GetParam();
    for (const u64 popped : {u64{0}, all_defined & ~flag::tf}) {
        Bench bench;
        if (cpl == 3) bench.set_cpl(3);
        const u64 before = flag::one | iopl << 12 | flag::vif;
        bench.s().write_rflags(before);
        bench.poke<u64>(Bench::stack, popped);
        const auto result = bytes == 2 ? bench.step({0x66, 0x9d}) : bench.step({0x9d});
        ASSERT_EQ(result.vector, Bench::none);
        const u64 mask = changeable(cpl, iopl, bytes);
        EXPECT_EQ(bench.s().read_rflags(), (before & ~mask) | (popped & mask) | flag::one);
        EXPECT_EQ(bench.s().gpr[arch::rsp], Bench::stack + bytes);
    }
}
INSTANTIATE_TEST_SUITE_P(Levels, PopFlags, testing::Combine(testing::Values(0U, 3U), testing::Values(0U, 3U), testing::Values(2U, 8U)));

TEST(PushFlags, StoresNeitherVmNorRf) {
    Bench bench;
    bench.s().write_rflags(flag::cf | flag::zf | flag::rf | flag::ac | flag::iopl);
    ASSERT_EQ(bench.step({0x9c}).vector, Bench::none);
    EXPECT_EQ(bench.peek<u64>(Bench::stack - 8), flag::one | flag::cf | flag::zf | flag::ac | flag::iopl);
}

// SDM vol. 2, tables "Decision Table for CLI Results" and "Decision Table for STI Results", protected mode.
struct Decision {
    unsigned cpl, iopl;
    bool pvi, vip;
    enum { physical, virtualized, fault } cli, sti;
};
constexpr Decision decisions[] = {
    {0, 0, false, false, Decision::physical, Decision::physical},    {0, 0, true, true, Decision::physical, Decision::physical},
    {3, 3, false, false, Decision::physical, Decision::physical},    {3, 3, true, true, Decision::physical, Decision::physical},
    {3, 0, false, false, Decision::fault, Decision::fault},          {3, 2, false, true, Decision::fault, Decision::fault},
    {3, 0, true, false, Decision::virtualized, Decision::virtualized}, {3, 2, true, true, Decision::virtualized, Decision::fault},
};

TEST(InterruptFlag, FollowsTheDecisionTables) {
    for (const auto& d : decisions) {
        for (const bool set : {false, true}) {
            Bench bench;
            if (d.cpl == 3) bench.set_cpl(3);
            if (d.pvi) bench.s().cr4 |= arch::cr4::pvi;
            const u64 before = flag::one | d.iopl << 12 | (d.vip ? flag::vip : 0) | (set ? 0 : flag::if_ | flag::vif);
            bench.s().write_rflags(before);
            const auto result = set ? bench.step({0xfb}) : bench.step({0xfa});
            const auto outcome = set ? d.sti : d.cli;
            if (outcome == Decision::fault) {
                EXPECT_EQ(result.vector, gp) << d.cpl << d.iopl << d.pvi << d.vip << set;
                continue;
            }
            EXPECT_EQ(result.vector, Bench::none);
            EXPECT_EQ(bench.s().read_rflags() ^ before, outcome == Decision::physical ? flag::if_ : flag::vif) << d.cpl << d.iopl << d.pvi << d.vip << set;
        }
    }
}

TEST(InterruptFlag, SetByStiCastsAShadowOverOneInstruction) {
    Bench bench;
    bench.core.apic->write_mmio(0xf0, 4, 0x1ff, 0);
    ASSERT_TRUE(bench.core.apic->accept(0x40, false));
    bench.poke<u8>(Bench::code + 1, 0x90);
    ASSERT_EQ(bench.step({0xfb}).vector, Bench::none);
    EXPECT_TRUE(bench.s().blocked_by_sti);
    bench.core.set_instruction_limit(bench.core.instructions() + 2);
    bench.core.execute(bench.core.cycles() + 100);
    bench.core.begin_activation(true);
    bench.core.execute(bench.core.cycles() + 100);
    EXPECT_EQ(bench.peek<u64>(bench.s().gpr[arch::rsp]), Bench::code + 2);       // behind the NOP
}

TEST(AlignmentCheckFlag, IsClearedAndSetAtRingZeroOnly) {
    Bench bench;
    ASSERT_EQ(bench.step({0x0f, 0x01, 0xcb}).vector, Bench::none);
    EXPECT_NE(bench.s().rflags & flag::ac, 0U);
    ASSERT_EQ(bench.step({0x0f, 0x01, 0xca}).vector, Bench::none);
    EXPECT_EQ(bench.s().rflags & flag::ac, 0U);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xcb}).vector, ud);
}

}  // namespace
}  // namespace vtsim::test
