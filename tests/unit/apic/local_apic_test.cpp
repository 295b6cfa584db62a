// SPDX-License-Identifier: Apache-2.0
#include "apic/local_apic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bitset>
#include <random>

#include "bench.h"

namespace vtsim::apic {
namespace {

// The priorities as the SDM tells them, with no shortcut.
struct NaiveApic {
    std::bitset<256> irr, isr, tmr;
    unsigned tpr = 0;
    static unsigned highest(const std::bitset<256>& set) {
        for (unsigned v = 255; v > 0; --v)
            if (set[v]) return v;
        return 0;
    }
    unsigned ppr() const {
        const unsigned in_service = highest(isr);
        return tpr / 16 >= in_service / 16 ? tpr : in_service / 16 * 16;
    }
    bool pending() const { return highest(irr) / 16 > ppr() / 16; }
    unsigned acknowledge() {
        if (!pending()) return 0xff;
        const unsigned v = highest(irr);
        irr[v] = false;
        isr[v] = true;
        return v;
    }
    void eoi() {
        if (const unsigned v = highest(isr); v != 0) isr[v] = false;
    }
};

bool same_bits(Bench& bench, u32 base, const std::bitset<256>& bits) {
    for (unsigned v = 0; v < 256; ++v)
        if (((bench.read(base + v / 32 * 16) >> (v % 32)) & 1) != (bits[v] ? 1U : 0U)) return false;
    return true;
}

TEST(InterruptPriorities, FollowTheNaiveModelThroughRandomHistories) {
    for (const unsigned seed : {1U, 2U, 3U, 4U}) {
        std::mt19937 random{seed};
        Bench bench;
        bench.enabled();
        NaiveApic naive;
        for (int step = 0; step < 20'000; ++step) {
            switch (random() % 6) {
                case 0: case 1: {
                    const auto vector = static_cast<u8>(16 + random() % 240);
                    const bool level = random() % 2 != 0;
                    ASSERT_TRUE(bench.apic.accept(vector, level));
                    naive.irr[vector] = true;
                    naive.tmr[vector] = level;
                    break;
                }
                case 2: case 3:
                    ASSERT_EQ(bench.apic.acknowledge(), naive.acknowledge());
                    break;
                case 4:
                    bench.write(offset::eoi, 0);
                    naive.eoi();
                    break;
                default:
                    naive.tpr = random() % 256;
                    if (random() % 2 != 0) {
                        bench.write(offset::tpr, naive.tpr);
                    } else {
                        naive.tpr &= 0xf0;
                        bench.apic.write_cr8(static_cast<u8>(naive.tpr >> 4));
                    }
                    ASSERT_EQ(bench.apic.cr8(), naive.tpr >> 4);
            }
            ASSERT_EQ(bench.apic.interrupt_pending(), naive.pending());
            ASSERT_EQ(bench.read(offset::ppr), naive.ppr());
            ASSERT_EQ(bench.apic.highest_requested(), NaiveApic::highest(naive.irr));
            ASSERT_EQ(bench.apic.highest_in_service(), NaiveApic::highest(naive.isr));
            if (step % 100 == 0) {
                ASSERT_TRUE(same_bits(bench, offset::irr, naive.irr) && same_bits(bench, offset::isr, naive.isr) && same_bits(bench, offset::tmr, naive.tmr));
            }
        }
        const auto& stats = bench.apic.stats();
        EXPECT_EQ(u64{stats.accepted}, stats.delivered + naive.irr.count());
    }
}

TEST(InterruptPriorities, DeliverOnlyAboveTheTaskPriorityClass) {
    for (unsigned tpr = 0; tpr < 256; ++tpr)
        for (unsigned vector = 16; vector < 256; ++vector) {
            Bench bench;
            bench.enabled();
            bench.write(offset::tpr, tpr);
            bench.apic.accept(static_cast<u8>(vector), false);
            ASSERT_EQ(bench.apic.interrupt_pending(), vector / 16 > tpr / 16);
        }
}

TEST(ArbitrationPriority, FollowsTheManualsFormula) {
    EXPECT_EQ(arbitration_priority(0x35, 0, 0), 0x35);          // TPR above everything
    EXPECT_EQ(arbitration_priority(0x35, 0x22, 0x31), 0x35);    // equal request class: still TPR
    EXPECT_EQ(arbitration_priority(0x35, 0x22, 0x41), 0x40);    // the request wins
    EXPECT_EQ(arbitration_priority(0x35, 0x71, 0x21), 0x30);    // TPR AND ISR class
}

TEST(Acknowledge, GivesTheSpuriousVectorWhenTheInterruptIsGone) {
    Bench bench;
    bench.write(offset::svr, 0x1ef);
    bench.apic.accept(0x50, false);
    bench.write(offset::tpr, 0x50);
    EXPECT_EQ(bench.apic.acknowledge(), 0xef);
    EXPECT_EQ(bench.apic.highest_in_service(), 0);
    EXPECT_EQ(bench.apic.stats().spurious, 1U);
}

TEST(Wake, ComesOnceForEachSignalThatAppears) {
    Bench bench;
    bench.enabled();
    bench.write(offset::tpr, 0x60);
    bench.apic.accept(0x50, false);
    EXPECT_EQ(bench.wakes, 0U);
    bench.apic.write_cr8(0);
    EXPECT_EQ(bench.wakes, 1U);
    bench.apic.accept(0x51, false);
    EXPECT_EQ(bench.wakes, 1U);
    bench.apic.deliver({.mode = DeliveryMode::nmi});
    EXPECT_EQ(bench.wakes, 2U);
}

TEST(EndOfInterrupt, IsBroadcastForLevelTriggeredVectorsOnly) {
    Bench bench;
    bench.enabled();
    bench.apic.accept(0x50, true);
    bench.apic.accept(0x40, false);
    bench.apic.acknowledge();
    bench.write(offset::eoi, 0);
    bench.apic.acknowledge();
    bench.write(offset::eoi, 0);
    EXPECT_EQ(bench.ended, std::vector<u8>{0x50});
    bench.write(offset::svr, 0x11ff);
    bench.apic.accept(0x50, true);
    bench.apic.acknowledge();
    bench.write(offset::eoi, 0);
    EXPECT_EQ(bench.ended.size(), 1U);
}

TEST(SoftwareDisable, MasksTheLocalVectorTableAndRefusesFixedInterrupts) {
    Bench bench;
    bench.enabled();
    bench.apic.accept(0x50, false);
    bench.write(offset::lvt_timer, 0x60);
    bench.write(offset::svr, 0xff);
    EXPECT_EQ(bench.read(offset::lvt_timer), 0x10060U);
    bench.write(offset::lvt_timer, 0x61);
    EXPECT_EQ(bench.read(offset::lvt_timer), 0x10061U);
    EXPECT_FALSE(bench.apic.accept(0x51, false));
    EXPECT_TRUE(bench.apic.interrupt_pending());        // what was pending is held
    bench.apic.deliver({.mode = DeliveryMode::nmi});
    bench.apic.deliver({.mode = DeliveryMode::init});
    EXPECT_TRUE(bench.apic.take_nmi());
    EXPECT_TRUE(bench.apic.take_init());
    bench.write(offset::svr, 0x1ff);
    EXPECT_EQ(bench.read(offset::lvt_timer), 0x10061U); // and stays masked
    EXPECT_EQ(bench.apic.stats().refused, 1U);
}

TEST(ErrorStatus, ShowsWhatHappenedBeforeTheWrite) {
    Bench bench;
    bench.enabled();
    bench.write(offset::lvt_error, 0xe0);
    bench.apic.accept(3, false);
    EXPECT_EQ(bench.read(offset::esr), 0U);
    EXPECT_EQ(bench.apic.acknowledge(), 0xe0);
    bench.read(0x040);                                  // a second error: not armed, no second interrupt
    EXPECT_FALSE(bench.apic.interrupt_pending());
    bench.write(offset::esr, 0);
    EXPECT_EQ(bench.read(offset::esr), 0xc0U);
    bench.write(offset::esr, 0);
    EXPECT_EQ(bench.read(offset::esr), 0U);
    bench.write(offset::eoi, 0);
    bench.read(0x040);
    EXPECT_TRUE(bench.apic.interrupt_pending());        // armed again
}

// IA32_APIC_BASE bits 11:10 from row to column; + allowed. SDM vol. 3, "x2APIC State Transitions".
TEST(ApicBase, AllowsTheTransitionsOfTheManual) {
    constexpr u64 states[] = {0x000, 0x400, 0x800, 0xc00};      // disabled, invalid, xAPIC, x2APIC
    constexpr const char* allowed[] = {"+-+-", "----", "+-++", "+--+"};
    for (const unsigned from : {0U, 2U, 3U})
        for (unsigned to = 0; to < 4; ++to) {
            Bench bench;
            if (from == 0) {
                ASSERT_FALSE(bench.apic.write_base(LocalApic::default_base, 0));
            } else if (from == 3) {
                bench.x2apic();
            }
            const u64 before = bench.apic.base();
            const auto event = bench.apic.write_base(LocalApic::default_base | states[to], 0);
            EXPECT_EQ(!event, allowed[from][to] == '+') << from << to;
            EXPECT_EQ(bench.apic.base(), event ? before : LocalApic::default_base | states[to]);
        }
}

TEST(ApicBase, FaultsOnReservedBits) {
    Bench bench;
    for (unsigned i = 0; i < 64; ++i) {
        const bool defined = i == 8 || i == 10 || i == 11 || (i >= 12 && i < 46);
        EXPECT_EQ(!bench.apic.write_base(0x900 | bit(i), 0), defined) << i;
        if (i == 10) bench.apic.reset();
    }
    Bench without{{.x2apic = false}};
    EXPECT_TRUE(without.apic.write_base(LocalApic::default_base | 0xc00, 0));
}

TEST(ApicBase, MovesThePage) {
    Bench bench;
    EXPECT_TRUE(bench.apic.covers(PhysicalAddress{0xfee00080}));
    EXPECT_FALSE(bench.apic.covers(PhysicalAddress{0xfee01000}));
    EXPECT_FALSE(bench.apic.leaves_empty(PhysicalAddress{0xfee00080}));
    ASSERT_FALSE(bench.apic.write_base(0xfed40900, 0));
    EXPECT_TRUE(bench.apic.covers(PhysicalAddress{0xfed40fff}));
    EXPECT_FALSE(bench.apic.covers(PhysicalAddress{0xfee00080}));
    ASSERT_FALSE(bench.apic.write_base(0xfed40d00, 0));
    EXPECT_FALSE(bench.apic.covers(PhysicalAddress{0xfed40000}));       // x2APIC mode has no page
    EXPECT_TRUE(bench.apic.leaves_empty(PhysicalAddress{0xfed40000}));  // but nobody else answers there
    EXPECT_FALSE(bench.apic.leaves_empty(PhysicalAddress{0xfee00000}));
}

TEST(ApicBase, DisablingForgetsTheRegisters) {
    Bench bench;
    bench.enabled();
    bench.write(offset::tpr, 0x20);
    bench.apic.accept(0x50, false);
    ASSERT_FALSE(bench.apic.write_base(LocalApic::default_base, 0));
    EXPECT_FALSE(bench.apic.interrupt_pending());
    ASSERT_FALSE(bench.apic.write_base(LocalApic::default_base | 0x800, 0));
    EXPECT_EQ(bench.read(offset::tpr), 0U);
    EXPECT_EQ(bench.read(offset::svr), 0xffU);
}

TEST(ApicBase, KeepsTheRegistersFromXapicToX2apic) {
    Bench bench;
    bench.enabled();
    bench.write(offset::tpr, 0x20);
    bench.write(offset::icr_high, 0x07000000);
    bench.apic.accept(0x50, false);
    bench.x2apic();
    EXPECT_EQ(bench.apic.read_msr(0x808, 0).value, 0x20U);
    EXPECT_EQ(bench.apic.read_msr(0x80f, 0).value, 0x1ffU);
    EXPECT_EQ(bench.apic.read_msr(0x830, 0).value, 0U);
    EXPECT_TRUE(bench.apic.interrupt_pending());
}

TEST(InitReset, KeepsTheIdTheBaseAndALaterStartup) {
    Bench bench;
    bench.enabled();
    bench.write(offset::ldr, 0x01000000);
    bench.apic.accept(0x50, false);
    bench.apic.deliver({.mode = DeliveryMode::init});
    bench.apic.deliver({.vector = 0x9a, .mode = DeliveryMode::startup});
    ASSERT_TRUE(bench.apic.take_init());
    bench.apic.init_reset(0);
    EXPECT_EQ(bench.apic.take_startup(), 0x9a);
    EXPECT_EQ(bench.apic.take_startup(), std::nullopt);
    EXPECT_EQ(bench.read(offset::id), 0x05000000U);
    EXPECT_EQ(bench.read(offset::ldr), 0U);
    EXPECT_EQ(bench.read(offset::svr), 0xffU);
    EXPECT_EQ(bench.apic.base(), LocalApic::default_base | 0x900);
    EXPECT_EQ(bench.apic.signals(), 0U);
}

TEST(VectorSet, IsTheSameOverMemory) {
    PhysicalMemory memory{64 * KiB};
    RegisterPage page{&memory, PhysicalAddress{0x3000}};
    RegisterFile file;
    VectorSet in_memory{page, offset::irr};
    VectorSet in_file{file, offset::irr};
    std::mt19937 random{7};
    for (int step = 0; step < 2000; ++step) {
        const auto vector = static_cast<u8>(random());
        const bool value = random() % 2 != 0;
        in_memory.assign(vector, value);
        in_file.assign(vector, value);
        ASSERT_EQ(in_memory.highest(), in_file.highest());
        // SDM vol. 3, "Virtual-APIC State": bit v & 1fH of the field at 200H | (v & E0H) >> 1.
        ASSERT_EQ((memory.read<u32>(PhysicalAddress{0x3200U + ((vector & 0xe0U) >> 1)}) >> (vector & 0x1f)) & 1, value ? 1U : 0U);
    }
}

}  // namespace
}  // namespace vtsim::apic
