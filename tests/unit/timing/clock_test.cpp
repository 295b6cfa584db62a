// SPDX-License-Identifier: Apache-2.0
#include "timing/clock.h"

#include <gtest/gtest.h>

#include <random>

namespace vtsim::timing {
namespace {

TEST(Clock, GivesEveryCycleBackExactly) {
    std::mt19937_64 random{1};
    for (const u64 hz : {u64{1'000'000}, u64{3'200'000'000}, u64{3'500'000'000}, u64{2'999'999'999}, u64{999'999'999'999}}) {
        const Clock clock{hz};
        for (int i = 0; i < 1000; ++i) {
            const u64 cycle = random() >> (random() % 40 + 24);
            ASSERT_EQ(clock.cycles_at(clock.time_of(cycle)), cycle) << hz;
        }
    }
}

TEST(Clock, DoesNotDriftOverAnHour) {
    const Clock clock{3'500'000'000};
    EXPECT_EQ(clock.time_of(3'500'000'000ULL * 3600), 3600 * Clock::ps_per_second);
}

TEST(Clock, RoundsACycleUpWhenTimeLiesInsideIt) {
    const Clock clock{1'000'000'000};
    EXPECT_EQ(clock.cycles_at(1000), 1U);
    EXPECT_EQ(clock.cycles_at(1001), 2U);
}

TEST(ClockRatio, FindsTheFirstCountThatReachesAValue) {
    const ClockRatio ratio{3'200'000'000, 2'400'000'000};
    for (u64 wanted = 0; wanted < 1000; ++wanted) {
        const u64 count = ratio.first_reaching(wanted);
        EXPECT_GE(ratio.convert(count), wanted);
        if (count != 0) {
            EXPECT_LT(ratio.convert(count - 1), wanted);
        }
    }
}

}  // namespace
}  // namespace vtsim::timing
