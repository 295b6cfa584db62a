// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "unit/vmx/vmx_bench.h"

// Conditional exits against the sentences of the manual, bit by bit.
namespace vtsim::vmx::test {

namespace {

struct Guest : VmxBench {
    explicit Guest(const std::function<void(VmxBench&)>& configure) {
        make_current();
        configure(*this);
        entered = launch().kind == EntryResult::Kind::entered;
    }
    bool entered = false;
};

}  // namespace

TEST(RootOperation, InterceptsNothing) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x6000, ~u64{0});
    EXPECT_FALSE(bench.vmx.mov_to_cr0(0, 1).exits);
    EXPECT_FALSE(bench.vmx.mov_to_cr3(1, 1).exits);
    EXPECT_FALSE(bench.vmx.exits_on_io(0x80, 1));
    EXPECT_FALSE(bench.vmx.exits_on_msr_read(0x10));
    for (unsigned vector = 0; vector < 32; ++vector) EXPECT_FALSE(bench.vmx.exits_on_exception(static_cast<u8>(vector), 0));
    EXPECT_EQ(bench.vmx.read_cr0(), bench.state.cr0);
    EXPECT_EQ(bench.vmx.guest_tsc(12345), 12345);
}

TEST(ControlRegisterMasks, DecideEachBitAlone) {
    std::mt19937_64 random{7};
    for (int round = 0; round < 500; ++round) {
        const u64 mask = random(), shadow = random();
        Guest guest{[&](VmxBench& bench) {
            bench.write(0x6000, mask);
            bench.write(0x6004, shadow);
            bench.write(0x6002, mask);
            bench.write(0x6006, shadow);
        }};
        ASSERT_TRUE(guest.entered);
        u64 source = random();
        if (round % 2 == 0) source = (source & ~mask) | (shadow & mask);
        u64 seen = 0, written = 0;
        bool exits = false;
        for (unsigned i = 0; i < 64; ++i) {
            const bool owned = ((mask >> i) & 1) != 0;
            exits |= owned && ((source >> i) & 1) != ((shadow >> i) & 1);
            seen |= ((owned ? shadow : guest.state.cr0) >> i & 1) << i;
            written |= ((owned ? guest.state.cr0 : source) >> i & 1) << i;
        }
        EXPECT_EQ(guest.vmx.read_cr0(), seen);
        const auto access = guest.vmx.mov_to_cr0(source, 6);
        EXPECT_EQ(access.exits, exits);
        EXPECT_EQ(access.value, exits ? 0x600 : written);
        EXPECT_EQ(guest.vmx.mov_to_cr4(source, 6).exits, exits);
        if (exits) {
            EXPECT_EQ(guest.vmx.mov_to_cr4(source, 6).value, 0x604);
        }
    }
}

TEST(Lmsw, ExitsAndWritesAsTheManualSays) {
    for (u64 bits = 0; bits < 1U << 12; ++bits) {
        const u64 mask = bits & 15, shadow = (bits >> 4) & 15;
        const u16 source = static_cast<u16>(bits >> 8);
        VmxBench bench;
        bench.vmx.intercepts.non_root = true;
        bench.vmx.intercepts.cr0_mask = mask;
        bench.vmx.intercepts.cr0_shadow = shadow;
        for (const u64 cr0 : {u64{0x30}, u64{0x3f}}) {
            bench.state.cr0 = cr0;
            const bool protection = (mask & 1) != 0 && (source & 1) != 0 && (shadow & 1) == 0;
            const bool task = ((source ^ shadow) & mask & 14) != 0;
            const auto access = bench.vmx.lmsw(source, true);
            ASSERT_EQ(access.exits, protection || task);
            u64 expected = cr0;
            for (unsigned i = 1; i < 4; ++i)
                if ((mask >> i & 1) == 0) expected = (expected & ~(u64{1} << i)) | (source & (u64{1} << i));
            if ((mask & 1) == 0) expected |= source & 1;
            EXPECT_EQ(access.value, access.exits ? (u64{source} << 16 | 0x70) : expected);
        }
    }
}

TEST(Clts, DependsOnMaskAndShadow) {
    for (unsigned bits = 0; bits < 4; ++bits) {
        VmxBench bench;
        bench.state.cr0 = 0x3b;
        bench.vmx.intercepts.cr0_mask = (bits & 1) != 0 ? 8 : 0;
        bench.vmx.intercepts.cr0_shadow = (bits & 2) != 0 ? 8 : 0;
        const auto access = bench.vmx.clts();
        EXPECT_EQ(access.exits, bits == 3);
        EXPECT_EQ(access.value, bits == 3 ? 0x20 : bits == 1 ? 0x3b : 0x33);
    }
}

