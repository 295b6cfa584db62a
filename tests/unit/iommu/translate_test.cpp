// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "bench.h"

namespace vtsim::iommu {
namespace {

// Second-level tables as the specification tells them: recursion over the levels, permissions of all of them, no caches.
struct NaiveWalk {
    const std::map<u64, u64>& memory;
    struct Page {
        u64 physical;
        bool read, write;
    };
    std::optional<Page> operator()(u64 table, unsigned level, u64 address) const {
        const u64 index = address / (u64{4096} << (9 * (level - 1))) % 512;
        const auto word = memory.find(table + index * 8);
        const u64 entry = word == memory.end() ? 0 : word->second;
        if (entry % 4 == 0) return std::nullopt;
        const u64 base = entry & 0x3ffffffff000;
        const bool last = level == 1 || (entry >> 7 & 1) != 0;
        const auto below = last ? Page{base + address % (u64{4096} << (9 * (level - 1))), true, true} : (*this)(base, level - 1, address);
        if (!below) return std::nullopt;
        return Page{below->physical, below->read && (entry & 1) != 0, below->write && (entry & 2) != 0};
    }
};

class RandomTables : public testing::TestWithParam<unsigned> {};

TEST_P(RandomTables, TranslateAsTheNaiveWalkerSays) {
    const unsigned levels = GetParam();
    for (const bool caches : {true, false}) {
        RemappingUnitParams params;
        if (!caches) params.iotlb.entries = params.context_cache.entries = params.paging_structure_cache.entries = 0;
        Bench bench{params};
        bench.connect(Bench::device, Bench::domain, levels - 2, Bench::second_level);
        std::mt19937_64 random{levels};
        std::vector<u64> pages;
        for (int i = 0; i < 300; ++i) {                     // few distinct prefixes, so that tables are shared
            const u64 address = ((random() % 3 << 39) | (random() % 4 << 30) | (random() % 8 << 21) | (random() % 16 << 12)) & low_bits(12 + 9 * levels);
            const unsigned leaf = random() % 8 == 0 ? 3 : random() % 4 == 0 ? 2 : 1;
            pages.push_back(address);
            bool free = true;                               // nothing large above
            for (unsigned level = levels; level > leaf; --level) free = free && (bench.entry(address, level, levels) & Bench::large) == 0;
            auto& slot = free ? bench.entry(address, leaf, levels) : bench.memory[0];
            if (!free || slot != 0) continue;
            slot = (random() & 0x3fffffff000 & ~low_bits(12 + 9 * (leaf - 1))) | random() % 4 | (leaf > 1 ? Bench::large : 0);
        }
        for (auto& [where, word] : bench.memory)            // some tables lose a permission
            if (where >= Bench::second_level && (word & 3) == 3 && random() % 10 == 0) word &= ~u64{random() % 2 + 1};
        bench.start();
        const NaiveWalk naive{bench.memory};
        for (int i = 0; i < 5'000; ++i) {
            const u64 address = pages[random() % pages.size()] + random() % 1024 * 4;
            const bool write = random() % 2 != 0;
            const auto wanted = naive(Bench::second_level, levels, address);
            const auto result = bench.dma(address, write);
            const bool permitted = wanted && (write ? wanted->write : wanted->read);
            ASSERT_EQ(static_cast<bool>(result), permitted) << std::hex << address;
            if (permitted) {
                ASSERT_EQ(result.address.value(), wanted->physical) << std::hex << address;
                ASSERT_EQ(result.readable, wanted->read);
                ASSERT_EQ(result.writable, wanted->write);
            } else {
                ASSERT_EQ(result.reason, write ? FaultReason::no_write : FaultReason::no_read);
            }
        }
        EXPECT_EQ(bench.stat("iotlb.lookups"), bench.stat("iotlb.hits") + bench.stat("iotlb.misses"));
        EXPECT_EQ(bench.stat("iotlb.lookups"), 5'000U);
        EXPECT_EQ(bench.stat("iotlb.hits") != 0, caches);
        EXPECT_EQ(bench.stat("walks"), bench.stat("walks_completed") + bench.stat("walks_aborted"));
        EXPECT_EQ(bench.stat("walks"), bench.stat("iotlb.misses") + bench.stat("permission_rewalks"));
        EXPECT_EQ(bench.stat("requests"), bench.stat("translations") + bench.stat("refused"));
        EXPECT_TRUE(caches || bench.stat("references.context") == 5'000U);
    }
}
INSTANTIATE_TEST_SUITE_P(Levels, RandomTables, testing::Values(3U, 4U));

TEST(PagingStructureCache, ShortensWalksByTheLevelsItHolds) {
    Bench bench;
    bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
    bench.entry(0x6000, 1) = 0x8000 | Bench::rw;                // the same last table
    bench.entry(0x205000, 1) = 0x9000 | Bench::rw;              // the same level-2 table
    bench.latency = 10;
    bench.start();
    EXPECT_EQ(bench.dma(0x5000).cycles, 60U);
    EXPECT_EQ(bench.dma(0x6000).cycles, 10U);
    EXPECT_EQ(bench.dma(0x205000).cycles, 20U);
    EXPECT_EQ(bench.stat("paging_structure_cache.hits"), 2U);
}

TEST(Iotlb, UsesAnEntryAfterTheTableChangedUntilItIsInvalidated) {
    Bench bench;
    auto& slot = bench.entry(0x5000, 1);
    slot = 0x7000 | Bench::rw;
    bench.start();
    ASSERT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
    slot = 0x9000 | Bench::rw;
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x6000);      // another page
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
    bench.invalidate_iotlb(Granularity::selective, Bench::domain + 1, 0x5000);  // another domain
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x5000);
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x9000U);
    slot = 0xb000 | Bench::rw;
    bench.invalidate_iotlb(Granularity::domain, Bench::domain + 1);
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x9000U);
    bench.invalidate_iotlb(Granularity::domain, Bench::domain);
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0xb000U);
    slot = 0xd000 | Bench::rw;
    bench.invalidate_iotlb(Granularity::global);
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0xd000U);
}

