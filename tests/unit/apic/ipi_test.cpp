// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bench.h"

namespace vtsim::apic {
namespace {

TEST(InterruptCommand, SendsWhatTheRegistersSay) {
    Bench bench;
    bench.enabled();
    bench.write(offset::icr_high, 0x0a000000);
    bench.write(offset::icr, 0x00000845);
    ASSERT_EQ(bench.sent.size(), 1U);
    EXPECT_EQ(bench.sent[0].first, 5U);
    EXPECT_EQ(bench.sent[0].second, (Message{.vector = 0x45, .logical = true, .destination = 0x0a}));
    EXPECT_EQ(bench.read(offset::icr), 0x845U);         // delivery status: idle at once
}

TEST(InterruptCommand, SendsEveryDeliveryMode) {
    for (const u32 mode : {0U, 1U, 2U, 4U, 5U, 6U}) {
        Bench bench;
        bench.enabled();
        bench.write(offset::icr, mode << 8 | 0x4055);
        ASSERT_EQ(bench.sent.size(), 1U) << mode;
        EXPECT_EQ(bench.sent[0].second.mode, static_cast<DeliveryMode>(mode));
    }
    for (const u32 mode : {3U, 7U}) {
        Bench bench;
        bench.write(offset::icr, mode << 8 | 0x55);
        EXPECT_TRUE(bench.sent.empty()) << mode;
    }
}

TEST(InterruptCommand, ToItselfNeedsNoBus) {
    Bench bench;
    bench.enabled();
    bench.write(offset::icr, 0x40061);
    EXPECT_TRUE(bench.sent.empty());
    EXPECT_EQ(bench.apic.acknowledge(), 0x61);
    bench.write(offset::icr, 0x40400);                  // NMI to self: no valid combination
    EXPECT_FALSE(bench.apic.take_nmi());
    EXPECT_EQ(bench.apic.stats().ipis.self, 1U);
}

TEST(InterruptCommand, WithAnIllegalVectorIsAnError) {
    for (unsigned vector = 0; vector < 16; ++vector) {
        Bench bench;
        bench.enabled();
        bench.write(offset::icr, vector);
        EXPECT_TRUE(bench.sent.empty());
        EXPECT_EQ(bench.errors(), 0x20U);
    }
}

TEST(InterruptCommand, KeepsTheLevelOfAnInitOnly) {
    Bench bench;
    bench.write(offset::icr, 0xc8500);
    bench.write(offset::icr, 0xc8050);
    ASSERT_EQ(bench.sent.size(), 2U);
    EXPECT_TRUE(bench.sent[0].second.level);
    EXPECT_FALSE(bench.sent[0].second.assert);
    EXPECT_FALSE(bench.sent[1].second.level);
}

TEST(SelfIpi, ExistsInX2apicModeOnly) {
    Bench bench;
    bench.enabled().x2apic();
    EXPECT_FALSE(bench.apic.write_msr(0x83f, 0x77, 0));
    EXPECT_EQ(bench.apic.acknowledge(), 0x77);
    EXPECT_FALSE(bench.apic.write_msr(0x83f, 0x07, 0));
    EXPECT_FALSE(bench.apic.write_msr(0x828, 0, 0));
    EXPECT_EQ(bench.apic.read_msr(0x828, 0).value, 0x20U);
}

TEST(Delivery, OfAnInitDeassertDoesNothing) {
    Bench bench;
    bench.apic.deliver({.mode = DeliveryMode::init, .level = true, .assert = false});
    EXPECT_FALSE(bench.apic.take_init());
    bench.apic.deliver({.mode = DeliveryMode::init, .level = true, .assert = true});
    EXPECT_TRUE(bench.apic.take_init());
    EXPECT_FALSE(bench.apic.take_init());
}

TEST(Delivery, ReachesNoDisabledApic) {
    Bench bench;
    ASSERT_FALSE(bench.apic.write_base(0, 0));
    for (const auto mode : {DeliveryMode::fixed, DeliveryMode::nmi, DeliveryMode::init, DeliveryMode::startup}) bench.apic.deliver({.vector = 0x50, .mode = mode});
    EXPECT_EQ(bench.apic.signals(), 0U);
}

TEST(Delivery, CountsByKind) {
    Bench bench;
    bench.enabled();
    bench.apic.deliver({.vector = 0x50});
    bench.apic.deliver({.vector = 0x50, .mode = DeliveryMode::lowest_priority});
    bench.apic.deliver({.mode = DeliveryMode::nmi});
    bench.apic.deliver({.mode = DeliveryMode::smi});
    bench.apic.deliver({.vector = 8, .mode = DeliveryMode::startup});
    const auto& stats = bench.apic.stats();
    EXPECT_EQ(stats.accepted, 1U);
    EXPECT_EQ(stats.coalesced, 1U);
    EXPECT_EQ(stats.nmis, 1U);
    EXPECT_EQ(stats.smis, 1U);
    EXPECT_EQ(stats.sipis, 1U);
    EXPECT_TRUE(bench.apic.take_smi());
}

TEST(LocalPins, InExtIntModeAskThe8259) {
    Bench bench;
    bench.enabled();
    bench.apic.set_lint(0, true);
    EXPECT_FALSE(bench.apic.interrupt_pending());       // masked
    bench.write(offset::lvt_lint0, 0x700);
    EXPECT_TRUE(bench.apic.interrupt_pending());
    bench.write(offset::tpr, 0xff);                     // the task priority does not hold it back
    EXPECT_TRUE(bench.apic.interrupt_pending());
    EXPECT_EQ(bench.apic.acknowledge(), 0x30);
    EXPECT_FALSE(bench.apic.interrupt_pending());
    EXPECT_EQ(bench.apic.stats().delivered_external, 1U);
}

TEST(LocalPins, AreIntrAndNmiWithoutApic) {
    Bench bench;
    ASSERT_FALSE(bench.apic.write_base(0, 0));
    bench.apic.set_lint(0, true);
    bench.apic.set_lint(1, true);
    EXPECT_TRUE(bench.apic.take_nmi());
    EXPECT_EQ(bench.apic.acknowledge(), 0x30);
}

TEST(LocalPins, InNmiModeTakeTheEdge) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_lint1, 0x400);
    bench.apic.set_lint(1, true);
    bench.apic.set_lint(1, true);
    EXPECT_TRUE(bench.apic.take_nmi());
    EXPECT_FALSE(bench.apic.take_nmi());
    bench.apic.set_lint(1, false);
    bench.apic.set_lint(1, true);
    EXPECT_EQ(bench.apic.stats().nmis, 2U);
}