TEST(Cr3Load, ExitsUnlessTheValueIsAmongTheTargets) {
    for (u64 count = 0; count <= 4; ++count) {
        Guest guest{[&](VmxBench& bench) {
            bench.set(0x4002, 1 << 15);
            bench.write(0x400a, count);
            for (u64 i = 0; i < 4; ++i) bench.write(0x6008 + 2 * i, 0x1000 * (i + 1));
        }};
        ASSERT_TRUE(guest.entered);
        for (u64 i = 0; i < 4; ++i) EXPECT_EQ(guest.vmx.mov_to_cr3(0x1000 * (i + 1), 0).exits, i >= count);
        EXPECT_EQ(guest.vmx.mov_to_cr3(0x9000, 2).value, 0x203);
        EXPECT_EQ(guest.vmx.mov_from_cr3(1).exits, false);
    }
}

TEST(Cr8, IsTheVirtualTprWithTprShadow) {
    Guest guest{[](VmxBench& bench) {
        bench.set(0x4002, 1 << 21);
        bench.write(0x2012, VmxBench::virtual_apic);
        bench.memory.write<u32>(PhysicalAddress{VmxBench::virtual_apic + 0x80}, 0x70);
        bench.write(0x401c, 5);
    }};
    ASSERT_TRUE(guest.entered);
    EXPECT_EQ(guest.vmx.mov_from_cr8(0).value, 7);
    EXPECT_FALSE(guest.vmx.write_virtual_tpr(5));
    EXPECT_EQ(guest.vmx.mov_from_cr8(0).value, 5);
    EXPECT_TRUE(guest.vmx.write_virtual_tpr(4));
    EXPECT_EQ(guest.memory.read<u32>(PhysicalAddress{VmxBench::virtual_apic + 0x80}), 0x40);
}

TEST(IoBitmaps, LookAtEveryPortOfTheAccess) {
    Guest guest{[](VmxBench& bench) {
        bench.set(0x4002, 1 << 25);
        bench.write(0x2000, VmxBench::bitmaps);
        bench.write(0x2002, VmxBench::bitmaps + 0x1000);
        bench.memory.write<u8>(PhysicalAddress{VmxBench::bitmaps + 0x3f8 / 8}, 1);
        bench.memory.write<u8>(PhysicalAddress{VmxBench::bitmaps + 0x1000 + (0xc000 - 0x8000) / 8}, 2);
        bench.memory.write<u8>(PhysicalAddress{VmxBench::bitmaps + 0x1000}, 1);
    }};
    ASSERT_TRUE(guest.entered);
    EXPECT_TRUE(guest.vmx.exits_on_io(0x3f8, 1));
    EXPECT_TRUE(guest.vmx.exits_on_io(0x3f5, 4));
    EXPECT_FALSE(guest.vmx.exits_on_io(0x3f4, 4));
    EXPECT_FALSE(guest.vmx.exits_on_io(0x3f9, 4));
    EXPECT_TRUE(guest.vmx.exits_on_io(0xc000, 2));
    EXPECT_FALSE(guest.vmx.exits_on_io(0xc000, 1));
    EXPECT_FALSE(guest.vmx.exits_on_io(0xffff, 1));
    EXPECT_TRUE(guest.vmx.exits_on_io(0x8000, 1)) << "the first port of bitmap B";
    EXPECT_FALSE(guest.vmx.exits_on_io(0x7fff, 1));
    EXPECT_TRUE(guest.vmx.exits_on_io(0x7fff, 2));
    EXPECT_TRUE(guest.vmx.exits_on_io(0xffff, 2)) << "wraps around";
}