TEST(Iotlb, NeverHoldsWhatWasNotPresent) {
    Bench bench;
    auto& slot = bench.entry(0x5000, 1);
    bench.start();
    EXPECT_FALSE(bench.dma(0x5000));
    slot = 0x7000 | Bench::r;
    EXPECT_TRUE(bench.dma(0x5000));
    EXPECT_FALSE(bench.dma(0x5000, true));
    slot |= Bench::w;                                           // a permission was added: the entry is walked again
    EXPECT_TRUE(bench.dma(0x5000, true));
    EXPECT_EQ(bench.stat("permission_rewalks"), 2U);
}

TEST(Iotlb, KeepsDomainsApart) {
    Bench bench;
    const auto other = SourceId::of(3, 9, 0), same = SourceId::of(3, 10, 0);
    bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
    bench.entry(0x5000, 1, 4, 0x800000) = 0xa000 | Bench::rw;
    bench.connect(other, 7, 2, 0x800000);
    bench.connect(same, Bench::domain, 2, Bench::second_level);
    bench.start();
    EXPECT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
    EXPECT_EQ(bench.dma(0x5000, false, other).address.value(), 0xa000U);
    EXPECT_EQ(bench.stat("iotlb.hits"), 0U);
    EXPECT_EQ(bench.dma(0x5000, false, same).address.value(), 0x7000U);
    EXPECT_EQ(bench.stat("iotlb.hits"), 1U);                    // one domain, two devices, one entry
}

TEST(Iotlb, DropsALargePageForAnyAddressInIt) {
    Bench bench;
    auto& slot = bench.entry(0x40000000, 2);
    slot = 0x80000000 | Bench::rw | Bench::large;
    bench.start();
    ASSERT_EQ(bench.dma(0x40001000).address.value(), 0x80001000U);
    slot = 0xc0000000 | Bench::rw | Bench::large;
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x401ff000);
    EXPECT_EQ(bench.dma(0x40001000).address.value(), 0xc0001000U);
}

