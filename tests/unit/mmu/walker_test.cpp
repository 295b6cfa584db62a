// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "unit/mmu/bench.h"
#include "unit/mmu/oracle.h"

namespace vtsim::mmu {
namespace {

using oracle::Kind;

void expect_same(const Bench& bench, const arch::Outcome<Translation>& got, const oracle::Answer& want, u64 linear) {
    switch (want.kind) {
        case Kind::ok:
            ASSERT_TRUE(got.ok()) << std::hex << linear << " event " << got.event.number << " code " << got.event.code;
            EXPECT_EQ(got.value.physical.value(), want.pa);
            break;
        case Kind::page_fault:
            ASSERT_EQ(got.event.kind, arch::EventKind::exception);
            EXPECT_EQ(got.event.number, 14);
            EXPECT_EQ(got.event.code, want.code);
            EXPECT_EQ(bench.mmu.details.linear, linear);
            break;
        case Kind::violation:
            ASSERT_EQ(got.event.kind, arch::EventKind::vm_exit);
            EXPECT_EQ(got.event.number, 48);
            EXPECT_EQ(bench.mmu.details.guest_physical, want.gpa);
            EXPECT_EQ(bench.mmu.details.qualification, want.qualification) << std::hex << bench.mmu.details.qualification << " " << want.qualification;
            EXPECT_EQ(bench.mmu.details.linear, linear);
            EXPECT_TRUE(bench.mmu.details.linear_valid);
            break;
        case Kind::misconfiguration:
            ASSERT_EQ(got.event.kind, arch::EventKind::vm_exit);
            EXPECT_EQ(got.event.number, 49);
            EXPECT_EQ(bench.mmu.details.guest_physical, want.gpa);
            EXPECT_EQ(bench.mmu.details.qualification, 0U);
            break;
    }
}

// Random trees with random flags, a few of them wrong, and random accesses. What the oracle says must come out, A and D bits included.
struct RandomCase {
    bool nested, ept_accessed_dirty, five_levels;
    Mode mode;
    bool caches;
};

class RandomTrees : public testing::TestWithParam<RandomCase> {
protected:
    static constexpr u64 pages = 48;
    std::mt19937_64 random{12345};
    bool chance(unsigned one_in) { return random() % one_in == 0; }

    u64 entry_flags() {
        u64 flags = 0;
        if (!chance(40)) flags |= Bench::present;
        if (!chance(6)) flags |= Bench::writable;
        if (!chance(4)) flags |= Bench::user;
        if (chance(2)) flags |= Bench::accessed;
        if (chance(3)) flags |= Bench::dirty;
        if (chance(8)) flags |= Bench::no_execute;
        if (chance(100)) flags |= bit(45);                          // beyond MAXPHYADDR
        return flags | (random() % 16) << 59;
    }
    u64 ept_flags() {
        u64 flags = chance(60) ? 0 : chance(20) ? 4 : chance(10) ? 1 : chance(8) ? 5 : chance(8) ? 3 : 7;
        if (chance(120)) flags |= bit(46);
        return flags;
    }
    u64 pick() { return 0x0040'0000'0000 + (random() % 4) * GiB + (random() % 3) * 2 * MiB + (random() % 4) * page_size + random() % page_size; }

