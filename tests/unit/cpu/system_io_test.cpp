// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int gp = 13, pf = 14;

TEST(In, WritesTheAccumulatorBySize) {
    Bench bench;
    bench.io.answers[0x60] = 0xaabb'ccdd;
    bench.s().gpr[arch::rax] = ~u64{0};
    ASSERT_EQ(bench.step({0xe4, 0x60}).vector, Bench::none);                 // IN AL, 60H
    EXPECT_EQ(bench.s().gpr[arch::rax], 0xffff'ffff'ffff'ffdd);
    bench.s().gpr[arch::rdx] = 0xffff'0060;
    ASSERT_EQ(bench.step({0x66, 0xed}).vector, Bench::none);                 // IN AX, DX
    EXPECT_EQ(bench.s().gpr[arch::rax], 0xffff'ffff'ffff'ccdd);
    ASSERT_EQ(bench.step({0xed}).vector, Bench::none);                       // IN EAX, DX
    EXPECT_EQ(bench.s().gpr[arch::rax], 0xaabb'ccddU);
}

TEST(Out, WritesThePortBySize) {
    Bench bench;
    bench.s().gpr[arch::rax] = 0x1122'3344'5566'7788;
    bench.s().gpr[arch::rdx] = 0x3f8;
    ASSERT_EQ(bench.step({0xee}).vector, Bench::none);
    ASSERT_EQ(bench.step({0x66, 0xef}).vector, Bench::none);
    ASSERT_EQ(bench.step({0xef}).vector, Bench::none);
    ASSERT_EQ(bench.step({0xe6, 0x80}).vector, Bench::none);
    EXPECT_EQ(bench.io.writes, (std::vector<FakeIo::Access>{{0x3f8, 1, 0x88}, {0x3f8, 2, 0x7788}, {0x3f8, 4, 0x5566'7788}, {0x80, 1, 0x88}}));
}

TEST(Io, WaitsForTheKernelBeforeAnySideEffect) {
    Bench bench;
    bench.poke<u8>(Bench::code, 0xec);
    bench.s().rip = Bench::code;
    bench.core.state_changed();
    bench.core.begin_activation(false);
    EXPECT_EQ(bench.core.execute(bench.core.cycles() + 1000), cpu::Stop::resync);
    EXPECT_TRUE(bench.io.reads.empty());
    EXPECT_EQ(bench.s().rip, Bench::code);
    EXPECT_EQ(bench.core.instructions(), 0U);
}

// SDM vol. 1, "I/O Permission Bit Map": the rule restated bit by bit.
TEST(IoPermission, IsOneBitAPortOutsideIopl) {
    constexpr u16 map = 0x100;
    for (const unsigned bytes : {1U, 2U, 4U}) {
        for (u16 port = 0x3f4; port < 0x404; ++port) {
            Bench bench;
            bench.set_cpl(3);
            bench.poke<u16>(Bench::tss + 0x66, map);
            bench.poke<u8>(Bench::tss + map + 0x3f8 / 8, 0x01);            // only 3F8H is forbidden
            bench.s().gpr[arch::rdx] = port;
            const bool forbidden = port <= 0x3f8 && 0x3f8 < port + bytes;
            const auto result = bytes == 1 ? bench.step({0xec}) : bytes == 2 ? bench.step({0x66, 0xed}) : bench.step({0xed});
            EXPECT_EQ(result.vector, forbidden ? gp : Bench::none) << port << " " << bytes;
        }
    }
}

TEST(IoPermission, IsDeniedBeyondTheLimitOfTheTaskStateSegment) {
    Bench bench;
    bench.set_cpl(3);
    bench.poke<u16>(Bench::tss + 0x66, 0x100);
    bench.s().segment[arch::tr].limit = 0x100 + 10;
    bench.s().gpr[arch::rdx] = 9 * 8;                                         // bytes 9 and 10 are read
    EXPECT_EQ(bench.step({0xec}).vector, Bench::none);
    bench.set_cpl(3);
    bench.s().gpr[arch::rdx] = 10 * 8;
    EXPECT_EQ(bench.step({0xec}).vector, gp);
    bench.set_cpl(3);
    bench.s().rflags |= arch::rflags::iopl;
    EXPECT_EQ(bench.step({0xec}).vector, Bench::none);
}

TEST(StringIo, InsStoresAndAdvancesInTheDirection) {
    for (const bool down : {false, true}) {
        Bench bench;
        bench.io.answers[0x1f0] = 0x1234;
        bench.s().gpr[arch::rdx] = 0x1f0;
        bench.s().gpr[arch::rdi] = Bench::data + 8;
        bench.s().gpr[arch::rcx] = 3;
        if (down) bench.s().rflags |= arch::rflags::df;
        ASSERT_EQ(bench.step({0xf3, 0x66, 0x6d}).vector, Bench::none);        // REP INSW
        EXPECT_EQ(bench.io.reads.size(), 3U);
        EXPECT_EQ(bench.s().gpr[arch::rcx], 0U);
        EXPECT_EQ(bench.s().gpr[arch::rdi], Bench::data + 8 + (down ? ~u64{5} : 6));
        for (u64 i = 0; i < 3; ++i) EXPECT_EQ(bench.peek<u16>(Bench::data + 8 + (down ? ~(2 * i) + 1 : 2 * i)), 0x1234);
    }
}

TEST(StringIo, OutsReadsWithSegmentOverride) {
    Bench bench;
    bench.poke<u32>(Bench::data + 0x104, 0xcafe'f00d);
    bench.s().segment[arch::fs].base = 0x100;
    bench.s().gpr[arch::rsi] = Bench::data + 4;
    bench.s().gpr[arch::rdx] = 0x80;
    ASSERT_EQ(bench.step({0x64, 0x6f}).vector, Bench::none);                 // OUTS DX, FS:[RSI]
    EXPECT_EQ(bench.io.writes, (std::vector<FakeIo::Access>{{0x80, 4, 0xcafe'f00d}}));
    EXPECT_EQ(bench.s().gpr[arch::rsi], Bench::data + 8);
}

TEST(StringIo, WithCountZeroDoesNothing) {
    Bench bench;
    bench.s().gpr[arch::rcx] = u64{1} << 32;
    bench.s().gpr[arch::rdi] = Bench::data;
    ASSERT_EQ(bench.step({0x67, 0xf3, 0x6c}).vector, Bench::none);           // ECX counts
    EXPECT_TRUE(bench.io.reads.empty());
    EXPECT_EQ(bench.s().gpr[arch::rcx], u64{1} << 32);
}

TEST(StringIo, FaultsBeforeTheDeviceIsAsked) {
    Bench bench;
    bench.s().gpr[arch::rcx] = 2;
    bench.s().gpr[arch::rdi] = 64 * MiB;                                      // not mapped
    EXPECT_EQ(bench.step({0xf3, 0x6c}).vector, pf);
    EXPECT_TRUE(bench.io.reads.empty());
    EXPECT_EQ(bench.s().gpr[arch::rcx], 2U);
}

TEST(StringIo, ContinuesWhereItFaulted) {
    Bench bench;
    bench.s().gpr[arch::rcx] = 4;
    bench.s().gpr[arch::rdi] = 64 * MiB - 2;
    const auto result = bench.step({0xf3, 0x6c});
    EXPECT_EQ(result.vector, pf);
    EXPECT_EQ(result.pushed_rip, Bench::code);
    EXPECT_EQ(bench.io.reads.size(), 2U);
    EXPECT_EQ(bench.s().gpr[arch::rcx], 2U);
    EXPECT_EQ(bench.s().gpr[arch::rdi], 64 * MiB);
    EXPECT_EQ(bench.s().cr2, 64 * MiB);
}

}  // namespace
}  // namespace vtsim::test
