// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int gp = 13;

bool writes(Bench& bench, u32 number, u64 value) { return !cpu::write_msr(bench.core, number, value); }
u64 reads(Bench& bench, u32 number) {
    const auto value = cpu::read_msr(bench.core, number);
    EXPECT_TRUE(value.ok()) << std::hex << number;
    return *value;
}

TEST(Msr, InstructionsUseEcxAndEdxEax) {
    Bench bench;
    bench.s().gpr[arch::rcx] = 0xffff'ffff'c000'0082;                  // IA32_LSTAR: ECX only
    bench.s().gpr[arch::rdx] = 0xffff'ffff'ffff'8000;
    bench.s().gpr[arch::rax] = 0xffff'ffff'1234'5678;
    ASSERT_EQ(bench.step({0x0f, 0x30}).vector, Bench::none);
    EXPECT_EQ(bench.s().lstar, 0xffff'8000'1234'5678);
    ASSERT_EQ(bench.step({0x0f, 0x32}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rdx], 0xffff'8000U);
    EXPECT_EQ(bench.s().gpr[arch::rax], 0x1234'5678U);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x32}).vector, gp);
}

TEST(Msr, ThatIsNotThereFaultsAndIsNamedOnce) {
    Bench bench;
    for (int i = 0; i < 3; ++i) {
        bench.s().gpr[arch::rcx] = 0xdead;
        const auto result = bench.step({0x0f, 0x32});
        EXPECT_EQ(result.vector, gp);
        EXPECT_EQ(result.error_code, 0U);
    }
    ASSERT_EQ(bench.log.size(), 1U);
    EXPECT_NE(bench.log[0].find("0xdead"), std::string::npos);
}

// SDM vol. 4: what each MSR accepts. Value, and whether WRMSR takes it.
struct Acceptance {
    u32 number;
    u64 value;
    bool accepted;
};
constexpr Acceptance acceptances[] = {
    {0xc000'0082, 0x0000'7fff'ffff'ffff, true}, {0xc000'0082, 0x0000'8000'0000'0000, false}, {0xc000'0083, 0x8000'0000'0000'0000, false},
    {0xc000'0084, 0xffff'ffff, true}, {0xc000'0084, bit(32), false}, {0xc000'0100, 0xffff'8000'0000'0000, true}, {0xc000'0100, bit(47), false},
    {0xc000'0101, bit(62), false}, {0xc000'0102, bit(50), false}, {0xc000'0103, 0xffff'ffff, true}, {0xc000'0103, bit(32), false},
    {0x175, bit(47), false}, {0x176, bit(47), false}, {0x174, 0x10, true},
    {0x277, 0x0706'0504'0100'0000, true}, {0x277, 2, false}, {0x277, 3, false}, {0x277, 8, false}, {0x277, u64{0x10} << 56, false},
    {0x2ff, 0xc06, true}, {0x2ff, 2, false}, {0x2ff, 7, false}, {0x2ff, bit(9), false}, {0x2ff, bit(12), false},
    {0x250, 0x0606'0606'0606'0606, true}, {0x250, 0x0700'0000'0000'0000, false}, {0x26f, 0x0504'0100'0606'0606, true}, {0x251, 0, false},
    {0x200, 0xe000'0006, true}, {0x200, 0xe000'0002, false}, {0x200, 0x100, false}, {0x200, bit(39), false}, {0x201, 0x7f'e000'0800, true}, {0x201, 0x400, false},
    {0x201, 0x80'0000'0800, false}, {0x20f, 0x800, true}, {0x210, 0, false},
    {0x1a0, 1, true}, {0x1a0, bit(1), false}, {0x1d9, 3, true}, {0x1d9, 4, false},
    {0x0fe, 0x508, false}, {0x0ce, 0, false}, {0x480, 0, false}, {0x179, 0, false}, {0x17a, 0, true}, {0x17a, 1, false},
    {0x048, 0, false}, {0x0c1, 0, false}, {0x186, 0, false}, {0x38f, 0, false}, {0x309, 0, false}, {0x345, 0, false}, {0x9b, 0, false},
    {0xc000'0080, 0xd01, true}, {0xc000'0080, 0x001, false}, {0xc000'0080, 0xd03, false}, {0xc000'0080, bit(12) | 0xd00, false}, {0x3a, 2, false}, {0x3a, 8, false},
};

TEST(Msr, AcceptsWhatTheManualDefinesAndKeepsIt) {
    for (const auto& [number, value, accepted] : acceptances) {
        Bench bench;
        EXPECT_EQ(writes(bench, number, value), accepted) << std::hex << number << " " << value;
        if (accepted && number != 0x1a0 && number != 0x17a) {
            EXPECT_EQ(reads(bench, number), value) << std::hex << number;
        }
    }
}

TEST(FeatureControl, IsUnlockedAfterResetAndLocks) {
    Bench bench;
    EXPECT_EQ(reads(bench, 0x3a), 0U);
    EXPECT_TRUE(writes(bench, 0x3a, 4));
    EXPECT_TRUE(writes(bench, 0x3a, 5));
    EXPECT_FALSE(writes(bench, 0x3a, 5));
    EXPECT_EQ(reads(bench, 0x3a), 5U);
}

TEST(Efer, LmaIsReadOnlyAndLmeFixedWithPaging) {
    Bench bench{CodeMode::protected32};
    EXPECT_TRUE(writes(bench, 0xc000'0080, 0xd00));
    EXPECT_EQ(reads(bench, 0xc000'0080), 0x900U);                      // LMA did not take
    Bench paged;
    EXPECT_FALSE(writes(paged, 0xc000'0080, 0x800));
    cpu::CoreParams params;
    params.features.nx = false;
    Bench without{CodeMode::protected32, params};
    EXPECT_FALSE(writes(without, 0xc000'0080, 0x800));
}

// SDM vol. 3, "IA32_TSC_ADJUST MSR": a write of one moves the other by the same amount.
TEST(TimeStampCounter, AndItsAdjustmentMoveTogether) {
    Bench bench;
    const u64 before = reads(bench, 0x10);
    EXPECT_TRUE(writes(bench, 0x10, before + 1000));
    EXPECT_EQ(reads(bench, 0x10), before + 1000);
    EXPECT_EQ(reads(bench, 0x3b), 1000U);
    EXPECT_TRUE(writes(bench, 0x3b, 400));
    EXPECT_EQ(reads(bench, 0x10), before + 400);
}

TEST(TimeStampCounter, IsForRingZeroOnlyWithTsd) {
    Bench bench;
    ASSERT_EQ(bench.step({0x0f, 0x31}).vector, Bench::none);
    bench.set_cpl(3);
    ASSERT_EQ(bench.step({0x0f, 0x31}).vector, Bench::none);
    bench.s().cr4 |= arch::cr4::tsd;
    EXPECT_EQ(bench.step({0x0f, 0x31}).vector, gp);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xf9}).vector, gp);
}

TEST(TimeStampCounter, CountsInstructionsInFunctionalMode) {
    Bench bench;
    ASSERT_EQ(bench.step({0x0f, 0x31}).vector, Bench::none);
    const u64 first = bench.s().gpr[arch::rdx] << 32 | bench.s().gpr[arch::rax];
    ASSERT_EQ(bench.step({0x0f, 0x31}).vector, Bench::none);
    EXPECT_EQ((bench.s().gpr[arch::rdx] << 32 | bench.s().gpr[arch::rax]) - first, 1U);
}

TEST(Rdtscp, GivesTscAuxAndIsUndefinedWithoutTheFeature) {
    Bench bench;
    bench.s().tsc_aux = 0x1234;
    ASSERT_EQ(bench.step({0x0f, 0x01, 0xf9}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rcx], 0x1234U);
    cpu::CoreParams params;
    params.features.rdtscp = false;
    Bench without{CodeMode::long64, params};
    EXPECT_EQ(without.step({0x0f, 0x01, 0xf9}).vector, 6);
}

TEST(ApicBase, MovesAndDisablesTheLocalApic) {
    Bench bench;
    EXPECT_EQ(reads(bench, 0x1b), 0xfee0'0900U);
    EXPECT_TRUE(writes(bench, 0x1b, 0xfee0'0100));
    EXPECT_FALSE(bench.core.apic->enabled());
    EXPECT_TRUE(writes(bench, 0x1b, 0xfee0'0900));
    EXPECT_TRUE(bench.core.apic->covers(PhysicalAddress{0xfee0'0020}));
    EXPECT_FALSE(writes(bench, 0x1b, 0xfee0'0901));
}

TEST(X2Apic, RegistersAreMsrsInItsMode) {
    Bench bench;
    bench.s().gpr[arch::rcx] = 0x802;
    EXPECT_EQ(bench.step({0x0f, 0x32}).vector, gp);
    EXPECT_TRUE(writes(bench, 0x1b, 0xfee0'0d00));
    EXPECT_EQ(reads(bench, 0x802), 0U);
    bench.s().gpr[arch::rcx] = 0x808;                                  // TPR
    bench.s().gpr[arch::rax] = 0x50;
    bench.s().gpr[arch::rdx] = 0;
    ASSERT_EQ(bench.step({0x0f, 0x30}).vector, Bench::none);
    EXPECT_EQ(reads(bench, 0x808), 0x50U);
}

TEST(RandomNumbers, DifferWithinARunAndRepeatBetweenRuns) {
    const auto draw = [](u64 seed) {
        cpu::CoreParams params;
        params.features.seed = seed;
        Bench bench{CodeMode::long64, params};
        std::vector<u64> values;
        for (int i = 0; i < 8; ++i) {
            bench.s().write_rflags(arch::rflags::one | arch::rflags::of | arch::rflags::zf);
            EXPECT_EQ(bench.step({0x48, 0x0f, 0xc7, i % 2 == 0 ? 0xf0 : 0xf8}).vector, Bench::none);
            EXPECT_EQ(bench.s().read_rflags(), arch::rflags::one | arch::rflags::cf);
            values.push_back(bench.s().gpr[arch::rax]);
        }
        return values;
    };
    const auto first = draw(1);
    EXPECT_EQ(first, draw(1));
    EXPECT_NE(first, draw(2));
    EXPECT_EQ((std::set<u64>(first.begin(), first.end()).size()), first.size());
}

// SDM vol. 4, IA32_MISC_ENABLE, bit 34.
TEST(MiscEnable, TakesExecuteDisableAway) {
    constexpr u64 xd_disable = u64{1} << 34;
    Bench bench;
    bench.s().efer &= ~arch::efer::nxe;
    const auto reported = [&] { return cpu::cpuid(bench.core, 0x8000'0001, 0).edx >> 20 & 1; };
    EXPECT_EQ(reported(), 1U);
    EXPECT_TRUE(writes(bench, 0xc000'0080, bench.s().efer | arch::efer::nxe));
    EXPECT_TRUE(writes(bench, 0xc000'0080, bench.s().efer & ~arch::efer::nxe));
    const u64 before = reads(bench, 0x1a0);
    ASSERT_TRUE(writes(bench, 0x1a0, before | xd_disable));
    EXPECT_EQ(reads(bench, 0x1a0), before | xd_disable);
    EXPECT_EQ(reported(), 0U);
    EXPECT_FALSE(writes(bench, 0xc000'0080, bench.s().efer | arch::efer::nxe));
    cpu::CoreParams params;
    params.features.nx = false;
    Bench without{CodeMode::long64, params};
    EXPECT_FALSE(writes(without, 0x1a0, reads(without, 0x1a0) | xd_disable));
}

TEST(SwapGs, ExchangesTheBaseAtRingZeroOfSixtyFourBitMode) {
    Bench bench;
    bench.s().segment[arch::gs].base = 1;
    bench.s().kernel_gs_base = 2;
    ASSERT_EQ(bench.step({0x0f, 0x01, 0xf8}).vector, Bench::none);
    EXPECT_EQ(bench.s().segment[arch::gs].base, 2U);
    EXPECT_EQ(bench.s().kernel_gs_base, 1U);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xf8}).vector, gp);
    Bench legacy{CodeMode::compatibility};
    EXPECT_EQ(legacy.step({0x0f, 0x01, 0xf8}).vector, 6);
}

TEST(FsAndGsBases, AreReadAndWrittenWithFsgsbase) {
    Bench bench;
    EXPECT_EQ(bench.step({0xf3, 0x48, 0x0f, 0xae, 0xd0}).vector, 6);   // WRFSBASE RAX without CR4.FSGSBASE
    bench.s().cr4 |= arch::cr4::fsgsbase;
    bench.s().gpr[arch::rax] = 0xffff'8000'0000'1000;
    ASSERT_EQ(bench.step({0xf3, 0x48, 0x0f, 0xae, 0xd0}).vector, Bench::none);
    EXPECT_EQ(bench.s().segment[arch::fs].base, 0xffff'8000'0000'1000);
    ASSERT_EQ(bench.step({0xf3, 0x0f, 0xae, 0xd8}).vector, Bench::none);    // WRGSBASE EAX
    EXPECT_EQ(bench.s().segment[arch::gs].base, 0x1000U);
    ASSERT_EQ(bench.step({0xf3, 0x48, 0x0f, 0xae, 0xc3}).vector, Bench::none);      // RDFSBASE RBX
    EXPECT_EQ(bench.s().gpr[arch::rbx], 0xffff'8000'0000'1000);
    bench.s().gpr[arch::rax] = bit(47);
    EXPECT_EQ(bench.step({0xf3, 0x48, 0x0f, 0xae, 0xd0}).vector, gp);
}

}  // namespace
}  // namespace vtsim::test