    void grow(Bench& bench) {
        for (u64 i = 0; i < pages; ++i) {
            const u64 address = pick() & ~u64{0xfff};
            const u64 target = 20 * MiB + (random() % 64) * page_size;
            const u64 existing = entry_at(bench, address);
            if (existing != 0) continue;
            const bool big = chance(6);
            bench.map_page(address, big ? align_down(target, 2 * MiB) | (chance(10) ? bit(14) : 0) : target, big ? 2 : 1, entry_flags(), entry_flags() & ~bit(45));
        }
    }
    static u64 entry_at(Bench& bench, u64 address) {
        u64 table = bench.context.cr3 & ~u64{0xfff};
        for (unsigned level = bench.levels(); level >= 2; --level) {
            const u64 value = bench.entry(table + (address >> (12 + 9 * (level - 1)) & 511) * 8, bench.context.ept);
            if (value == 0) return 0;
            if (level == 2 && (value & Bench::large) != 0) return value;
            table = value & 0x000f'ffff'ffff'f000;
        }
        return bench.entry(table + (address >> 12 & 511) * 8, bench.context.ept);
    }
    void spoil_ept(Bench& bench) {
        for (u64 i = 0; i < 60; ++i) {
            const u64 gpa = chance(2) ? 20 * MiB + (random() % 64) * page_size : 16 * MiB + (random() % 24) * page_size;
            const u64 slots_of = bench.map_ept(gpa, gpa + Bench::guest_offset, 1, Bench::ept_all);
            bench.set_entry(slots_of, false, (gpa + Bench::guest_offset) | ept_flags() | (chance(40) ? 7U << 3 : 6U << 3));
        }
    }
};

TEST_P(RandomTrees, TranslateAsTheNaiveWalkSays) {
    const auto param = GetParam();
    unsigned outcomes[4] = {};
    for (unsigned round = 0; round < 60; ++round) {
        MmuParams params;
        params.walk_caches = param.caches;
        Bench bench{params};
        if (param.nested) bench.ept(4, 1, param.ept_accessed_dirty);
        bench.paging(param.five_levels ? 5 : 4);
        bench.context.global_pages = false;
        bench.context.write_protect = chance(2);
        bench.context.no_execute = !chance(4);
        bench.context.smep = chance(2);
        bench.context.smap = chance(2);
        bench.context.protection_keys = chance(2);
        bench.context.pkru = static_cast<u32>(random() & random());
        grow(bench);
        if (param.nested) spoil_ept(bench);
        bench.apply();
        bench.mmu.set_mode(param.mode);
        const oracle::Machine machine{bench.memory, bench.context, params.physical_address_bits};
        for (unsigned i = 0; i < 300; ++i) {
            const u64 linear = pick();
            const arch::Access access{static_cast<arch::AccessKind>(random() % 4), chance(2), chance(2), false};
            const auto want = machine.translate(linear, access);
            std::vector<u64> before;
            for (const u64 slot : want.guest_slots) before.push_back(machine.read(slot));
            const auto got = bench.mmu.translate(linear, access);
            ++outcomes[static_cast<unsigned>(want.kind)];
            expect_same(bench, got, want, linear);
            if (HasFatalFailure() || HasNonfatalFailure()) FAIL() << "round " << round << " access " << i;
            for (std::size_t s = 0; s < want.guest_slots.size(); ++s) {
                const u64 flags = want.kind != Kind::ok ? 0 : Bench::accessed | (access.writes() && s + 1 == want.guest_slots.size() ? Bench::dirty : 0);
                EXPECT_EQ(machine.read(want.guest_slots[s]), before[s] | flags);
            }
        }
    }
    EXPECT_GT(outcomes[0], 1000U);
    EXPECT_GT(outcomes[1], 1000U);
    if (param.nested) {
        EXPECT_GT(outcomes[2], 300U);
        EXPECT_GT(outcomes[3], 50U);
    }
}

INSTANTIATE_TEST_SUITE_P(All, RandomTrees,
                         testing::Values(RandomCase{false, false, false, Mode::functional, true}, RandomCase{false, false, true, Mode::timing, true},
                                         RandomCase{false, false, false, Mode::warm, false}, RandomCase{true, false, false, Mode::functional, true},
                                         RandomCase{true, true, false, Mode::functional, true}, RandomCase{true, false, false, Mode::timing, true},
                                         RandomCase{true, true, false, Mode::timing, true}, RandomCase{true, true, true, Mode::warm, false},
                                         RandomCase{true, false, true, Mode::timing, true}));

TEST(AccessedAndDirty, AreLeftAloneByAFault) {
    Bench bench;
    bench.paging(4);
    const u64 slot = bench.map_page(0x1000, 0x5000, 1, Bench::present);
    bench.apply();
    ASSERT_FALSE(bench.mmu.translate(0x1000, store).ok());
    EXPECT_EQ(bench.entry(slot, false) & (Bench::accessed | Bench::dirty), 0U);
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    EXPECT_EQ(bench.entry(slot, false) & (Bench::accessed | Bench::dirty), Bench::accessed);
}

TEST(AccessedAndDirty, AStoreToACleanCachedPageSetsTheDirtyBit) {
    for (const Mode mode : {Mode::functional, Mode::warm}) {
        Bench bench;
        bench.paging(4);
        const u64 slot = bench.map_page(0x1000, 0x5000);
        bench.apply();
        bench.mmu.set_mode(mode);
        ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
        EXPECT_EQ(bench.mmu.data.at(0x1000).read_tag, page_tag(0x1000, bench.mmu.tag(load)));
        EXPECT_EQ(bench.mmu.data.at(0x1000).write_tag, no_tag);
        ASSERT_TRUE(bench.mmu.translate(0x1000, store).ok());
        EXPECT_NE(bench.entry(slot, false) & Bench::dirty, 0U);
        EXPECT_EQ(bench.mmu.data.at(0x1000).write_tag, page_tag(0x1000, bench.mmu.tag(store)));
        if (mode == Mode::warm) {
            EXPECT_EQ(bench.stat("mmu.rewalks.dirty"), 1U);
            EXPECT_EQ(bench.stat("mmu.walker.causes.ad_update"), 1U);
        }
    }
}

TEST(EptAccessedAndDirty, GuestTablesCountAsWritten) {
    Bench bench;
    bench.ept(4, 1, true);
    bench.paging(4);
    bench.map_page(0x1000, 0x5000);
    bench.apply();
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    const u64 root = bench.context.eptp & ~u64{0xfff};
    const auto leaf = [&](u64 gpa) { return bench.entry(bench.chain(root, 4, gpa, 1, false).back(), false); };
    EXPECT_EQ(leaf(bench.context.cr3) & 0x300, 0x300U);        // read only, and yet dirty
    EXPECT_EQ(leaf(0x5000) & 0x300, 0x100U);
    ASSERT_TRUE(bench.mmu.translate(0x1000, store).ok());
    EXPECT_EQ(leaf(0x5000) & 0x300, 0x300U);
    ASSERT_TRUE(bench.mmu.translate_guest_physical(GuestPhysicalAddress{0x8000}, load, PhysicalUse::pdpte_load).ok());
    EXPECT_EQ(leaf(0x8000) & 0x300, 0x100U);
}

TEST(PageSizes, TheCombinedEntryHasTheSmallerOne) {
    for (unsigned guest_leaf = 1; guest_leaf <= 3; ++guest_leaf)
        for (unsigned ept_leaf = 1; ept_leaf <= 3; ++ept_leaf) {
            Bench bench;
            bench.ept(4, ept_leaf);
            bench.paging(4);
            bench.map_page(0x4000'0000, 0, guest_leaf);
            bench.apply();
            const auto translation = bench.mmu.translate(0x4000'0123, load);
            ASSERT_TRUE(translation.ok());
            EXPECT_EQ(translation.value.page_shift, 12 + 9 * (std::min(guest_leaf, ept_leaf) - 1));
            EXPECT_EQ(translation.value.physical.value(), Bench::guest_offset + 0x123);
            EXPECT_EQ(translation.value.host, bench.memory.host_base() + Bench::guest_offset + 0x123);
        }
}

TEST(Legacy32, Maps4MBytePagesBeyond4GiB) {
    Bench bench;
    bench.context.mode = arch::PagingMode::legacy32;
    bench.context.page_size_extension = true;
    bench.context.cr3 = bench.new_table(false);
    bench.memory.write<u32>(PhysicalAddress{bench.context.cr3 + 4 * 3}, 0x0080'0000 | 2U << 13 | 0x87);     // bits 39:32 = 2
    bench.apply();
    const auto translation = bench.mmu.translate(0x00c1'2345, load);
    ASSERT_TRUE(translation.ok());
    EXPECT_EQ(translation.value.physical.value(), 0x2'0081'2345U);
    EXPECT_EQ(translation.value.page_shift, 22);
    EXPECT_EQ(translation.value.host, nullptr);
}

TEST(Legacy32, Bit21OfA4MBytePageIsReserved) {
    Bench bench;
    bench.context.mode = arch::PagingMode::legacy32;
    bench.context.page_size_extension = true;
    bench.context.cr3 = bench.new_table(false);
    bench.memory.write<u32>(PhysicalAddress{bench.context.cr3}, 0x0020'0087);
    bench.apply();
    const auto translation = bench.mmu.translate(0, load);
    EXPECT_EQ(translation.event.code, 9U);
}

TEST(Pae, AnAbsentPdpteIsANotPresentFault) {
    Bench bench;
    bench.context.mode = arch::PagingMode::pae;
    bench.apply();
    const auto translation = bench.mmu.translate(0x4000'0000, store);
    EXPECT_EQ(translation.event.number, 14);
    EXPECT_EQ(translation.event.code, 2U);
}

TEST(GuestPhysicalWidth, FourLevelEptRefusesBits51To48) {
    Bench bench;
    bench.ept(4, 1);
    bench.apply();
    ASSERT_FALSE(bench.mmu.translate_guest_physical(GuestPhysicalAddress{bit(48) | 0x1000}, load).ok());
    EXPECT_EQ(bench.mmu.details.qualification, 1U);             // bits 5:3 are 0, and there is no linear address
    EXPECT_FALSE(bench.mmu.details.linear_valid);
    EXPECT_EQ(bench.mmu.details.guest_physical, bit(48) | 0x1000);
}

TEST(ModeBasedExecute, AsksBit10ForUserModeAddresses) {
    for (const bool user_page : {false, true})
        for (const u64 rights : {u64{0x3}, u64{0x7}, u64{0x403}, u64{0x407}}) {
            MmuParams params;
            Bench bench{params};
            bench.ept(4, 1);
            bench.context.mode_based_execute = true;
            bench.paging(4);
            for (u64 gpa = 0; gpa < 64 * MiB; gpa += page_size) bench.map_ept(gpa, gpa + Bench::guest_offset, 1, 0x407);
            for (auto slot : {39, 30, 21})     // the tables above grant both
                bench.set_entry(bench.chain(bench.context.eptp & ~u64{0xfff}, 4, 0, 1, false)[static_cast<std::size_t>((39 - slot) / 9)], false,
                                bench.entry(bench.chain(bench.context.eptp & ~u64{0xfff}, 4, 0, 1, false)[static_cast<std::size_t>((39 - slot) / 9)], false) | 0x400);
            bench.map_page(0x1000, 0x5000, 1, user_page ? Bench::all_rights : Bench::present);
            bench.map_ept(0x5000, 0x5000 + Bench::guest_offset, 1, rights);
            bench.apply();
            const auto got = bench.mmu.translate(0x1000, {arch::AccessKind::fetch, user_page, false, false});
            const bool allowed = (rights & (user_page ? 0x400 : 4)) != 0;
            EXPECT_EQ(got.ok(), allowed) << user_page << " " << rights;
            if (!allowed) { EXPECT_EQ(bench.mmu.details.qualification, 4U | (rights & 7) << 3 | ((rights & 0x400) != 0 ? 64U : 0U) | 0x180U); }
        }
}

TEST(AdvancedViolations, ReportThePagingPermissions) {
    MmuParams params;
    params.advanced_violations = true;
    Bench bench{params};
    bench.ept(4, 1);
    bench.paging(4);
    bench.map_page(0x1000, 0x5000, 1, Bench::present | Bench::user | Bench::no_execute);
    bench.map_ept(0x5000, 0x5000, 1, 0);
    bench.apply();
    ASSERT_FALSE(bench.mmu.translate(0x1000, user_load).ok());
    EXPECT_EQ(bench.mmu.details.qualification, 0x181U | bit(9) | bit(11));
}

TEST(Probe, SeesWhatAWalkWouldAndTouchesNothing) {
    Bench bench;
    bench.ept(4, 1);
    bench.paging(4);
    const u64 slot = bench.map_page(0x1000, 0x5000);
    bench.apply();
    const auto probe = bench.mmu.probe(0x1234);
    EXPECT_TRUE(probe.ok);
    EXPECT_EQ(probe.guest_physical.value(), 0x5234U);
    EXPECT_EQ(probe.physical.value(), 0x5234U + Bench::guest_offset);
    EXPECT_FALSE(bench.mmu.probe(0x2000).ok);
    EXPECT_EQ(bench.entry(slot, true), 0x5000U | Bench::all_rights);
}

}  // namespace
}  // namespace vtsim::mmu