TEST(Iotlb, DropsTheRangeOfTheAddressMask) {
    for (u64 mask = 0; mask <= 6; ++mask) {
        Bench bench;
        for (u64 page = 0; page < 64; ++page) bench.entry(0x100000 + page * 4096, 1) = 0x7000 | Bench::rw;
        bench.start();
        for (u64 page = 0; page < 64; ++page) ASSERT_TRUE(bench.dma(0x100000 + page * 4096));
        const u64 before = bench.stat("iotlb.removed");
        bench.invalidate_iotlb(Granularity::selective, Bench::domain, (0x100000 + 64 * 4096 - 4096) | mask);
        EXPECT_EQ(bench.stat("iotlb.removed") - before, u64{1} << mask);
    }
}

TEST(PagingStructureCache, StaysWhenTheHintSaysThatOnlyLeavesChanged) {
    Bench bench{{.iotlb = {0, 1, 0}}};
    bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
    bench.start();
    ASSERT_TRUE(bench.dma(0x5000));
    const u64 hint = 1 << 6;
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x5000 | hint);
    EXPECT_EQ(bench.stat("paging_structure_cache.removed"), 0U);
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x5000);
    EXPECT_EQ(bench.stat("paging_structure_cache.removed"), 3U);        // the entries of levels 4, 3 and 2
}

TEST(ContextCache, UsesAnEntryUntilItIsInvalidated) {
    struct Case {
        Granularity granularity;
        u16 domain;
        SourceId source;
        unsigned mask;
        bool removes;
    };
    const auto device = Bench::device;                          // function 1
    const Case cases[] = {
        {Granularity::global, 0, {}, 0, true},
        {Granularity::domain, Bench::domain, {}, 0, true},
        {Granularity::domain, 9, {}, 0, false},
        {Granularity::selective, Bench::domain, device, 0, true},
        {Granularity::selective, 9, device, 0, false},
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 5), 0, false},
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 5), 1, true},        // bit 2 ignored
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 7), 1, false},
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 7), 2, true},
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 6), 2, false},
        {Granularity::selective, Bench::domain, SourceId::of(3, 2, 6), 3, true},
        {Granularity::selective, Bench::domain, SourceId::of(3, 3, 1), 3, false},
    };
    for (const auto& row : cases) {
        Bench bench;
        bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
        bench.entry(0x5000, 1, 4, 0x800000) = 0xa000 | Bench::rw;
        bench.start();
        ASSERT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
        bench.connect(device, 9, 2, 0x800000);
        ASSERT_EQ(bench.dma(0x5000).address.value(), 0x7000U);
        bench.invalidate_contexts(row.granularity, row.domain, row.source, row.mask);
        EXPECT_EQ(bench.dma(0x5000).address.value(), row.removes ? 0xa000U : 0x7000U) << row.source.value << " " << row.mask;
        EXPECT_EQ(bench.read(0x028, 8) >> 59, static_cast<u64>(row.granularity) << 2 | static_cast<u64>(row.granularity));
    }
}

TEST(Invalidation, ReportsWhatItDid) {
    Bench bench;
    bench.start();
    const auto done = [&] { return bench.read(RemappingUnit::iotlb_registers + 8, 8) >> 57 & 3; };
    for (const auto granularity : {Granularity::global, Granularity::domain, Granularity::selective}) {
        bench.invalidate_iotlb(granularity, Bench::domain, 0x5000);
        EXPECT_EQ(done(), static_cast<u64>(granularity));
        EXPECT_EQ(bench.read(RemappingUnit::iotlb_registers + 8, 8) >> 63, 0U);
    }
    bench.invalidate_iotlb(Granularity::none);
    EXPECT_EQ(done(), 0U);
    bench.invalidate_iotlb(Granularity::selective, Bench::domain, 0x5000 | 19);         // more than MAMV
    EXPECT_EQ(done(), 0U);
    EXPECT_EQ(bench.stat("invalidations.incorrect"), 2U);

    Bench without{{.page_selective = false}};
    without.start();
    without.invalidate_iotlb(Granularity::selective, Bench::domain, 0x5000);
    EXPECT_EQ(without.read(RemappingUnit::iotlb_registers + 8, 8) >> 57 & 3, static_cast<u64>(Granularity::domain));
}

}  // namespace
}  // namespace vtsim::iommu
