// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int ud = 6, gp = 13, pf = 14;

TEST(Hlt, WaitsForTheKernelThenSleepsUntilAnInterrupt) {
    Bench bench;
    bench.poke<u8>(Bench::code, 0xf4);
    bench.s().rip = Bench::code;
    bench.s().rflags |= arch::rflags::if_;
    bench.core.state_changed();
    bench.core.begin_activation(false);
    EXPECT_EQ(bench.core.execute(bench.core.cycles() + 1000), cpu::Stop::resync);
    bench.core.begin_activation(true);
    EXPECT_EQ(bench.core.execute(bench.core.cycles() + 1000), cpu::Stop::halted);
    EXPECT_EQ(bench.s().rip, Bench::code + 1);
    EXPECT_EQ(bench.s().activity, arch::Activity::hlt);
    EXPECT_FALSE(bench.core.wake_pending());
    bench.core.apic->write_mmio(0xf0, 4, 0x1ff, bench.core.cycles());
    bench.core.apic->accept(0x50, false);
    EXPECT_TRUE(bench.core.wake_pending());
    bench.core.begin_activation(true);
    bench.core.execute(bench.core.cycles() + 1000);
    EXPECT_EQ(bench.s().rip, Bench::handlers + 0x50 * 16 + 1);
    EXPECT_EQ(bench.peek<u64>(bench.s().gpr[arch::rsp]), Bench::code + 1);
}

// The interrupt that HLT waits for must not be taken between STI and HLT, however the run is cut.
TEST(Hlt, KeepsTheShadowOfStiOverARestart) {
    Bench bench;
    bench.core.apic->write_mmio(0xf0, 4, 0x1ff, 0);
    bench.core.apic->accept(0x50, false);
    bench.poke<u16>(Bench::code, 0xf4fb);
    bench.s().rip = Bench::code;
    bench.core.state_changed();
    bench.core.set_instruction_limit(1);
    bench.core.begin_activation(false);
    ASSERT_EQ(bench.core.execute(1000), cpu::Stop::limit);                    // behind STI
    bench.core.set_instruction_limit(~u64{0});
    ASSERT_EQ(bench.core.execute(1000), cpu::Stop::resync);                   // before HLT
    EXPECT_EQ(bench.s().rip, Bench::code + 1);
    bench.core.begin_activation(true);
    bench.core.execute(1000);
    EXPECT_EQ(bench.peek<u64>(bench.s().gpr[arch::rsp]), Bench::code + 2);   // the interrupt came after HLT
}

TEST(Hlt, FaultsOutsideRingZero) {
    Bench bench;
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0xf4}).vector, gp);
}

TEST(Monitor, ChecksEcxAndTheAddress) {
    Bench bench;
    bench.s().gpr[arch::rax] = Bench::data;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc8}).vector, Bench::none);
    bench.s().gpr[arch::rcx] = 1;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc8}).vector, gp);
    bench.s().gpr[arch::rcx] = 0;
    bench.s().gpr[arch::rax] = 64 * MiB;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc8}).vector, pf);
    bench.s().misc_enable &= ~bit(18);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc8}).vector, ud);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc9}).vector, ud);
}

TEST(Mwait, ReturnsAtOnceAndKnowsOneExtension) {
    Bench bench;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc9}).vector, Bench::none);
    EXPECT_EQ(bench.s().rip, Bench::code + 3);
    bench.s().gpr[arch::rcx] = 1;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc9}).vector, Bench::none);
    bench.s().gpr[arch::rcx] = 2;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc9}).vector, gp);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xc9}).vector, ud);
}

TEST(Invlpg, MakesAChangedMappingVisible) {
    Bench bench;
    bench.poke<u32>(0x60'0000, 1);
    bench.poke<u32>(0x80'0000, 2);
    bench.s().gpr[arch::rbx] = 0x60'0000;
    ASSERT_EQ(bench.step({0x8b, 0x03}).vector, Bench::none);                  // MOV EAX, [RBX]
    EXPECT_EQ(bench.s().gpr[arch::rax], 1U);
    bench.poke<u64>(Bench::tables + 0x2000 + 3 * 8, 0x80'0087);
    ASSERT_EQ(bench.step({0x0f, 0x01, 0x3b}).vector, Bench::none);
    ASSERT_EQ(bench.step({0x8b, 0x03}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], 2U);
    bench.s().gpr[arch::rbx] = bit(47);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0x3b}).vector, Bench::none);            // not canonical: nothing
}

// SDM vol. 2, "INVPCID - Invalidate Process-Context Identifier", Protected Mode Exceptions.
TEST(Invpcid, ChecksItsOperands) {
    struct Rule {
        u64 type, pcid, linear;
        bool pcide;
        int vector;
    };
    constexpr Rule rules[] = {{0, 0, 0x1000, false, Bench::none}, {0, 1, 0x1000, false, gp}, {0, 1, 0x1000, true, Bench::none}, {0, 0, bit(47), true, gp},
                              {1, 0, bit(47), false, Bench::none}, {1, 1, 0, false, gp}, {2, 5, 0, false, Bench::none}, {3, 5, 0, false, Bench::none},
                              {4, 0, 0, true, gp}, {bit(32), 0, 0, true, gp}, {2, 0x1000, 0, true, gp}, {2, bit(63), 0, true, gp}};
    for (const auto& rule : rules) {
        Bench bench;
        if (rule.pcide) bench.s().cr4 |= arch::cr4::pcide;
        bench.poke<u64>(Bench::data, rule.pcid);
        bench.poke<u64>(Bench::data + 8, rule.linear);
        bench.s().gpr[arch::rax] = rule.type;
        bench.s().gpr[arch::rbx] = Bench::data;
        EXPECT_EQ(bench.step({0x66, 0x0f, 0x38, 0x82, 0x03}).vector, rule.vector) << rule.type << " " << rule.pcid;
    }
}

TEST(CacheInstructions, FaultLikeLoads) {
    Bench bench;
    bench.s().gpr[arch::rax] = Bench::data;
    EXPECT_EQ(bench.step({0x0f, 0xae, 0x38}).vector, Bench::none);            // CLFLUSH [RAX]
    EXPECT_EQ(bench.step({0x66, 0x0f, 0xae, 0x38}).vector, ud);               // CLFLUSHOPT
    bench.s().gpr[arch::rax] = 64 * MiB;
    EXPECT_EQ(bench.step({0x0f, 0xae, 0x38}).vector, pf);
    EXPECT_EQ(bench.step({0x0f, 0x18, 0x08}).vector, Bench::none);            // PREFETCHT0 never faults
    EXPECT_EQ(bench.step({0x0f, 0x09}).vector, Bench::none);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x09}).vector, gp);
}

TEST(UndefinedOpcodes, RaiseUdAtTheirOwnAddress) {
    for (const auto& bytes : {std::initializer_list<int>{0x0f, 0x0b}, {0x0f, 0xb9, 0xc0}, {0x0f, 0xff, 0xc0}, {0x0f, 0xaa}, {0x0f, 0x37}}) {
        Bench bench;
        const auto result = bench.step(bytes);
        EXPECT_EQ(result.vector, ud);
        EXPECT_EQ(result.pushed_rip, Bench::code);
        EXPECT_TRUE(bench.log.empty());
    }
}

}  // namespace
}  // namespace vtsim::test
