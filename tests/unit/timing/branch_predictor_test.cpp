// SPDX-License-Identifier: Apache-2.0
#include "timing/branch_predictor.h"

#include <gtest/gtest.h>

#include <random>

namespace vtsim::timing {
namespace {

struct Bench {
    stats::Group group{nullptr, "cpu0"};
    BranchPredictor predictor{group};
    [[nodiscard]] u64 stat(const std::string& name) const { return std::get<u64>(group.find("branch." + name)->value()); }
};

TEST(BranchPredictor, LearnsALoopOfFixedLength) {
    Bench bench;
    unsigned late = 0;
    for (int round = 0; round < 200; ++round)
        for (int i = 0; i < 8; ++i) {
            const bool wrong = bench.predictor.conditional(0x401000, i != 7);
            if (round >= 100) late += wrong;
        }
    EXPECT_EQ(late, 0U) << "eight outcomes fit the history";
    EXPECT_EQ(bench.stat("conditional.executed"), 1600U);
}

TEST(BranchPredictor, CannotLearnACoin) {
    Bench bench;
    std::mt19937_64 random{5};
    for (int i = 0; i < 20000; ++i) static_cast<void>(bench.predictor.conditional(0x401000, random() % 2 == 0));
    EXPECT_NEAR(static_cast<double>(bench.stat("conditional.mispredicted")), 10000, 500);
}

TEST(BranchPredictor, RemembersTheLastTargetOfAnIndirectBranch) {
    Bench bench;
    EXPECT_TRUE(bench.predictor.indirect(0x1000, 0x2000));
    EXPECT_FALSE(bench.predictor.indirect(0x1000, 0x2000));
    EXPECT_TRUE(bench.predictor.indirect(0x1000, 0x3000));
    EXPECT_FALSE(bench.predictor.indirect(0x1000, 0x3000));
    EXPECT_TRUE(bench.predictor.indirect(0x1001, 0x3000)) << "another branch";
    EXPECT_EQ(bench.stat("indirect.mispredicted"), 3U);
}

TEST(BranchPredictor, PredictsReturnsSixteenDeep) {
    for (const unsigned depth : {1U, 16U, 17U}) {
        Bench bench;
        for (unsigned i = 0; i < depth; ++i) bench.predictor.call(0x1000 + i * 16);
        for (unsigned i = depth; i-- > 0;) static_cast<void>(bench.predictor.ret(0x1000 + i * 16));
        EXPECT_EQ(bench.stat("return.mispredicted"), depth > 16 ? 1U : 0U) << depth;
    }
}

}  // namespace
}  // namespace vtsim::timing
