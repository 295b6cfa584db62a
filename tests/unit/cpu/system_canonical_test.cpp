// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cpu/msr.h"
#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int gp = 13;
constexpr u64 canonical48 = 0xffff'aaaa'aaaa'aaaa, canonical57 = 0xffaa'aaaa'aaaa'aaaa, never = 0xaaaa'aaaa'aaaa'aaaa;

cpu::CoreParams processor(bool la57) {
    cpu::CoreParams params;
    params.features.la57 = la57;
    return params;
}

class Canonical : public testing::TestWithParam<bool> {};

// What is only loaded is checked against the width that the processor supports, whatever CR4.LA57 says; an access against the paging mode. SDM vol. 1, "Canonical
// Addressing".
TEST_P(Canonical, DependsOnTheProcessorForBasesAndOnThePagingModeForAccesses) {
    const bool la57 = GetParam();
    for (const auto& [address, loads, reaches] : {std::tuple{canonical48, true, true}, {canonical57, la57, false}, {never, false, false}}) {
        SCOPED_TRACE(testing::Message() << std::hex << address);
        for (const u32 msr : {0x175U, 0x176U, 0xc000'0082U, 0xc000'0083U, 0xc000'0100U, 0xc000'0101U, 0xc000'0102U}) {
            Bench bench{CodeMode::long64, processor(la57)};
            EXPECT_EQ(!cpu::write_msr(bench.core, msr, address), loads) << std::hex << msr;
        }
        Bench bench{CodeMode::long64, processor(la57)};
        bench.s().cr4 |= arch::cr4::fsgsbase | arch::cr4::pcide;
        bench.s().gpr[arch::rax] = address;
        EXPECT_EQ(bench.step({0xf3, 0x48, 0x0f, 0xae, 0xd0}).vector, loads ? Bench::none : gp);            // wrfsbase rax
        bench.poke<u16>(Bench::data, 0x7f);
        bench.poke<u64>(Bench::data + 2, address);
        bench.s().gpr[arch::rbx] = Bench::data;
        const auto gdtr = bench.s().gdtr;
        if (loads) {
            EXPECT_EQ(bench.step({0x0f, 0x01, 0x13}).vector, Bench::none);                                  // lgdt [rbx]
            EXPECT_EQ(bench.s().gdtr.base, address);
            bench.s().gdtr = gdtr;
        } else {
            EXPECT_EQ(bench.step({0x0f, 0x01, 0x13}).vector, gp);
            EXPECT_EQ(bench.s().gdtr.base, gdtr.base);
        }
        bench.poke<u64>(Bench::data, 1);
        bench.poke<u64>(Bench::data + 8, address);
        bench.s().gpr[arch::rax] = 0;
        EXPECT_EQ(bench.step({0x66, 0x0f, 0x38, 0x82, 0x03}).vector, loads ? Bench::none : gp);            // invpcid rax, [rbx]
        bench.s().gpr[arch::rbx] = address;
        EXPECT_EQ(bench.step({0x8b, 0x03}).vector, reaches ? 14 : gp);                                      // mov eax, [rbx]
        EXPECT_EQ(bench.step({0xff, 0xe3}).vector == gp, !reaches);                                         // jmp rbx; the fetch there is another instruction's
    }
}
INSTANTIATE_TEST_SUITE_P(Processors, Canonical, testing::Bool());

TEST(Canonical, AccessesHaveFiftySevenBitsWithFiveLevels) {
    Bench bench{CodeMode::long64, processor(true)};
    bench.poke<u64>(0x6000, Bench::tables | 7);                          // a fifth level
    bench.s().cr3 = 0x6000;
    bench.s().cr4 |= arch::cr4::la57;
    bench.s().gpr[arch::rbx] = canonical57;
    EXPECT_EQ(bench.step({0x8b, 0x03}).vector, 14);
    EXPECT_NE(bench.step({0xff, 0xe3}).vector, gp);
    bench.s().gpr[arch::rbx] = never;
    EXPECT_EQ(bench.step({0x8b, 0x03}).vector, gp);
}

TEST(DescriptorTable, ThatThePagingModeDoesNotReachFaultsWhenItIsUsed) {
    Bench bench{CodeMode::long64, processor(true)};
    bench.s().gdtr.base = canonical57;
    bench.s().gpr[arch::rax] = CoreBench::data0;
    bench.s().idtr.base = 0;                                             // neither can the exception be delivered: triple fault
    bench.s().idtr.limit = 0;
    bench.step({0x8e, 0xd8});                                            // mov ds, eax
    EXPECT_EQ(bench.core.end_cause(), cpu::EndCause::triple_fault);
}

// IRET makes GS null when the outer level may not use it. Its base is an MSR and stays.
TEST(ReturnToOuterLevel, KeepsTheBasesOfFsAndGs) {
    Bench bench;
    bench.s().segment[arch::fs].base = 0x1234'5000;
    bench.s().segment[arch::gs].base = 0xffff'8000'0000'0000;
    u64 rsp = Bench::stack;
    for (const u64 word : {Bench::code + 0x100, u64{Bench::code64_user}, u64{2}, Bench::stack - 0x100, u64{Bench::data_user}}) {
        bench.poke<u64>(rsp, word);
        rsp += 8;
    }
    ASSERT_EQ(bench.step({0x48, 0xcf}).vector, Bench::none);
    ASSERT_EQ(bench.s().cpl, 3);
    EXPECT_EQ(bench.s().segment[arch::gs].selector, 0U);
    EXPECT_EQ(bench.s().segment[arch::fs].base, 0x1234'5000U);
    EXPECT_EQ(bench.s().segment[arch::gs].base, 0xffff'8000'0000'0000U);
}

}  // namespace
}  // namespace vtsim::test
