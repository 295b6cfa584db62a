// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int ud = 6, np = 11, gp = 13;
constexpr u16 ldt_selector = 0x50, probe = 0x60;

bool zero_flag(Bench& bench) { return (bench.s().read_rflags() & arch::rflags::zf) != 0; }

TEST(DescriptorTables, AreLoadedAndStoredWithTenBytesInSixtyFourBitMode) {
    Bench bench;
    bench.poke<u16>(Bench::data, 0x1fe);
    bench.poke<u64>(Bench::data + 2, 0xffff'8000'1234'5678);
    bench.s().gpr[arch::rax] = Bench::data;
    bench.s().gpr[arch::rbx] = Bench::data + 0x20;
    ASSERT_EQ(bench.step({0x0f, 0x01, 0x10}).vector, Bench::none);           // LGDT [RAX]
    EXPECT_EQ(bench.s().gdtr.limit, 0x1fe);
    EXPECT_EQ(bench.s().gdtr.base, 0xffff'8000'1234'5678);
    ASSERT_EQ(bench.step({0x0f, 0x01, 0x03}).vector, Bench::none);           // SGDT [RBX]
    EXPECT_EQ(bench.peek<u16>(Bench::data + 0x20), 0x1fe);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 0x22), 0xffff'8000'1234'5678);
}

TEST(DescriptorTables, WithNonCanonicalBaseFault) {
    Bench bench;
    bench.poke<u64>(Bench::data + 2, bit(47));
    bench.s().gpr[arch::rax] = Bench::data;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0x10}).vector, gp);
}

