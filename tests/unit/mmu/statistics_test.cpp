// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "unit/mmu/bench.h"

namespace vtsim::mmu {
namespace {

// A core in miniature: looks at the translation caches as inline code does, else asks the MMU.
struct Accessor {
    Mmu& mmu;
    u64 inline_hits = 0;

    void access(u64 linear, arch::Access access) {
        if (access.fetches()) {
            const auto& entry = mmu.fetch.at(linear);
            if (entry.tag == page_tag(linear, mmu.tag(access)) && mmu.touch_fetch(entry.way, entry.serial)) return void(++inline_hits);
        } else {
            const auto entry = mmu.data.at(linear);
            if ((access.writes() ? entry.write_tag : entry.read_tag) == page_tag(linear, mmu.tag(access)) && mmu.touch_data(entry.way, entry.serial))
                return void(++inline_hits);
        }
        (void)mmu.translate(linear, access);
    }
};

std::map<std::string, u64> all_statistics(const Bench& bench) {
    std::map<std::string, u64> values;
    bench.root.visit([&](const std::string& name, const stats::Stat& stat) { values[name] = std::get<u64>(stat.value()); });
    return values;
}

// A mixed stream: two address spaces and a guest, skewed pages of all sizes, stores, fetches, invalidations, mode switches.
std::map<std::string, u64> run(MmuParams params, u64& inline_hits) {
    Bench bench{params};
    bench.paging(4);
    const auto fill = [&](u64 base) {
        for (u64 page = 0; page < 96; ++page) bench.map_page(base + page * page_size, (1024 + page) * page_size, 1, Bench::all_rights | (page % 5 == 0 ? Bench::global : 0));
        for (u64 page = 0; page < 40; ++page) bench.map_page(base + (page + 1) * 2 * MiB, (page % 30) * 2 * MiB, 2);
    };
    fill(0x4000'0000);
    bench.context.pcid_enabled = true;
    const auto host = bench.context;
    auto second = host;
    second.cr3 |= 7;
    bench.ept(4, 1);
    bench.context.cr3 = bench.new_table(true);
    bench.context.vpid = 3;
    fill(0x4000'0000);
    const auto guest = bench.context;
    const arch::PagingContext* contexts[] = {&host, &second, &guest};

    Accessor accessor{bench.mmu};
    bench.mmu.set_mode(Mode::timing);
    std::mt19937_64 random{99};
    bench.mmu.set_context(host);
    for (unsigned i = 0; i < 200'000; ++i) {
        const u64 what = random();
        if (what % 500 == 0) bench.mmu.set_context(*contexts[random() % 3]);
        if (what % 3001 == 0) bench.mmu.invlpg(0x4000'0000 + (random() % 96) * page_size);
        if (what % 7001 == 0) bench.mmu.mov_cr3(bench.mmu.context().cr3, false);
        if (what % 20001 == 0) bench.mmu.invept(1, guest.eptp);
        const u64 skewed = random() % (1 + random() % 96);
        const u64 linear = (what >> 60) == 0 ? 0x4020'0000 + (random() % 40) * 2 * MiB : 0x4000'0000 + skewed * page_size;
        const u64 kind = what >> 32 & 7;
        accessor.access(linear + random() % page_size, kind == 0 ? store : kind == 1 ? fetch : load);
    }
    inline_hits = accessor.inline_hits;
    return all_statistics(bench);
}

class Filters : public testing::TestWithParam<const char*> {};

TEST_P(Filters, ChangeNoStatistic) {
    MmuParams params;
    params.itlb.replacement = params.dtlb.replacement = params.stlb.replacement = GetParam();
    u64 with = 0, without = 0;
    const auto first = run(params, with);
    params.filters = false;
    const auto second = run(params, without);
    EXPECT_GT(with, 100'000U);
    EXPECT_EQ(without, 0U);
    EXPECT_EQ(first, second);
    EXPECT_GT(first.at("mmu.walker.walks.nested"), 1000U);
}

INSTANTIATE_TEST_SUITE_P(Policies, Filters, testing::Values("lru", "tree-plru", "random"));

TEST(Conservation, HoldsAfterAMixedRun) {
    u64 hits = 0;
    const auto stats = run({}, hits);
    const auto at = [&](const std::string& name) { return stats.at("mmu." + name); };
    EXPECT_EQ(at("dtlb.lookups") + at("itlb.lookups"), 200'000U);
    const u64 walks = at("walker.walks.native") + at("walker.walks.ept") + at("walker.walks.nested");
    EXPECT_EQ(walks, at("walker.completed") + at("walker.aborted.page_fault") + at("walker.aborted.ept_violation") + at("walker.aborted.ept_misconfiguration"));
    EXPECT_EQ(at("stlb.lookups"), at("dtlb.misses") + at("itlb.misses"));
    EXPECT_EQ(walks, at("stlb.misses") + at("rewalks.dirty") + at("rewalks.permission"));
    EXPECT_EQ(walks, at("walker.causes.fetch") + at("walker.causes.load") + at("walker.causes.store") + at("walker.causes.ad_update") + at("walker.causes.prefetch"));
    EXPECT_EQ(at("walker.root.walks.native"), at("walker.walks.native"));
    EXPECT_EQ(at("walker.guest.walks.nested"), at("walker.walks.nested"));
    u64 matrix = 0;
    for (const auto& [name, value] : stats)
        if (name.starts_with("mmu.walker.refs.")) matrix += value;
    u64 sides = 0;
    for (const auto& [name, value] : stats)
        if (name.starts_with("mmu.walker.root.refs.") || name.starts_with("mmu.walker.guest.refs.")) sides += value;
    EXPECT_EQ(matrix, sides);
}

TEST(ModeSwitch, EmptiesTheModelledStructures) {
    Bench bench;
    bench.paging(4);
    bench.map_page(0x1000, 0x5000);
    bench.apply();
    bench.mmu.set_mode(Mode::warm);
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    bench.mmu.set_mode(Mode::timing);
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    EXPECT_EQ(bench.stat("mmu.walker.walks.native"), 1U);       // warm to timing keeps them
    bench.mmu.set_mode(Mode::functional);
    bench.mmu.set_mode(Mode::timing);
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    EXPECT_EQ(bench.stat("mmu.walker.walks.native"), 2U);
}

TEST(StlbHit, CostsItsLatencyAndRefillsTheFirstLevel) {
    MmuParams params;
    params.dtlb = {.pages_4k = {1, 1}, .pages_2m = {0, 1}, .pages_1g = {0, 1}};
    params.stlb.latency = 8;
    Bench bench{params};
    bench.paging(4);
    bench.map_page(0x1000, 0x5000);
    bench.map_page(0x2000, 0x6000);
    bench.apply();
    bench.mmu.set_mode(Mode::timing);
    ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
    ASSERT_TRUE(bench.mmu.translate(0x2000, load).ok());
    const auto hit = bench.mmu.translate(0x1000, load);
    EXPECT_EQ(hit.value.latency.second_level_tlb, 8U);
    EXPECT_EQ(hit.value.latency.walk(), 0U);
    EXPECT_EQ(bench.mmu.translate(0x1000, load).value.latency.total(), 0U);
    EXPECT_EQ(bench.stat("mmu.stlb.hits"), 1U);
}

TEST(Parameters, AreRefusedWithKeyAndExpectation) {
    const auto refuses = [](auto change, const char* key) {
        MmuParams params;
        change(params);
        try {
            params.validate();
            ADD_FAILURE() << key;
        } catch (const ConfigError& error) {
            EXPECT_NE(std::string{error.what()}.find(key), std::string::npos) << error.what();
        }
    };
    refuses([](auto& p) { p.stlb.pages_4k = {1000, 12}; }, "mmu.stlb.pages_4k.entries");
    refuses([](auto& p) { p.dtlb.replacement = "magic"; }, "lru, random, tree-plru");
    refuses([](auto& p) { p.stale = "sometimes"; }, "model, retain or forget");
    refuses([](auto& p) { p.physical_address_bits = 64; }, "mmu.physical_address_bits");
    refuses([](auto& p) { p.itlb.pages_4k.entries = 0; }, "mmu.itlb.pages_4k.entries");
    refuses([](auto& p) { p.dtlb.index = "hash"; }, "mmu.dtlb.index");
}

}  // namespace
}  // namespace vtsim::mmu
