// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int gp = 13, ud = 6, db = 1;

// MOV CRn, RAX and MOV RAX, CRn; the 32-bit forms have the same bytes.
Bench::Result write_cr(Bench& bench, unsigned number, u64 value) {
    bench.s().gpr[arch::rax] = value;
    return number == 8 ? bench.step({0x44, 0x0f, 0x22, 0xc0}) : bench.step({0x0f, 0x22, 0xc0 | static_cast<int>(number) << 3});
}
u64 read_cr(Bench& bench, unsigned number) {
    bench.s().gpr[arch::rax] = 0xdead'dead'dead'dead;
    EXPECT_EQ((number == 8 ? bench.step({0x44, 0x0f, 0x20, 0xc0}) : bench.step({0x0f, 0x20, 0xc0 | static_cast<int>(number) << 3})).vector, Bench::none);
    return bench.s().gpr[arch::rax];
}

// SDM vol. 2, "MOV - Move to/from Control Registers", 64-Bit Mode Exceptions, restated: start value, written value, expected vector.
struct Rule {
    const char* text;
    unsigned number;
    u64 before;
    u64 written;
    int vector;
};

constexpr u64 long_cr0 = 0x8000'0011, long_cr4 = 0x20;
constexpr Rule rules[] = {
    {"an ordinary value of CR0", 0, long_cr0, 0x8005'0033, Bench::none},
    {"CR0 bit 32", 0, long_cr0, bit(32) | 0x8000'0011, gp},
    {"CR0 bit 63", 0, long_cr0, bit(63) | 0x8000'0011, gp},
    {"PG without PE", 0, long_cr0, 0x8000'0010, gp},
    {"NW without CD", 0, long_cr0, 0xa000'0011, gp},
    {"NW with CD", 0, long_cr0, 0xe000'0011, Bench::none},
    {"paging off in 64-bit mode", 0, long_cr0, 0x11, gp},
    {"an ordinary value of CR3", 3, 0, Bench::tables | 0x18, Bench::none},
    {"CR3 bit 39 with MAXPHYADDR 39", 3, 0, Bench::tables | bit(39), gp},
    {"CR3 bit 63 without PCIDE", 3, 0, Bench::tables | bit(63), gp},
    {"PAE clear in IA-32e mode", 4, long_cr4, 0, gp},
    {"PGE, OSFXSR, OSXMMEXCPT", 4, long_cr4, 0x6a0, Bench::none},
    {"VMXE", 4, long_cr4, 0x2020, Bench::none},
    {"SMXE, which there is not", 4, long_cr4, 0x4020, gp},
    {"LA57, which there is not", 4, long_cr4, 0x1020, gp},
    {"UMIP, which there is not", 4, long_cr4, 0x0820, gp},
    {"OSXSAVE", 4, long_cr4, 0x4'0020, Bench::none},
    {"PKE, which there is not", 4, long_cr4, 0x40'0020, gp},
    {"CR4 bit 15", 4, long_cr4, 0x8020, gp},
    {"CR4 bit 32", 4, long_cr4, bit(32) | 0x20, gp},
    {"PCIDE with CR3[11:0] zero", 4, long_cr4, 0x2'0020, Bench::none},
    {"SMAP", 4, long_cr4, 0x20'0020, Bench::none},
    {"CR8 of 15", 8, 0, 15, Bench::none},
    {"CR8 of 16", 8, 0, 16, gp},
};

class ControlRegisterRule : public testing::TestWithParam<Rule> {};

TEST_P(ControlRegisterRule, IsAppliedInSixtyFourBitModeAndAFaultChangesNothing) {
    const auto& rule = GetParam();
    Bench bench;
    const u64 before = read_cr(bench, rule.number);
    const auto result = write_cr(bench, rule.number, rule.written);
    EXPECT_EQ(result.vector, rule.vector);
    if (rule.vector == Bench::none) {
        EXPECT_EQ(read_cr(bench, rule.number), rule.written);
    } else {
        EXPECT_EQ(result.error_code, 0U);
        EXPECT_EQ(result.pushed_rip, Bench::code);
        EXPECT_EQ(read_cr(bench, rule.number), before);
    }
}
INSTANTIATE_TEST_SUITE_P(Rules, ControlRegisterRule, testing::ValuesIn(rules), [](const auto& row) { return "Row" + std::to_string(row.index); });

TEST(ControlRegisters, FaultOutsideRingZero) {
    Bench bench;
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x20, 0xc0}).vector, gp);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x22, 0xd8}).vector, gp);
}

TEST(ControlRegisters, ThatDoNotExistAreUndefinedOpcodes) {
    for (const int modrm : {0xc8, 0xe8, 0xf0, 0xf8}) {                  // CR1, CR5, CR6, CR7
        Bench bench;
        EXPECT_EQ(bench.step({0x0f, 0x20, modrm}).vector, ud) << modrm;
        EXPECT_EQ(bench.step({0x0f, 0x22, modrm}).vector, ud) << modrm;
    }
}

TEST(ControlRegisters, KeepEtSetAndIgnoreReservedBitsOfCr0) {
    Bench bench;
    ASSERT_EQ(write_cr(bench, 0, 0x8000'ffcf).vector, Bench::none);
    EXPECT_EQ(read_cr(bench, 0), 0x8000'001fU);
}

TEST(ControlRegisters, EnterAndLeaveIa32eModeFromCompatibilityMode) {
    Bench bench{CodeMode::protected32};
    bench.s().cr3 = Bench::tables;
    bench.s().cr4 = arch::cr4::pae;
    bench.s().efer = arch::efer::lme;
    ASSERT_EQ(write_cr(bench, 0, 0x8000'0011).vector, Bench::none);
    EXPECT_TRUE(bench.s().long_mode_active());
    EXPECT_FALSE(bench.s().code64());
    ASSERT_EQ(write_cr(bench, 0, 0x11).vector, Bench::none);
    EXPECT_EQ(bench.s().efer, arch::efer::lme);
}

TEST(ControlRegisters, RefuseIa32eModeWithoutPaeOrWithASixteenBitTss) {
    Bench bench{CodeMode::protected32};
    bench.s().cr3 = Bench::tables;
    bench.s().efer = arch::efer::lme;
    EXPECT_EQ(write_cr(bench, 0, 0x8000'0011).vector, gp);
    Bench other{CodeMode::protected32};
    other.s().cr3 = Bench::tables;
    other.s().cr4 = arch::cr4::pae;
    other.s().efer = arch::efer::lme;
    other.s().segment[arch::tr].rights = 0x83;
    EXPECT_EQ(write_cr(other, 0, 0x8000'0011).vector, gp);
}

// SDM vol. 3, "PDPTE Registers".
TEST(ControlRegisters, LoadThePdptesWithPaePagingAndFaultOnTheirReservedBits) {
    constexpr u64 pdpt = 0x20'0000, directory = 0x20'1000;
    for (const u64 reserved : {u64{0}, bit(1), bit(2), bit(5), bit(8), bit(39), bit(63)}) {
        Bench bench{CodeMode::protected32};
        bench.poke<u64>(directory, 0x83);
        bench.poke<u64>(pdpt + 0x20, directory | 1 | reserved);
        bench.poke<u64>(pdpt + 0x28, bit(1) | bit(63));               // not present: nothing is checked
        bench.s().cr4 = arch::cr4::pae;
        bench.s().cr3 = pdpt + 0x20;
        EXPECT_EQ(write_cr(bench, 0, 0x8000'0011).vector, reserved == 0 ? Bench::none : gp) << reserved;
        EXPECT_EQ(bench.s().pdpte[0], reserved == 0 ? directory | 1 : 0);
        EXPECT_EQ(bench.s().cr0 >> 31 & 1, reserved == 0 ? 1U : 0U);
    }
}

TEST(ControlRegisters, Cr8IsTheTaskPriority) {
    Bench bench;
    ASSERT_EQ(write_cr(bench, 8, 9).vector, Bench::none);
    EXPECT_EQ(bench.core.apic->read_mmio(0x80, 4, 0), 0x90U);
    bench.core.apic->write_mmio(0x80, 4, 0x35, 0);
    EXPECT_EQ(read_cr(bench, 8), 3U);
}

TEST(ControlRegisters, PcideNeedsIa32eModeAndPcidZero) {
    Bench bench;
    bench.s().cr3 = Bench::tables | 1;
    EXPECT_EQ(write_cr(bench, 4, 0x2'0020).vector, gp);
    Bench legacy{CodeMode::protected32};
    EXPECT_EQ(write_cr(legacy, 4, 0x2'0000).vector, gp);
}

TEST(ControlRegisters, Bit63OfCr3IsNotStoredWithPcide) {
    Bench bench;
    ASSERT_EQ(write_cr(bench, 4, 0x2'0020).vector, Bench::none);
    ASSERT_EQ(write_cr(bench, 3, bit(63) | Bench::tables | 5).vector, Bench::none);
    EXPECT_EQ(read_cr(bench, 3), Bench::tables | 5);
}

TEST(LoadMachineStatusWord, SetsProtectionButNeverClearsIt) {
    Bench real{CodeMode::real};
    real.s().gpr[arch::rax] = 0xffff;
    ASSERT_EQ(real.step({0x0f, 0x01, 0xf0}).vector, Bench::none);
    EXPECT_EQ(real.s().cr0 & 0xf, 0xfU);
    Bench bench;
    bench.s().gpr[arch::rax] = 0;
    ASSERT_EQ(bench.step({0x0f, 0x01, 0xf0}).vector, Bench::none);
    EXPECT_EQ(bench.s().cr0, long_cr0);
}

TEST(StoreMachineStatusWord, StoresByOperandSize) {
    Bench bench;
    bench.s().gpr[arch::rax] = ~u64{0};
    ASSERT_EQ(bench.step({0x66, 0x0f, 0x01, 0xe0}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], 0xffff'ffff'ffff'0011);
    ASSERT_EQ(bench.step({0x48, 0x0f, 0x01, 0xe0}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], long_cr0);
}

TEST(ClearTaskSwitched, ClearsOnlyTs) {
    Bench bench;
    bench.s().cr0 |= arch::cr0::ts | arch::cr0::mp;
    ASSERT_EQ(bench.step({0x0f, 0x06}).vector, Bench::none);
    EXPECT_EQ(bench.s().cr0, long_cr0 | arch::cr0::mp);
    bench.set_cpl(3);
    EXPECT_EQ(bench.step({0x0f, 0x06}).vector, gp);
}

TEST(DebugRegisters, HaveFixedBits) {
    Bench bench;
    bench.s().gpr[arch::rax] = 0xffff'ffff;
    ASSERT_EQ(bench.step({0x0f, 0x23, 0xf0}).vector, Bench::none);     // DR6
    EXPECT_EQ(bench.s().dr[6], 0xffff'effFU);
    bench.s().gpr[arch::rax] = 0xffff'dfff;                            // without GD
    ASSERT_EQ(bench.step({0x0f, 0x23, 0xf8}).vector, Bench::none);     // DR7
    EXPECT_EQ(bench.s().dr[7], 0xffff'07ffU);
    bench.s().dr[7] = 0x400;
    bench.s().gpr[arch::rax] = bit(32);
    EXPECT_EQ(bench.step({0x0f, 0x23, 0xf8}).vector, gp);
}

TEST(DebugRegisters, FourAndFiveAreAliasesWithoutDe) {
    Bench bench;
    ASSERT_EQ(bench.step({0x0f, 0x21, 0xe0}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], bench.s().dr[6]);
    bench.s().cr4 |= arch::cr4::de;
    EXPECT_EQ(bench.step({0x0f, 0x21, 0xe0}).vector, ud);
}

TEST(DebugRegisters, TrapWithGeneralDetect) {
    Bench bench;
    bench.s().dr[7] |= bit(13);
    const auto result = bench.step({0x0f, 0x21, 0xc0});
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, Bench::code);
    EXPECT_EQ(bench.s().dr[6] & 0xe00f, bit(13));
    EXPECT_EQ(bench.s().dr[7], 0x400U);
}

TEST(ExtendedControlRegisters, AreUndefinedWithoutOsxsave) {
    Bench bench;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xd0}).vector, ud);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xd1}).vector, ud);
}

}  // namespace
}  // namespace vtsim::test
