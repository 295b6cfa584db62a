// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/mmu/bench.h"

// How many references a walk makes. n guest levels are read from memory, m EPT levels: (n + 1)(m + 1) - 1 without any cache; with a
// paging-structure cache that holds the entry k levels below the root (n - k)(m + 1), as the next table's physical address is known.
namespace vtsim::mmu {
namespace {

constexpr u64 linear = 0x7f00'0034'5678;

struct Shape {
    unsigned guest_levels, guest_leaf;      // 0: paging off
    unsigned ept_levels, ept_leaf;          // 0: no EPT
    u64 references;                         // SDM structures, counted by hand in the table of the report
};

u64 expected(unsigned n, unsigned m) { return u64{n + 1} * (m + 1) - 1; }

class ColdWalk : public testing::TestWithParam<Shape> {};

TEST_P(ColdWalk, ReadsEveryTableOfBothDimensionsOnce) {
    const auto shape = GetParam();
    Bench bench{Bench::without_caches()};
    if (shape.ept_levels != 0) bench.ept(shape.ept_levels, shape.ept_leaf);
    u64 address = 0x345678;
    if (shape.guest_levels != 0) {
        bench.paging(shape.guest_levels);
        const u64 base = shape.guest_leaf == 3 ? 0 : 4 * MiB;
        bench.map_page(linear, base, shape.guest_leaf);
        address = linear;
    }
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    ASSERT_TRUE(bench.mmu.translate(address, load).ok());

    const unsigned n = shape.guest_levels == 0 ? 0 : shape.guest_levels - shape.guest_leaf + 1;
    const unsigned m = shape.ept_levels == 0 ? 0 : shape.ept_levels - shape.ept_leaf + 1;
    EXPECT_EQ(bench.mmu.walker_stats().root.refs.total() + bench.mmu.walker_stats().guest.refs.total(), shape.references);
    EXPECT_EQ(shape.references, expected(n, m));
    // Each cell of the matrix once: g0e0 does not exist, and levels that a large leaf skips stay zero.
    const auto& refs = shape.ept_levels == 0 ? bench.mmu.walker_stats().root.refs : bench.mmu.walker_stats().guest.refs;
    const auto used = [](unsigned level, unsigned top, unsigned leaf) { return top != 0 && level <= top && level >= leaf; };
    for (unsigned g = 0; g <= 5; ++g)
        for (unsigned e = 0; e <= 5; ++e) {
            if (g == 0 && e == 0) continue;
            const bool guest = g == 0 || used(g, shape.guest_levels, shape.guest_leaf);
            const bool second = e == 0 || used(e, shape.ept_levels, shape.ept_leaf);
            const bool is_nested = shape.guest_levels != 0 && shape.ept_levels != 0;
            EXPECT_EQ(refs.count(WalkKind::nested, g, e), is_nested && guest && second ? 1U : 0U) << "g" << g << "e" << e;
            if (g != 0 && e == 0) { EXPECT_EQ(refs.count(WalkKind::native, g, e), shape.ept_levels == 0 && guest ? 1U : 0U) << "g" << g; }
            if (g == 0) { EXPECT_EQ(refs.count(WalkKind::ept, g, e), shape.guest_levels == 0 && second ? 1U : 0U) << "e" << e; }
        }
    EXPECT_EQ(bench.stat("mmu.walker.completed"), 1U);
}

INSTANTIATE_TEST_SUITE_P(PublishedTable, ColdWalk,
                         testing::Values(Shape{4, 3, 0, 1, 2}, Shape{4, 2, 0, 1, 3}, Shape{4, 1, 0, 1, 4}, Shape{5, 1, 0, 1, 5},        // native
                                         Shape{0, 1, 4, 3, 2}, Shape{0, 1, 4, 2, 3}, Shape{0, 1, 4, 1, 4}, Shape{0, 1, 5, 1, 5},        // paging off
                                         Shape{4, 3, 4, 3, 8}, Shape{4, 3, 4, 2, 11}, Shape{4, 3, 4, 1, 14}, Shape{4, 3, 5, 1, 17},     // 1-GByte pages
                                         Shape{4, 2, 4, 3, 11}, Shape{4, 2, 4, 2, 15}, Shape{4, 2, 4, 1, 19}, Shape{4, 2, 5, 1, 23},    // 2-MByte pages
                                         Shape{4, 1, 4, 3, 14}, Shape{4, 1, 4, 2, 19}, Shape{4, 1, 4, 1, 24}, Shape{4, 1, 5, 1, 29},    // 4-KByte pages
                                         Shape{5, 1, 4, 3, 17}, Shape{5, 1, 4, 2, 23}, Shape{5, 1, 4, 1, 29}, Shape{5, 1, 5, 1, 35}));  // LA57

// PAE and 32-bit paging read two levels; the PDPTEs are registers.
class TwoLevelFormats : public testing::TestWithParam<std::tuple<arch::PagingMode, unsigned>> {};

TEST_P(TwoLevelFormats, ReadTwoLevelsForA4KBytePage) {
    const auto [mode, m] = GetParam();
    Bench bench{Bench::without_caches()};
    if (m != 0) bench.ept(4, 5 - m);
    const bool guest = m != 0;
    const u64 directory = bench.new_table(guest), table = bench.new_table(guest);
    const u64 address = 0xc0345678;
    bench.context.mode = mode;
    if (mode == arch::PagingMode::pae) {
        bench.context.pdpte[3] = directory | 1;
        bench.set_entry(directory + (address >> 21 & 511) * 8, guest, table | Bench::all_rights);
        bench.set_entry(table + (address >> 12 & 511) * 8, guest, 0x400000 | Bench::all_rights);
    } else {
        bench.context.cr3 = directory;
        const u64 offset = guest ? Bench::guest_offset : 0;
        bench.memory.write<u32>(PhysicalAddress{directory + offset + (address >> 22) * 4}, static_cast<u32>(table | Bench::all_rights));
        bench.memory.write<u32>(PhysicalAddress{table + offset + (address >> 12 & 1023) * 4}, static_cast<u32>(0x400000 | Bench::all_rights));
    }
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    const auto translation = bench.mmu.translate(address, load);
    ASSERT_TRUE(translation.ok());
    EXPECT_EQ(translation.value.physical.value(), 0x400678 + (guest ? Bench::guest_offset : 0));
    EXPECT_EQ(bench.mmu.walker_stats().root.refs.total() + bench.mmu.walker_stats().guest.refs.total(), expected(2, m));
}

INSTANTIATE_TEST_SUITE_P(Shapes, TwoLevelFormats,
                         testing::Combine(testing::Values(arch::PagingMode::pae, arch::PagingMode::legacy32), testing::Values(0U, 2U, 3U, 4U)));

// --- Second closed form: caches on ---

// Walks for an address that shares `k` paging-structure entries with one walked before, all of which are still cached; the nested TLB has
// no entry that helps (it holds one 4-KByte page), and neither do the EPT paging-structure caches.
class CachedPagingStructures : public testing::TestWithParam<std::tuple<unsigned, unsigned>> {};

TEST_P(CachedPagingStructures, LeaveOnlyTheReferencesBelowTheDeepestEntry) {
    const auto [k, m] = GetParam();         // k of the 4 guest levels are held
    MmuParams params;
    params.paging_cache = {.level5 = 4, .level4 = 4, .level3 = 4, .level2 = 4};
    params.ept_cache = {0, 0, 0, 0};
    params.nested_tlb = {.pages_4k = {1, 1}, .pages_2m = {0, 1}, .pages_1g = {0, 1}};
    Bench bench{params};
    if (m != 0) bench.ept(4, 5 - m);
    bench.paging(4);
    const unsigned differing = 12 + 9 * (3 - k);            // flips the index of level 4 - k, the highest level not shared
    const u64 first = 0x7f00'0000'0000, second = first ^ u64{1} << (differing);
    bench.map_page(first, 4 * MiB);
    bench.map_page(second, 5 * MiB);
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    ASSERT_TRUE(bench.mmu.translate(first, load).ok());
    const auto& side = m == 0 ? bench.mmu.walker_stats().root : bench.mmu.walker_stats().guest;
    const u64 before = side.refs.total();
    ASSERT_TRUE(bench.mmu.translate(second, load).ok());
    EXPECT_EQ(side.refs.total() - before, u64{4 - k} * (m + 1));
}

INSTANTIATE_TEST_SUITE_P(Shapes, CachedPagingStructures, testing::Combine(testing::Values(1U, 2U, 3U), testing::Values(0U, 2U, 3U, 4U)));

// With the EPT paging-structure caches holding j levels for every guest-physical address, each EPT walk reads m - j entries.
TEST(CachedEptStructures, ShortenEachSecondDimension) {
    MmuParams params;
    params.paging_cache = {0, 0, 0, 0};
    params.nested_tlb = {.pages_4k = {1, 1}, .pages_2m = {0, 1}, .pages_1g = {0, 1}};
    for (unsigned j = 1; j <= 3; ++j) {
        params.ept_cache = {.level5 = 0, .level4 = j >= 1 ? 8U : 0, .level3 = j >= 2 ? 8U : 0, .level2 = j >= 3 ? 64U : 0};
        Bench bench{params};
        bench.ept(4, 1);
        bench.paging(4);
        for (u64 page = 0; page < 2; ++page) bench.map_page(linear + page * page_size, 4 * MiB + page * page_size);
        bench.apply();
        bench.mmu.set_mode(Mode::warm);
        ASSERT_TRUE(bench.mmu.translate(linear, load).ok());
        const u64 before = bench.mmu.walker_stats().guest.refs.total();
        ASSERT_TRUE(bench.mmu.translate(linear + page_size, load).ok());
        EXPECT_EQ(bench.mmu.walker_stats().guest.refs.total() - before, expected(4, 4 - j)) << j;
    }
}

// A nested-TLB hit saves the whole second dimension of one reference: with all tables hit only the guest's own entries and the last
// EPT walk are left, n + m.
TEST(NestedTlb, HitsSaveTheWholeSecondDimension) {
    MmuParams params;
    params.paging_cache = params.ept_cache = {0, 0, 0, 0};
    Bench bench{params};
    bench.ept(4, 1);
    bench.paging(4);
    for (u64 page = 0; page < 2; ++page) bench.map_page(linear + page * page_size, 4 * MiB + page * page_size);
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    ASSERT_TRUE(bench.mmu.translate(linear, load).ok());
    EXPECT_EQ(bench.mmu.walker_stats().guest.refs.total(), 24U);
    ASSERT_TRUE(bench.mmu.translate(linear + page_size, load).ok());
    EXPECT_EQ(bench.mmu.walker_stats().guest.refs.total(), 24U + 4 + 4);
    EXPECT_EQ(bench.stat("mmu.nested_tlb.hits"), 4U);
    EXPECT_EQ(bench.stat("mmu.nested_tlb.lookups"), 10U);
}

TEST(ReferenceCycles, AddUpInTheSameCells) {
    struct Clock {
        static u32 access(void* self, PhysicalAddress, bool write) {
            ++static_cast<Clock*>(self)->calls;
            return write ? 100 : 7;
        }
        u64 calls = 0;
    } clock;
    Bench bench{Bench::without_caches(), {&Clock::access, &clock}};
    bench.ept(4, 1);
    bench.paging(4);
    bench.map_page(linear, 4 * MiB);
    bench.apply();
    bench.mmu.set_mode(Mode::timing);
    const auto translation = bench.mmu.translate(linear, load);
    ASSERT_TRUE(translation.ok());
    EXPECT_EQ(clock.calls, 24U + 4);                                        // and four A bits
    EXPECT_EQ(translation.value.latency.nested, 24U * 7 + 4 * 100);
    EXPECT_EQ(translation.value.latency.total(), translation.value.latency.nested);
    EXPECT_EQ(bench.mmu.walker_stats().guest.ref_cycles.total(), 24U * 7);
    EXPECT_EQ(bench.stat("mmu.walker.ref_cycles.nested.g3e2"), 7U);
    EXPECT_EQ(bench.stat("mmu.walker.guest.ad_writes.accessed"), 4U);
    EXPECT_EQ(bench.stat("mmu.walker.ad_writes.cycles"), 400U);
}

TEST(FunctionalMode, CountsNoWalks) {
    Bench bench;
    bench.ept(4, 1);
    bench.paging(4);
    bench.map_page(linear, 4 * MiB);
    bench.apply();
    ASSERT_TRUE(bench.mmu.translate(linear, load).ok());
    EXPECT_EQ(bench.stat("mmu.walker.walks.nested"), 0U);
    EXPECT_EQ(bench.stat("mmu.dtlb.lookups"), 0U);
    EXPECT_EQ(bench.mmu.walker_stats().guest.refs.total(), 0U);
}

TEST(PdpteLoads, AreCountedApartFromWalks) {
    Bench bench;
    bench.ept(4, 1);
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    ASSERT_TRUE(bench.mmu.translate_guest_physical(GuestPhysicalAddress{0x5000}, load, PhysicalUse::pdpte_load).ok());
    EXPECT_EQ(bench.stat("mmu.walker.pdpte_loads"), 1U);
    EXPECT_EQ(bench.stat("mmu.walker.pdpte_refs"), 4U);
    EXPECT_EQ(bench.stat("mmu.walker.walks.ept"), 0U);
    EXPECT_EQ(bench.mmu.walker_stats().guest.refs.total(), 0U);
    ASSERT_TRUE(bench.mmu.translate_guest_physical(GuestPhysicalAddress{0x9000}, load).ok());
    EXPECT_EQ(bench.stat("mmu.walker.walks.ept"), 1U);
}

}  // namespace
}  // namespace vtsim::mmu