TEST(LocalPins, LevelTriggeredWaitForTheEnd) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_lint0, 0x8042);
    bench.apic.set_lint(0, true);
    EXPECT_EQ(bench.read(offset::lvt_lint0), 0xc042U);  // remote IRR
    EXPECT_EQ(bench.apic.acknowledge(), 0x42);
    bench.apic.set_lint(0, false);
    bench.apic.set_lint(0, true);
    EXPECT_EQ(bench.apic.highest_requested(), 0);       // remote IRR holds it back
    bench.write(offset::eoi, 0);
    EXPECT_EQ(bench.apic.acknowledge(), 0x42);          // the line is still up
    bench.apic.set_lint(0, false);
    bench.write(offset::eoi, 0);
    EXPECT_EQ(bench.read(offset::lvt_lint0), 0x8042U);
    EXPECT_FALSE(bench.apic.interrupt_pending());
}

TEST(LocalSources, FollowTheirEntries) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_thermal, 0x71);
    bench.write(offset::lvt_cmci, 0x400);
    bench.write(offset::lvt_performance, 0x73);
    bench.apic.raise(LocalSource::thermal);
    EXPECT_EQ(bench.apic.acknowledge(), 0x71);
    bench.apic.raise(LocalSource::cmci);
    EXPECT_TRUE(bench.apic.take_nmi());
    bench.write(offset::eoi, 0);
    bench.apic.raise(LocalSource::performance);
    EXPECT_EQ(bench.apic.acknowledge(), 0x73);
    EXPECT_EQ(bench.read(offset::lvt_performance), 0x10073U);       // masks itself
}

}  // namespace
}  // namespace vtsim::apic
