// SPDX-License-Identifier: Apache-2.0
#include "tlb/tlb.h"

#include <gtest/gtest.h>

#include "base/bits.h"
#include "tlb/paging_structure_cache.h"

namespace vtsim::tlb {
namespace {

const TlbParams broadwell_stlb{.pages_4k = {1536, 6}, .pages_2m = {0, 1}, .pages_1g = {16, 4}, .shared_2m = true};
const Space one = Space::of(1, 5, 3, 0), other_pcid = Space::of(1, 6, 3, 0), other_vpid = Space::of(2, 5, 3, 0);

Mapping page(u64 frame, u8 shift, u8 leaf_shift = 0) { return {.frame = frame, .shift = shift, .leaf_shift = leaf_shift != 0 ? leaf_shift : shift}; }

struct Fixture {
    stats::Group root{nullptr, "test"};
    Tlb tlb;
    explicit Fixture(const TlbParams& params) : tlb{root, "tlb", params, 1} {}
    bool hits(u64 address, Space space) const { return tlb.find(address, space) != no_way; }
    u64 physical(u64 address, Space space) const { return tlb.mapping(tlb.find(address, space)).physical(address); }
};

TEST(Tlb, ServesOnlyItsOwnTagUnlessGlobal) {
    Fixture f{{}};
    f.tlb.fill(0x1000, one, page(0x5000, 12));
    EXPECT_TRUE(f.hits(0x1fff, one));
    EXPECT_FALSE(f.hits(0x1000, other_pcid));
    EXPECT_FALSE(f.hits(0x1000, other_vpid));
    auto global = page(0x6000, 12);
    global.global = true;
    f.tlb.fill(0x2000, one, global);
    EXPECT_TRUE(f.hits(0x2000, other_pcid));
    EXPECT_FALSE(f.hits(0x2000, other_vpid));
}

TEST(Tlb, HoldsAllPageSizes) {
    for (const auto& params : {TlbParams{}, broadwell_stlb}) {
        Fixture f{params};
        f.tlb.fill(0x1000, one, page(0x5000, 12));
        f.tlb.fill(0x4020'0000, one, page(0x60'0000, 21));
        f.tlb.fill(0x8000'0000, one, page(0xc000'0000, 30));
        EXPECT_EQ(f.physical(0x1234, one), 0x5234U);
        EXPECT_EQ(f.physical(0x403a'bcde, one), 0x7a'bcdeU);
        EXPECT_EQ(f.physical(0x8fff'ffff, one), 0xcfff'ffffU);
        EXPECT_EQ(f.tlb.live(), 3U);
    }
}

TEST(Tlb, SplitsPagesThatHaveNoBank) {
    Fixture f{{.pages_4k = {64, 4}, .pages_2m = {8, 8}, .pages_1g = {0, 1}}};
    f.tlb.fill(0x8123'4567, one, page(0xc000'0000, 30));
    EXPECT_EQ(f.physical(0x8123'4567, one), 0xc123'4567U);
    EXPECT_TRUE(f.hits(0x8120'0000, one));
    EXPECT_FALSE(f.hits(0x8140'0000, one));                             // another 2-MByte piece
    f.tlb.fill(0x8140'0000, one, page(0xc000'0000, 30));
    f.tlb.drop_address(0xbfff'ffff, Cause::invlpg, [](Space) { return true; });     // the far end of the same page
    EXPECT_EQ(f.tlb.live(), 0U);
}

TEST(Tlb, NeverHoldsAMappingTwice) {
    Fixture f{{}};
    f.tlb.fill(0x1000, one, page(0x5000, 12));
    f.tlb.fill(0x1000, one, page(0x6000, 12));
    EXPECT_EQ(f.tlb.live(), 1U);
    EXPECT_EQ(f.physical(0x1000, one), 0x6000U);
    auto global = page(0x7000, 12);
    global.global = true;
    f.tlb.fill(0x1000, other_pcid, global);                             // serves PCID 5 too: its own entry would be a second
    EXPECT_EQ(f.tlb.live(), 1U);
    EXPECT_EQ(f.physical(0x1000, one), 0x7000U);
}

TEST(Tlb, TouchCountsOnlyWhileTheEntryIsTheSame) {
    Fixture f{{}};
    const u32 way = f.tlb.fill(0x1000, one, page(0x5000, 12));
    const u32 serial = f.tlb.serial(way);
    EXPECT_TRUE(f.tlb.touch(way, serial));
    f.tlb.clear(Cause::mov_cr3);
    EXPECT_FALSE(f.tlb.touch(way, serial));
    EXPECT_EQ(u64{f.tlb.stats().hits}, 1U);
}

TEST(Tlb, TheXorIndexSpreadsStrides) {
    const TlbParams linear{.pages_4k = {64, 4}, .pages_2m = {0, 1}, .pages_1g = {0, 1}};
    TlbParams folded = linear;
    folded.index = "xor";
    Fixture plain{linear}, spread{folded};
    for (u64 i = 0; i < 8; ++i) {
        plain.tlb.fill(i << 16, one, page(i << 16, 12));                // all in one set of 4
        spread.tlb.fill(i << 16, one, page(i << 16, 12));
    }
    EXPECT_EQ(plain.tlb.live(), 4U);
    EXPECT_EQ(spread.tlb.live(), 8U);
}

TEST(PagingStructureCache, AnswersWithTheDeepestEntry) {
    stats::Group root{nullptr, "test"};
    PagingStructureCache cache{root, "cache", {.level5 = 0, .level4 = 2, .level3 = 2, .level2 = 2}, 1};
    const auto shift = [](unsigned level) { return 12 + 9 * (level - 1); };
    const u64 address = 0x7f12'3456'7000;
    EXPECT_EQ(cache.lookup(address, one, 4, shift).level, 0U);
    cache.fill(address >> shift(4), shift(4), 4, one, {0x1000, 7, 0});
    EXPECT_EQ(cache.lookup(address, one, 4, shift).pointer.table, 0x1000U);
    cache.fill(address >> shift(2), shift(2), 2, one, {0x3000, 7, 0});
    EXPECT_EQ(cache.lookup(address, one, 4, shift).level, 2U);
    EXPECT_EQ(cache.lookup(address ^ 1 << 21, one, 4, shift).level, 4U);
    EXPECT_EQ(cache.lookup(address, other_pcid, 4, shift).level, 0U);
    cache.drop_address(address, Cause::page_fault, [](Space) { return true; });
    EXPECT_EQ(cache.lookup(address, one, 4, shift).level, 0U);
}

}  // namespace
}  // namespace vtsim::tlb
