// SPDX-License-Identifier: Apache-2.0
#include "iommu/fault_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "bench.h"

namespace vtsim::iommu {
namespace {

constexpr u32 frcd = RemappingUnit::fault_records;
constexpr u64 page = 0x7654'3000;

// From a valid baseline, one change each. VT-d, "Fault Reason Encodings".
struct Provocation {
    const char* name;
    u8 code;
    bool qualified;         // not recorded when the context entry has FPD set
    std::function<void(Bench&)> spoil;
    u64 address = page;
    bool write = false;
    RequestType type = RequestType::untranslated;
};

const Provocation provocations[] = {
    {"root not present", 0x01, false, [](Bench& b) { b.root_entry(Bench::device) &= ~u64{1}; }},
    {"context not present", 0x02, true, [](Bench& b) { b.context(Bench::device) &= ~u64{1}; }},
    {"reserved translation type", 0x03, true, [](Bench& b) { b.context(Bench::device) |= 3 << 2; }},
    {"device-TLB translation type", 0x03, true, [](Bench& b) { b.context(Bench::device) |= 1 << 2; }},
    {"five levels", 0x03, true, [](Bench& b) { b.context_high(Bench::device) |= 3; }},
    {"pass-through with less than the largest width", 0x03, true, [](Bench& b) { b.connect(Bench::device, 1, 1, 0, 2, (b.context(Bench::device) & 2) != 0); }},
    {"beyond the domain's width", 0x04, true, [](Bench& b) { b.context_high(Bench::device) = (b.context_high(Bench::device) & ~u64{7}) | 1; }, u64{1} << 39},
    {"beyond the unit's width", 0x04, true, [](Bench&) {}, u64{1} << 48},
    {"no write permission", 0x05, true, [](Bench& b) { b.entry(page, 1) &= ~u64{2}; }, page, true},
    {"no write permission above", 0x05, true, [](Bench& b) { b.entry(page, 3) &= ~u64{2}; }, page, true},
    {"no read permission", 0x06, true, [](Bench& b) { b.entry(page, 1) &= ~u64{1}; }},
    {"second-level entry unreadable", 0x07, true, [](Bench& b) { b.entry(page, 2) = 0xdead000 | 3, b.unreadable.insert(0xdead000 + (page >> 12 & 511) * 8); }},
    {"root entry unreadable", 0x08, false, [](Bench& b) { b.unreadable.insert(Bench::root + 3 * 16); }},
    {"context entry unreadable", 0x09, false, [](Bench& b) { b.unreadable.insert(Bench::contexts + Bench::device.device_function() * 16 + 8); }},
    {"reserved bit in root entry", 0x0a, false, [](Bench& b) { b.root_entry(Bench::device) |= 2; }},
    {"context table beyond the host's width", 0x0a, false, [](Bench& b) { b.root_entry(Bench::device) |= u64{1} << 46; }},
    {"reserved high half of root entry", 0x0a, false, [](Bench& b) { b.memory[Bench::root + 3 * 16 + 8] = 1; }},
    {"reserved bit in context entry", 0x0b, true, [](Bench& b) { b.context(Bench::device) |= 1 << 4; }},
    {"reserved bit in high half of context entry", 0x0b, true, [](Bench& b) { b.context_high(Bench::device) |= u64{1} << 24; }},
    {"table beyond the host's width", 0x0b, true, [](Bench& b) { b.context(Bench::device) |= u64{1} << 46; }},
    {"frame beyond the host's width", 0x0c, true, [](Bench& b) { b.entry(page, 1) |= u64{1} << 46; }},
    {"page size in a level-4 entry", 0x0c, true, [](Bench& b) { b.entry(page, 4) |= 0x80; }},
    {"misaligned large frame", 0x0c, true, [](Bench& b) { b.entry(page, 2) |= 0x80 | 0x1000; }},
    {"transient mapping without device-TLB", 0x0c, true, [](Bench& b) { b.entry(page, 1) |= u64{1} << 62; }},
    {"translation request", 0x0d, true, [](Bench&) {}, page, false, RequestType::translation},
    {"translated request", 0x0d, true, [](Bench&) {}, page, true, RequestType::translated},
    {"output in the interrupt range", 0x0e, true, [](Bench& b) { b.entry(page, 1) = 0xfee00000 | 3; }},
};

class EveryReason : public testing::TestWithParam<bool> {};

TEST_P(EveryReason, IsReportedFromAValidBaseline) {
    const bool fault_disable = GetParam();
    for (const auto& row : provocations) {
        Bench bench;
        bench.connect(Bench::device, Bench::domain, 2, Bench::second_level, 0, fault_disable);
        bench.entry(page, 1) = 0x9000 | 3;
        bench.start();
        ASSERT_TRUE(bench.unit.translate({.source = Bench::device, .address = page}));
        bench.invalidate_contexts(Granularity::global);
        bench.invalidate_iotlb(Granularity::global);
        row.spoil(bench);

        const auto result = bench.unit.translate({.source = Bench::device, .address = row.address, .write = row.write, .type = row.type});
        EXPECT_EQ(result.status, DmaStatus::blocked) << row.name;
        EXPECT_EQ(static_cast<u8>(result.reason), row.code) << row.name;
        const bool recorded = !fault_disable || !row.qualified;
        EXPECT_EQ(bench.stat("fault_log.recorded"), recorded ? 1U : 0U) << row.name;
        EXPECT_EQ(bench.stat("fault_log.suppressed"), recorded ? 0U : 1U) << row.name;
        EXPECT_EQ(bench.read(0x034), recorded ? 2U : 0U) << row.name;
        if (!recorded) continue;
        EXPECT_EQ(bench.read(frcd, 8), row.address & ~u64{0xfff}) << row.name;
        const u64 wanted = bit(63) | (row.write ? 0 : bit(62)) | static_cast<u64>(row.type) << 60 | u64{row.code} << 32 | Bench::device.value;
        EXPECT_EQ(bench.read(frcd + 8, 8), wanted) << row.name;
    }
}
INSTANTIATE_TEST_SUITE_P(FaultProcessingDisable, EveryReason, testing::Bool());

TEST(EveryReasonTable, IsProvokedHere) {
    for (const auto& row : fault_table)
        EXPECT_TRUE(std::ranges::any_of(provocations, [&](const auto& p) { return p.code == static_cast<u8>(row.reason); })) << row.name;
}

TEST(SecondLevelEntry, ReservesWhatTheUnitDoesNotSupport) {
    for (const bool supported : {true, false}) {
        Bench bench{{.large_2m = supported, .large_1g = supported, .snoop_control = supported}};
        bench.entry(0x40000000, 2) = 0x40000000 | 3 | Bench::large;
        bench.entry(0x80000000, 3) = 0x80000000 | 3 | Bench::large;
        bench.entry(0x5000, 1) = 0x5000 | 3 | bit(11);
        bench.start();
        for (const u64 address : {u64{0x40000000}, u64{0x80000000}, u64{0x5000}}) {
            const auto result = bench.dma(address);
            EXPECT_EQ(static_cast<bool>(result), supported);
            EXPECT_EQ(result.reason, supported ? FaultReason::none : FaultReason::second_level_reserved);
        }
    }
}

struct Faulty : Bench {
    explicit Faulty(unsigned records) : Bench{{.fault_records = records}} { start(); }
    void fault(u64 number) { ASSERT_FALSE(dma(number << 12)); }     // nothing is mapped
    bool recorded(unsigned record) { return read(frcd + record * 16 + 8, 8) >> 63 != 0; }
    void clear(unsigned record) { unit.write_mmio(frcd + record * 16 + 12, 4, 0x80000000); }
};

TEST(FaultRecords, AreFilledInTurnAndOverflow) {
    Faulty bench{3};
    for (u64 i = 0; i < 3; ++i) bench.fault(i + 1);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(bench.read(frcd + 16 * i, 8), u64{i + 1} << 12);
    EXPECT_EQ(bench.read(0x034), 2U);                       // PPF, FRI 0
    bench.fault(4);
    EXPECT_EQ(bench.read(0x034), 3U);                       // and PFO
    EXPECT_EQ(bench.read(frcd, 8), u64{1} << 12);
    bench.clear(0);
    bench.fault(5);                                         // PFO holds everything back
    EXPECT_FALSE(bench.recorded(0));
    bench.unit.write_mmio(0x034, 4, 1);
    EXPECT_EQ(bench.read(0x034), 2U);
    bench.fault(6);
    EXPECT_EQ(bench.read(frcd, 8), u64{6} << 12);
    EXPECT_EQ(bench.stat("fault_log.recorded"), 4U);
    EXPECT_EQ(bench.stat("fault_log.overflowed"), 2U);
}

TEST(FaultRecords, TellTheFirstPendingOne) {
    Faulty bench{4};
    bench.fault(1);
    bench.clear(0);
    EXPECT_EQ(bench.read(0x034), 0U);
    bench.fault(2);
    EXPECT_EQ(bench.read(0x034), 0x102U);                   // FRI 1
    bench.fault(3);
    EXPECT_EQ(bench.read(0x034), 0x102U);
    bench.clear(1);
    EXPECT_EQ(bench.read(0x034) & 2, 2U);                   // record 2 is still pending
    bench.clear(2);
    EXPECT_EQ(bench.read(0x034) & 2, 0U);
}

TEST(FaultEvent, IsSentOncePerBatch) {
    Faulty bench{4};
    bench.unit.write_mmio(0x03c, 4, 0x4041);
    bench.unit.write_mmio(0x040, 8, u64{0x12} << 32 | 0xfee03000);
    bench.unit.write_mmio(0x038, 4, 0);
    bench.fault(1);
    bench.fault(2);
    ASSERT_EQ(bench.messages.size(), 1U);
    EXPECT_EQ(bench.messages[0], (std::pair<u64, u32>{u64{0x12} << 32 | 0xfee03000, 0x4041}));
    EXPECT_EQ(bench.read(0x038), 0U);
    bench.clear(0);
    bench.clear(1);
    bench.fault(3);
    EXPECT_EQ(bench.messages.size(), 2U);
}

TEST(FaultEvent, WaitsWhileMasked) {
    Faulty bench{4};
    bench.fault(1);
    EXPECT_EQ(bench.read(0x038), 0xc0000000U);              // IM and IP
    EXPECT_TRUE(bench.messages.empty());
    bench.unit.write_mmio(0x038, 4, 0);
    EXPECT_EQ(bench.messages.size(), 1U);
    EXPECT_EQ(bench.read(0x038), 0U);
}

TEST(FaultEvent, IsForgottenWhenSoftwareServedTheFaultBefore) {
    Faulty bench{4};
    bench.fault(1);
    bench.clear(0);
    EXPECT_EQ(bench.read(0x038), 0x80000000U);
    bench.unit.write_mmio(0x038, 4, 0);
    EXPECT_TRUE(bench.messages.empty());
}

}  // namespace
}  // namespace vtsim::iommu
