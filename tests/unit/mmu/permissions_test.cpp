// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/mmu/bench.h"
#include "unit/mmu/oracle.h"

namespace vtsim::mmu {
namespace {

// Every combination of R/W, U/S and XD in the leaf and in the tables above, of WP, NXE, SMEP, SMAP and AC, and of accesses: first by a
// walk, then again from what the walk has cached.
TEST(Permissions, HoldForEveryCombinationFromWalkAndFromCache) {
    u64 allowed = 0, denied = 0;
    for (const Mode mode : {Mode::functional, Mode::warm})
        for (unsigned rules = 0; rules < 16; ++rules) {
            Bench bench;
            bench.paging(4);
            bench.context.write_protect = (rules & 1) != 0;
            bench.context.no_execute = (rules & 2) != 0;
            bench.context.smep = (rules & 4) != 0;
            bench.context.smap = (rules & 8) != 0;
            for (u64 flags = 0; flags < 64; ++flags) {
                const auto of = [](u64 bits) { return Bench::present | (bits & 1) << 1 | (bits & 2) << 1 | (bits & 4) << 61; };
                bench.map_page(flags << 21, 0x5000, 1, of(flags & 7) | Bench::dirty | Bench::accessed, Bench::all_rights);
                const auto chain = bench.chain(bench.context.cr3, 4, flags << 21, 1, false);
                bench.set_entry(chain[2], false, (bench.entry(chain[2], false) & ~u64{6}) | of(flags >> 3));
            }
            bench.apply();
            bench.mmu.set_mode(mode);
            const oracle::Machine machine{bench.memory, bench.context, 39};
            for (unsigned pass = 0; pass < 2; ++pass)
                for (u64 flags = 0; flags < 64; ++flags)
                    for (unsigned access = 0; access < 16; ++access) {
                        const arch::Access what{static_cast<arch::AccessKind>(access & 3), (access & 4) != 0, (access & 8) != 0, false};
                        const auto want = machine.translate(flags << 21, what);
                        const auto got = bench.mmu.translate(flags << 21, what);
                        ASSERT_EQ(got.ok(), want.kind == oracle::Kind::ok) << rules << " " << flags << " " << access;
                        ++(got.ok() ? allowed : denied);
                        if (!got.ok()) { ASSERT_EQ(got.event.code, want.code); }
                    }
        }
    EXPECT_GT(allowed, 10000U);
    EXPECT_GT(denied, 10000U);
}

// Exit qualification of every access to every combination of EPT rights. SDM vol. 3, "Exit Qualification for EPT Violations".
TEST(EptViolations, ReportAccessAndRights) {
    for (const Mode mode : {Mode::functional, Mode::warm})
        for (const u64 rights : {0U, 1U, 3U, 4U, 5U, 7U})
            for (unsigned kind = 0; kind < 4; ++kind) {
                Bench bench;
                bench.ept(4, 1);
                bench.paging(4);
                bench.map_page(0x1000, 0x5000);
                bench.map_ept(0x5000, 0x5000 + Bench::guest_offset, 1, rights);
                bench.apply();
                bench.mmu.set_mode(mode);
                constexpr u64 needed[] = {1, 2, 3, 4};
                const auto got = bench.mmu.translate(0x1abc, {static_cast<arch::AccessKind>(kind), false, false, false});
                const bool allowed = (rights & needed[kind]) == needed[kind];
                ASSERT_EQ(got.ok(), allowed) << rights << " " << kind;
                if (allowed) continue;
                EXPECT_EQ(got.event.number, 48);
                EXPECT_EQ(bench.mmu.details.guest_physical, 0x5abcU);
                EXPECT_EQ(bench.mmu.details.linear, 0x1abcU);
                EXPECT_EQ(bench.mmu.details.qualification, needed[kind] | rights << 3 | 0x180);
            }
}

// The page that holds the guest's own page table: reads need R; updates of A and D need W; with EPT accessed/dirty flags every access does.
TEST(EptViolations, OfGuestTablesClearBit8) {
    struct Case {
        bool ept_ad;
        u64 rights, guest_flags;
        arch::AccessKind kind;
        bool allowed;
        u64 qualification;
    };
    constexpr u64 a = Bench::accessed, d = Bench::dirty;

    const Case cases[] = {
        {false, 0, a | d, arch::AccessKind::load, false, 0x81},         {false, 1, a | d, arch::AccessKind::store, true, 0},
        {false, 1, a, arch::AccessKind::load, true, 0},                 {false, 1, a, arch::AccessKind::store, false, 0x83 | 1 << 3},
        {false, 1, 0, arch::AccessKind::load, false, 0x83 | 1 << 3},    {false, 5, 0, arch::AccessKind::fetch, false, 0x83 | 5 << 3},
        {true, 1, a | d, arch::AccessKind::load, false, 0x83 | 1 << 3}, {true, 0, a | d, arch::AccessKind::fetch, false, 0x83},
        {true, 3, 0, arch::AccessKind::store, true, 0},
    };
    for (const auto& c : cases) {
        Bench bench;
        bench.ept(4, 1, c.ept_ad);
        bench.paging(4);
        const u64 slot = bench.map_page(0x1000, 0x5000, 1, Bench::all_rights | c.guest_flags, Bench::all_rights | a);
        bench.map_ept(slot & ~u64{0xfff}, (slot & ~u64{0xfff}) + Bench::guest_offset, 1, c.rights);
        bench.apply();
        const auto got = bench.mmu.translate(0x1000, {c.kind, false, false, false});
        EXPECT_EQ(got.ok(), c.allowed) << &c - cases;
        if (c.allowed) continue;
        EXPECT_EQ(bench.mmu.details.qualification, c.qualification) << &c - cases;
        EXPECT_EQ(bench.mmu.details.guest_physical, slot);
    }
}

TEST(EptMisconfigurations, AreToldFromViolations) {
    const u64 bad[] = {
        2,                          // write without read
        6,
        7 | 2 << 3, 7 | 3 << 3, 7 | 7 << 3,     // memory types
        7 | 6 << 3 | bit(45),       // beyond MAXPHYADDR
    };
    for (const u64 value : bad) {
        Bench bench;
        bench.ept(4, 1);
        bench.apply();
        bench.set_entry(bench.chain(bench.context.eptp & ~u64{0xfff}, 4, 0x5000, 1, false).back(), false, value | 0x5000);
        const auto got = bench.mmu.translate(0x5000, load);
        EXPECT_EQ(got.event.number, 49) << value;
        EXPECT_EQ(bench.mmu.details.guest_physical, 0x5000U);
    }
    for (const u64 table_bit : {bit(3), bit(6), bit(7)}) {
        Bench bench;
        bench.ept(4, 1);
        bench.apply();
        const auto top = bench.chain(bench.context.eptp & ~u64{0xfff}, 4, 0x5000, 1, false).front();
        bench.set_entry(top, false, bench.entry(top, false) | table_bit);
        EXPECT_EQ(bench.mmu.translate(0x5000, load).event.number, 49);
    }
}

TEST(EptMisconfigurations, FollowTheCapabilities) {
    MmuParams params;
    params.ept_execute_only = params.ept_2m = params.ept_1g = false;
    Bench bench{params};
    bench.ept(4, 1);
    bench.apply();
    const auto chain = bench.chain(bench.context.eptp & ~u64{0xfff}, 4, 0x5000, 1, false);
    bench.set_entry(chain[3], false, 0x5000 | 4 | 6 << 3);
    EXPECT_EQ(bench.mmu.translate(0x5000, fetch).event.number, 49);
    bench.set_entry(chain[2], false, 7 | 6 << 3 | 128);
    EXPECT_EQ(bench.mmu.translate(0x6000, fetch).event.number, 49);
}

}  // namespace
}  // namespace vtsim::mmu