TEST(MsrBitmaps, HaveAQuarterForEachRangeAndDirection) {
    constexpr u32 msrs[] = {0, 0x10, 0x1fff, 0xc000'0000, 0xc000'0080, 0xc000'1fff};
    Guest guest{[](VmxBench& bench) {
        bench.set(0x4002, 1 << 28);
        bench.write(0x2004, VmxBench::bitmaps);
    }};
    ASSERT_TRUE(guest.entered);
    for (const u32 msr : msrs)
        for (const bool write : {false, true}) {
            const u64 byte = VmxBench::bitmaps + (write ? 2048U : 0U) + (msr >= 0xc000'0000 ? 1024U : 0U) + (msr & 0x1fff) / 8;
            guest.memory.write<u8>(PhysicalAddress{byte}, static_cast<u8>(1U << (msr & 7)));
            for (const u32 other : msrs) {
                EXPECT_EQ(guest.vmx.exits_on_msr_read(other), other == msr && !write);
                EXPECT_EQ(guest.vmx.exits_on_msr_write(other), other == msr && write);
            }
            guest.memory.write<u8>(PhysicalAddress{byte}, 0);
        }
    EXPECT_TRUE(guest.vmx.exits_on_msr_read(0x2000));
    EXPECT_TRUE(guest.vmx.exits_on_msr_write(0xc000'2000));
    EXPECT_TRUE(guest.vmx.exits_on_msr_read(0xbfff'ffff));
}

TEST(ExceptionBitmap, FiltersPageFaultsByErrorCode) {
    for (const bool bitmap : {false, true})
        for (u32 mask = 0; mask < 8; ++mask)
            for (u32 match = 0; match < 8; ++match) {
                Guest guest{[&](VmxBench& bench) {
                    bench.write(0x4004, bitmap ? 1U << 14 | 1U << 6 : 0U);
                    bench.write(0x4006, mask);
                    bench.write(0x4008, match);
                }};
                ASSERT_TRUE(guest.entered);
                EXPECT_EQ(guest.vmx.exits_on_exception(6, 0), bitmap);
                EXPECT_FALSE(guest.vmx.exits_on_exception(13, 0));
                for (u32 code = 0; code < 8; ++code) EXPECT_EQ(guest.vmx.exits_on_exception(14, code), (code & mask) == match ? bitmap : !bitmap);
            }
}

TEST(GuestTsc, IsScaledAndOffset) {
    VmxParams params;
    params.tsc_scaling = true;
    VmxBench bench{params};
    bench.make_current();
    bench.set(0x4002, 1 << 3);
    bench.set(0x401e, 1 << 25);
    bench.write(0x2010, ~u64{0} - 99);                  // -100
    bench.write(0x2032, u64{3} << 47);                  // 1.5
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_EQ(bench.vmx.guest_tsc(1000), 1400);
    EXPECT_EQ(bench.vmx.guest_tsc(u64{1} << 62), (u64{3} << 61) - 100);
}

TEST(PagingContext, TellsOfEptAndVpidOnlyInNonRootOperation) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x401e, 1 << 1 | 1 << 5);
    bench.write(0x201a, 0x501e);
    bench.write(0x0000, 77);
    const auto context = [&] {
        arch::PagingContext result;
        bench.vmx.complete(result);
        return result;
    };
    EXPECT_EQ(context(), arch::PagingContext{});
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_TRUE(context().guest && context().ept);
    EXPECT_EQ(context().eptp, 0x501e);
    EXPECT_EQ(context().vpid, 77);
    bench.vmx.exit(ExitReason::hlt, {});
    EXPECT_EQ(context(), arch::PagingContext{});
}

TEST(FixedBits, ArePartlyFreeForAnUnrestrictedGuest) {
    VmxBench bench;
    EXPECT_TRUE(bench.vmx.cr0_allowed(0)) << "outside VMX operation";
    bench.make_current();
    EXPECT_FALSE(bench.vmx.cr0_allowed(0x20));
    bench.set(0x401e, 1 << 1 | 1 << 7);
    bench.write(0x201a, 0x1e);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_TRUE(bench.vmx.cr0_allowed(0x20));
    EXPECT_FALSE(bench.vmx.cr0_allowed(0));
    EXPECT_FALSE(bench.vmx.cr4_allowed(0x20));
}

TEST(Iret, UnblocksTheKindOfNmiThatTheControlsName) {
    for (const u64 pin : {0, 8, 0x28}) {
        VmxBench bench;
        bench.make_current();
        bench.set(0x4000, pin);
        bench.write(0x4824, 8);
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
        EXPECT_EQ(bench.state.blocked_by_nmi, pin != 0x28);
        EXPECT_EQ(bench.vmx.virtual_nmi_blocking, pin == 0x28);
        bench.vmx.iret_unblocks_nmi();
        EXPECT_EQ(bench.state.blocked_by_nmi, pin == 8) << "NMI exiting without virtual NMIs: no effect";
        EXPECT_FALSE(bench.vmx.virtual_nmi_blocking);
    }
}

}  // namespace vtsim::vmx::test