TEST(DescriptorTables, HaveTwentyFourBitBasesWithSixteenBitOperands) {
    for (const bool prefix : {false, true}) {
        Bench bench{CodeMode::protected32};
        bench.poke<u16>(Bench::data, 0xffff);
        bench.poke<u32>(Bench::data + 2, 0xab12'3456);
        bench.s().gpr[arch::rax] = Bench::data;
        ASSERT_EQ((prefix ? bench.step({0x66, 0x0f, 0x01, 0x10}) : bench.step({0x0f, 0x01, 0x10})).vector, Bench::none);
        EXPECT_EQ(bench.s().gdtr.base, prefix ? 0x12'3456U : 0xab12'3456U);
    }
    Bench real{CodeMode::real};
    real.poke<u16>(0x500, 0x3ff);
    real.poke<u32>(0x502, 0xff00'2000);
    real.s().gpr[arch::rbx] = 0x500;
    ASSERT_EQ(real.step({0x0f, 0x01, 0x1f}).vector, Bench::none);            // LIDT [BX]
    EXPECT_EQ(real.s().idtr.base, 0x2000U);
}

TEST(DescriptorTables, AreReadableByUsersUnlessUmipPreventsIt) {
    cpu::CoreParams params;
    params.features.umip = true;
    for (const bool umip : {false, true}) {
        for (const int modrm : {0x00, 0x08}) {                                // SGDT, SIDT [RAX]
            Bench bench{CodeMode::long64, params};
            bench.set_cpl(3);
            bench.s().gpr[arch::rax] = Bench::data;
            if (umip) bench.s().cr4 |= arch::cr4::umip;
            EXPECT_EQ(bench.step({0x0f, 0x01, modrm}).vector, umip ? gp : Bench::none);
        }
        for (const auto& bytes : {std::initializer_list<int>{0x0f, 0x00, 0xc0}, {0x0f, 0x00, 0xc8}, {0x0f, 0x01, 0xe0}}) {       // SLDT, STR, SMSW
            Bench bench{CodeMode::long64, params};
            bench.set_cpl(3);
            if (umip) bench.s().cr4 |= arch::cr4::umip;
            EXPECT_EQ(bench.step(bytes).vector, umip ? gp : Bench::none);
        }
    }
}

TEST(LoadTaskRegister, MarksTheDescriptorBusy) {
    Bench bench;
    bench.poke<u64>(Bench::gdt + 0x40, u64{0x89} << 40 | Bench::tss << 16 | 0x67);
    bench.poke<u64>(Bench::gdt + 0x48, 0xffff'8000);
    bench.s().gpr[arch::rax] = Bench::tss_selector;
    ASSERT_EQ(bench.step({0x0f, 0x00, 0xd8}).vector, Bench::none);
    EXPECT_EQ(bench.s().segment[arch::tr].base, 0xffff'8000'0000'0000 | Bench::tss);
    EXPECT_EQ(bench.s().segment[arch::tr].rights & 0xff, 0x8bU);
    EXPECT_EQ(bench.peek<u8>(Bench::gdt + 0x45), 0x8b);
}

// Access byte, selector, vector, error code.
struct LoadRule {
    u8 access;
    u16 selector;
    int vector;
    u32 error;
};

TEST(LoadTaskRegister, RefusesEverythingButAnAvailableTss) {
    constexpr LoadRule rules[] = {{0x8b, 0x40, gp, 0x40}, {0x82, 0x40, gp, 0x40}, {0x93, 0x40, gp, 0x40}, {0x81, 0x40, gp, 0x40}, {0x09, 0x40, np, 0x40},
                                  {0x89, 0x44, gp, 0x44}, {0x89, 0x03, gp, 0}, {0x89, 0x80, gp, 0x80}, {0x89, 0x78, gp, 0x78}};
    for (const auto& rule : rules) {
        Bench bench;
        bench.poke<u64>(Bench::gdt + 0x40, u64{rule.access} << 40 | Bench::tss << 16 | 0x67);
        bench.s().gpr[arch::rax] = rule.selector;
        const auto result = bench.step({0x0f, 0x00, 0xd8});
        EXPECT_EQ(result.vector, rule.vector) << std::hex << rule.selector;
        EXPECT_EQ(result.error_code, rule.error) << std::hex << rule.selector;
    }
}

TEST(LoadLocalDescriptorTable, TakesAnLdtOrNothing) {
    Bench bench;
    bench.poke<u64>(Bench::gdt + ldt_selector, u64{0x82} << 40 | Bench::ldt << 16 | 0xff);
    bench.s().gpr[arch::rax] = ldt_selector;
    ASSERT_EQ(bench.step({0x0f, 0x00, 0xd0}).vector, Bench::none);
    EXPECT_EQ(bench.s().segment[arch::ldtr].base, Bench::ldt);
    EXPECT_EQ(bench.s().segment[arch::ldtr].limit, 0xffU);
    bench.s().gpr[arch::rax] = 0xffff'0003;
    ASSERT_EQ(bench.step({0x0f, 0x00, 0xd0}).vector, Bench::none);
    EXPECT_TRUE(bench.s().segment[arch::ldtr].unusable());
    bench.s().gpr[arch::rax] = Bench::data0;
    EXPECT_EQ(bench.step({0x0f, 0x00, 0xd0}).vector, gp);
    ASSERT_EQ(bench.step({0x48, 0x0f, 0x00, 0xc0}).vector, Bench::none);     // SLDT RAX
    EXPECT_EQ(bench.s().gpr[arch::rax], 3U);
}

TEST(SystemSegments, AreUndefinedInRealMode) {
    for (const int modrm : {0xc0, 0xc8, 0xd0, 0xd8, 0xe0, 0xe8}) {
        Bench bench{CodeMode::real};
        EXPECT_EQ(bench.step({0x0f, 0x00, modrm}).vector, ud) << modrm;
    }
}

// SDM vol. 2: LAR and LSL accept these types of system descriptors; an independent restatement of both tables in both modes.
TEST(LoadAccessRights, AndLimitAcceptTheTypesOfTheManual) {
    const std::set<unsigned> lar_legacy{1, 2, 3, 4, 5, 9, 11, 12}, lar_long{2, 9, 11, 12}, lsl_legacy{1, 2, 3, 9, 11}, lsl_long{2, 9, 11};
    for (const bool long_mode : {false, true}) {
        for (const bool limit : {false, true}) {
            const auto& valid = limit ? (long_mode ? lsl_long : lsl_legacy) : (long_mode ? lar_long : lar_legacy);
            for (unsigned type = 0; type < 32; ++type) {                      // bit 4: code or data
                Bench bench{long_mode ? CodeMode::long64 : CodeMode::protected32};
                bench.poke<u64>(Bench::gdt + probe, 0x00af'8000'0000'1234 | u64{type} << 40);
                bench.poke<u64>(Bench::gdt + probe + 8, 0);
                bench.s().gpr[arch::rbx] = probe;
                bench.s().gpr[arch::rax] = 0x5555;
                ASSERT_EQ((limit ? bench.step({0x0f, 0x03, 0xc3}) : bench.step({0x0f, 0x02, 0xc3})).vector, Bench::none);
                const bool accepted = type >= 16 || valid.contains(type);
                EXPECT_EQ(zero_flag(bench), accepted) << type << limit << long_mode;
                const u64 expected = limit ? 0xf123'4fffU : 0xa0'8000U | type << 8;
                EXPECT_EQ(bench.s().gpr[arch::rax], accepted ? expected : 0x5555U) << type << limit << long_mode;
            }
        }
    }
}

TEST(LoadAccessRights, HideInnerSegmentsFromOuterLevels) {
    for (const unsigned dpl : {0U, 3U}) {
        for (const unsigned rpl : {0U, 3U}) {
            for (const bool conforming : {false, true}) {
                Bench bench;
                bench.poke<u64>(Bench::gdt + probe, 0x00cf'0000'0000'ffff | u64{(conforming ? 0x9eU : 0x9aU) | dpl << 5} << 40);
                bench.s().gpr[arch::rbx] = probe | rpl;
                ASSERT_EQ(bench.step({0x0f, 0x02, 0xc3}).vector, Bench::none);
                EXPECT_EQ(zero_flag(bench), conforming || dpl >= rpl);
            }
        }
    }
}

TEST(VerifySegment, AnswersForReadingAndWriting) {
    for (unsigned type = 0; type < 32; ++type) {
        Bench bench;
        bench.poke<u64>(Bench::gdt + probe, 0x00cf'8000'0000'ffff | u64{type} << 40);
        bench.s().gpr[arch::rax] = probe;
        const bool segment = type >= 16, code = (type & 8) != 0, flag = (type & 2) != 0;
        ASSERT_EQ(bench.step({0x0f, 0x00, 0xe0}).vector, Bench::none);
        EXPECT_EQ(zero_flag(bench), segment && (!code || flag)) << type;
        ASSERT_EQ(bench.step({0x0f, 0x00, 0xe8}).vector, Bench::none);
        EXPECT_EQ(zero_flag(bench), segment && !code && flag) << type;
    }
}

TEST(VerifySegment, OfNothingClearsZero) {
    for (const u64 selector : {0x0U, 0x3U, 0x84U, 0xfff8U}) {                       // null, null with RPL, LDT that is not there, beyond the limit
        Bench bench;
        bench.s().gpr[arch::rax] = selector;
        bench.s().rflags |= arch::rflags::zf;
        ASSERT_EQ(bench.step({0x0f, 0x00, 0xe0}).vector, Bench::none);
        EXPECT_FALSE(zero_flag(bench));
    }
}

TEST(AdjustRpl, RaisesAndNeverLowers) {
    for (unsigned destination = 0; destination < 4; ++destination) {
        for (unsigned source = 0; source < 4; ++source) {
            Bench bench{CodeMode::protected32};
            bench.s().gpr[arch::rax] = 0x100 | destination;
            bench.s().gpr[arch::rbx] = source;
            ASSERT_EQ(bench.step({0x63, 0xd8}).vector, Bench::none);         // ARPL AX, BX
            EXPECT_EQ(bench.s().gpr[arch::rax], 0x100U | std::max(destination, source));
            EXPECT_EQ(zero_flag(bench), destination < source);
        }
    }
}

}  // namespace
}  // namespace vtsim::test
