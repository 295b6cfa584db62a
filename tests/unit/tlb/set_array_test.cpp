// SPDX-License-Identifier: Apache-2.0
#include "tlb/set_array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <set>
#include <vector>

namespace vtsim::tlb {
namespace {

// LRU as a list of keys per set, most recent first.
class ListModel {
public:
    ListModel(u32 sets, u32 ways) : sets_(sets), ways_{ways} {}
    bool access(u64 key) {
        auto& set = sets_[key % sets_.size()];
        const auto found = std::find(set.begin(), set.end(), key);
        const bool hit = found != set.end();
        if (hit) set.erase(found);
        else if (set.size() == ways_) set.pop_back();
        set.push_front(key);
        return hit;
    }
    void drop(u64 key) { sets_[key % sets_.size()].remove(key); }

private:
    std::vector<std::list<u64>> sets_;
    std::size_t ways_;
};

struct Geometry {
    u32 sets, ways;
};

class TimestampLru : public testing::TestWithParam<Geometry> {};

TEST_P(TimestampLru, MissesExactlyWhenAListModelDoes) {
    const auto [sets, ways] = GetParam();
    SetArray<u64, int> array;
    ASSERT_EQ(array.add_bank(sets, ways, "lru", 1), 0U);
    ListModel model{sets, ways};
    std::mt19937_64 random{7};
    u64 misses = 0;
    for (unsigned i = 0; i < 100'000; ++i) {
        const u64 key = random() % (2 * sets * ways) * (random() % 3 == 0 ? 1 : sets / 2 + 1);
        const auto set = array.set(0, key);
        const u32 way = array.find(set, [&](u64 held) { return held == key; });
        const bool hit = model.access(key);
        ASSERT_EQ(way != no_way, hit) << i;
        if (hit) array.touch(way);
        else array.fill(0, set, key, 0);
        misses += hit ? 0 : 1;
        if (random() % 50 == 0) {
            const u64 victim = random() % (2 * sets * ways);
            model.drop(victim);
            array.drop_if([&](u64 held, int) { return held == victim; });
        }
    }
    EXPECT_GT(misses, 1000U);
    EXPECT_LT(misses, 99'000U);
}

INSTANTIATE_TEST_SUITE_P(Geometries, TimestampLru, testing::Values(Geometry{16, 4}, Geometry{128, 12}, Geometry{1, 32}, Geometry{64, 1}, Geometry{256, 6}));

TEST(SerialNumbers, ChangeWithEveryFillAndRemoval) {
    SetArray<u64, int> array;
    array.add_bank(1, 2, "lru", 1);
    const u32 way = array.fill(0, array.set(0, 0), 5, 50);
    const u32 serial = array.serial(way);
    array.touch(way);
    EXPECT_TRUE(array.current(way, serial));
    EXPECT_FALSE(array.current(way, 0));
    array.drop(way);
    EXPECT_FALSE(array.current(way, serial));
    EXPECT_EQ(array.find(array.set(0, 0), [](u64 key) { return key == 5; }), no_way);
    EXPECT_EQ(array.fill(0, array.set(0, 0), 5, 51), way);
    EXPECT_FALSE(array.current(way, serial));
}

// Tree-PLRU of four ways as the textbook draws it: three bits, AB/CD, A/B, C/D.
TEST(TreePlru, FollowsTheThreeBitsOfFourWays) {
    const auto* const row = ReplacementRegistry::find("tree-plru");
    ASSERT_NE(row, nullptr);
    const auto policy = row->factory({1, 4, 1});
    bool root_right = false, ab_second = false, cd_second = false;      // where each bit points: the half not used last
    std::mt19937 random{3};
    for (unsigned i = 0; i < 1000; ++i) {
        const u32 want = root_right ? (cd_second ? 3U : 2U) : (ab_second ? 1U : 0U);
        ASSERT_EQ(policy->victim(0), want);
        const u32 way = static_cast<u32>(random() % 4);
        policy->touched(0, way);
        root_right = way < 2;
        (way < 2 ? ab_second : cd_second) = way % 2 == 0;
    }
}

TEST(TreePlru, NeverNamesAWayThatDoesNotExist) {
    for (const u32 ways : {1U, 2U, 3U, 6U, 12U}) {
        const auto policy = ReplacementRegistry::find("tree-plru")->factory({4, ways, 1});
        std::mt19937 random{5};
        std::set<u32> seen;
        for (unsigned i = 0; i < 2000; ++i) {
            const u32 victim = policy->victim(2);
            ASSERT_LT(victim, ways);
            seen.insert(victim);
            policy->touched(2, random() % 4 == 0 ? static_cast<u32>(random() % ways) : victim);
        }
        EXPECT_EQ(seen.size(), ways);
    }
}

TEST(Random, IsReproducibleAndUsesEveryWay) {
    const auto* const row = ReplacementRegistry::find("random");
    const auto first = row->factory({1, 12, 42}), second = row->factory({1, 12, 42});
    std::vector<unsigned> count(12);
    for (unsigned i = 0; i < 12'000; ++i) {
        const u32 way = first->victim(0);
        ASSERT_EQ(way, second->victim(0));
        ++count[way];
    }
    for (const unsigned n : count) EXPECT_NEAR(n, 1000, 150);
}

}  // namespace
}  // namespace vtsim::tlb
