// SPDX-License-Identifier: Apache-2.0
#include "platform/kernel/clock.h"

#include <gtest/gtest.h>

#include <random>

namespace vtsim::platform {
namespace {

TEST(Clock, RoundTripsEveryCycleAtEveryFrequency) {
    std::mt19937_64 random{1};
    for (const u64 hertz : {u64{1'000'000}, u64{2'000'000'000}, u64{2'394'000'000}, u64{3'500'000'000}, u64{99'999'999'989}}) {
        const Clock clock{hertz};
        for (int i = 0; i < 2000; ++i) {
            const u64 cycle = random() % clock.last_cycle();
            ASSERT_EQ(clock.cycles_at(clock.time_of(cycle)), cycle) << hertz;
        }
    }
}

TEST(Clock, DoesNotDrift) {
    const Clock clock{3'500'000'000};
    EXPECT_EQ(clock.time_of(3'500'000'000 * 3600).value(), u64{3600} * 1'000'000'000'000);      // 285.714... ps a cycle
}

TEST(Clock, RoundsTimesUpToTheNextCycle) {
    const Clock clock{2'000'000'000};                                                           // 500 ps a cycle
    EXPECT_EQ(clock.cycles_at(sc_core::sc_time::from_value(0)), 0U);
    EXPECT_EQ(clock.cycles_at(sc_core::sc_time::from_value(1)), 1U);
    EXPECT_EQ(clock.cycles_at(sc_core::sc_time::from_value(500)), 1U);
    EXPECT_EQ(clock.cycles_at(sc_core::sc_time::from_value(501)), 2U);
}

}  // namespace
}  // namespace vtsim::platform
