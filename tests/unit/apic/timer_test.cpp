// SPDX-License-Identifier: Apache-2.0
#include "apic/timer.h"

#include <gtest/gtest.h>

#include <random>

#include "bench.h"

namespace vtsim::apic {
namespace {

constexpr u64 cycles_per_tick = 20;     // of the bench

struct Divide {
    u32 code;
    u64 divisor;
};
constexpr Divide divides[] = {{0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};     // SDM, figure "Divide Configuration Register"

TEST(OneShotTimer, ExpiresAfterCountTimesDivisorTicks) {
    for (const auto& [code, divisor] : divides)
        for (const u32 count : {1U, 2U, 1000U, 0xffffffffU}) {
            Bench bench;
            bench.now = 12'345;
            bench.enabled();
            bench.write(offset::divide, code);
            bench.write(offset::lvt_timer, 0x55);
            bench.write(offset::initial_count, count);
            const u64 expiry = 12'345 + count * divisor * cycles_per_tick;
            EXPECT_EQ(bench.apic.next_deadline(), expiry) << divisor;
            bench.apic.advance(expiry - 1);
            EXPECT_FALSE(bench.apic.interrupt_pending());
            bench.apic.advance(expiry);
            EXPECT_EQ(bench.apic.acknowledge(), 0x55);
            EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
            bench.now = expiry + 1'000'000;
            EXPECT_EQ(bench.read(offset::current_count), 0U);
            EXPECT_EQ(bench.read(offset::initial_count), count);
        }
}

TEST(OneShotTimer, CountsDownOncePerDividedTick) {
    for (const auto& [code, divisor] : divides) {
        Bench bench;
        bench.enabled();
        bench.write(offset::divide, code);
        bench.write(offset::initial_count, 100);
        for (u64 k = 0; k < 100; ++k) {
            bench.now = k * divisor * cycles_per_tick;
            EXPECT_EQ(bench.read(offset::current_count), 100 - k);
            bench.now += divisor * cycles_per_tick - 1;
            EXPECT_EQ(bench.read(offset::current_count), 100 - k);
        }
    }
}

TEST(PeriodicTimer, NeverDrifts) {
    // 3.3 GHz and a 24 MHz crystal: 137.5 core cycles a tick; the k-th expiry is ceil(k * count * divisor * 137.5).
    LocalApic apic{{.timer_hz = 24'000'000}, 0, true, 3'300'000'000, 46, nullptr};
    apic.write_mmio(offset::svr, 4, 0x1ff, 0);
    apic.write_mmio(offset::divide, 4, 0xb, 0);
    apic.write_mmio(offset::lvt_timer, 4, 0x20040, 0);
    apic.write_mmio(offset::initial_count, 4, 7, 0);
    for (u64 k = 1; k <= 100'000; ++k) {
        const u64 expected = (k * 7 * 275 + 1) / 2;
        ASSERT_EQ(apic.deadline(), expected);
        apic.advance(expected);
        ASSERT_EQ(apic.stats().timer_expiries, k);
    }
}

TEST(PeriodicTimer, CatchesUpWithoutLosingTheGrid) {
    Bench bench;
    bench.enabled();
    bench.write(offset::divide, 0xb);
    bench.write(offset::lvt_timer, 0x20040);
    bench.write(offset::initial_count, 50);             // a period of 1000 cycles
    bench.apic.advance(7'300);
    EXPECT_EQ(bench.apic.stats().timer_expiries, 7U);
    EXPECT_EQ(bench.apic.deadline(), 8'000U);
    bench.now = 7'300;
    EXPECT_EQ(bench.read(offset::current_count), 35U);  // 15 ticks into the period
    bench.now = 8'000;
    EXPECT_EQ(bench.read(offset::current_count), 50U);
}

TEST(PeriodicTimer, AgreesWithATickedCounter) {
    std::mt19937 random{11};
    for (int round = 0; round < 50; ++round) {
        const auto& [code, divisor] = divides[random() % 8];
        const auto initial = static_cast<u32>(1 + random() % 20);
        Bench bench;
        bench.enabled();
        bench.write(offset::divide, code);
        bench.write(offset::lvt_timer, 0x20040);
        bench.write(offset::initial_count, initial);
        u32 counter = initial;
        u64 expiries = 0;
        for (u64 tick = 1; tick < 3'000; ++tick) {
            if (tick % divisor == 0 && --counter == 0) {
                counter = initial;
                ++expiries;
            }
            bench.now = tick * cycles_per_tick;
            ASSERT_EQ(bench.read(offset::current_count), counter);
            ASSERT_EQ(bench.apic.stats().timer_expiries, expiries);
        }
    }
}

TEST(Timer, GoesOnWhenTheModeChangesBetweenOneShotAndPeriodic) {
    Bench bench;
    bench.enabled();
    bench.write(offset::divide, 0xb);
    bench.write(offset::initial_count, 100);
    bench.now = 60 * cycles_per_tick;
    bench.write(offset::lvt_timer, 0x30040);
    EXPECT_EQ(bench.read(offset::current_count), 40U);
    bench.now = 130 * cycles_per_tick;
    EXPECT_EQ(bench.read(offset::current_count), 70U);  // wrapped round
    bench.write(offset::lvt_timer, 0x10040);
    EXPECT_EQ(bench.read(offset::current_count), 70U);
    bench.now = 200 * cycles_per_tick;
    EXPECT_EQ(bench.read(offset::current_count), 0U);
    bench.write(offset::lvt_timer, 0x30040);
    EXPECT_EQ(bench.read(offset::current_count), 0U);   // stopped stays stopped
}

TEST(Timer, GoesOnAtTheNewRateWhenTheDivisorChanges) {
    Bench bench;
    bench.enabled();
    bench.write(offset::divide, 0xb);
    bench.write(offset::initial_count, 100);
    bench.now = 60 * cycles_per_tick;
    bench.write(offset::divide, 0x1);
    EXPECT_EQ(bench.apic.deadline(), (60 + 40 * 4) * cycles_per_tick);
}

TEST(Timer, StopsAtAnInitialCountOfZero) {
    Bench bench;
    bench.enabled();
    bench.write(offset::initial_count, 100);
    bench.write(offset::initial_count, 0);
    EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
    EXPECT_EQ(bench.read(offset::current_count), 0U);
}

TEST(Timer, MaskedExpiresSilently) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_timer, 0x10055);
    bench.write(offset::initial_count, 10);
    bench.apic.advance(100'000);
    EXPECT_FALSE(bench.apic.interrupt_pending());
    EXPECT_EQ(bench.apic.stats().timer_expiries, 1U);
}

TEST(TscDeadline, ExpiresWhenTheTscReachesIt) {
    Bench bench;
    bench.enabled();
    bench.apic.write_tsc_offset(5'000, 0);
    bench.write(offset::lvt_timer, 0x40055);
    bench.apic.write_tsc_deadline(8'000, 100);
    EXPECT_EQ(bench.apic.tsc_deadline(), 8'000U);
    EXPECT_EQ(bench.apic.deadline(), 3'000U);
    bench.apic.advance(2'999);
    EXPECT_FALSE(bench.apic.interrupt_pending());
    bench.apic.advance(3'000);
    EXPECT_EQ(bench.apic.acknowledge(), 0x55);
    EXPECT_EQ(bench.apic.tsc_deadline(), 0U);
}

TEST(TscDeadline, InThePastExpiresAtOnce) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_timer, 0x40055);
    bench.apic.write_tsc_deadline(1, 100);
    EXPECT_EQ(bench.apic.acknowledge(), 0x55);
    EXPECT_EQ(bench.apic.tsc_deadline(), 0U);
}

TEST(TscDeadline, FollowsTheTsc) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_timer, 0x40055);
    bench.apic.write_tsc_deadline(10'000, 0);
    bench.apic.write_tsc_offset(4'000, 100);
    EXPECT_EQ(bench.apic.deadline(), 6'000U);
    bench.apic.write_tsc_offset(u64{0} - 1'000, 2'000); // the TSC was set back
    EXPECT_EQ(bench.apic.deadline(), 11'000U);
    bench.apic.write_tsc_offset(20'000, 3'000);
    EXPECT_TRUE(bench.apic.interrupt_pending());
}

TEST(TscDeadline, ExcludesTheOtherModes) {
    Bench bench;
    bench.enabled();
    bench.apic.write_tsc_deadline(1'000, 0);            // not in this mode
    EXPECT_EQ(bench.apic.tsc_deadline(), 0U);
    bench.write(offset::initial_count, 100);
    bench.write(offset::lvt_timer, 0x40055);            // disarms
    EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
    bench.write(offset::initial_count, 100);            // ignored
    EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
    EXPECT_EQ(bench.read(offset::current_count), 0U);
    bench.apic.write_tsc_deadline(1'000, 0);
    bench.write(offset::lvt_timer, 0x55);
    EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
    EXPECT_EQ(bench.apic.tsc_deadline(), 0U);
}

TEST(TscDeadline, OfZeroDisarmsAndOfTheFarFutureNeverOverflows) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_timer, 0x40055);
    bench.apic.write_tsc_deadline(1'000, 0);
    bench.apic.write_tsc_deadline(0, 1);
    EXPECT_EQ(bench.apic.next_deadline(), std::nullopt);
    bench.apic.write_tsc_deadline(~u64{0}, 2);
    bench.apic.advance(u64{1} << 60);
    EXPECT_FALSE(bench.apic.interrupt_pending());
}

}  // namespace
}  // namespace vtsim::apic
