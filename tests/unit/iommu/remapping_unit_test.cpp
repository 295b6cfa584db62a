// SPDX-License-Identifier: Apache-2.0
#include "iommu/remapping_unit.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "bench.h"

namespace vtsim::iommu {
namespace {

// Transcribed from VT-d, "Register Descriptions": value after reset and the bits that software sets by writing all ones.
struct Expected {
    u32 offset;
    unsigned width;
    u64 reset;
    u64 settable;
};
constexpr Expected manual[] = {
    {0x000, 4, 0x10, 0},                                    // VER 1.0
    {0x018, 4, 0, 0},                                       // GCMD: write-only
    {0x01c, 4, 0, 0xc0000000},                              // GSTS after GCMD = all ones: TES and RTPS
    {0x020, 8, 0, 0xfffffffffffff000},                      // RTADDR
    {0x034, 4, 0, 0},                                       // FSTS: write 1 to clear
    {0x038, 4, 0x80000000, 0x80000000},                     // FECTL: masked after reset
    {0x03c, 4, 0, 0xffffffff},                              // FEDATA
    {0x040, 4, 0, 0xfffffffc},                              // FEADDR
    {0x044, 4, 0, 0xffffffff},                              // FEUADDR
    {0x064, 4, 0, 0},                                       // PMEN: absent
    {0x080, 8, 0, 0},  {0x088, 8, 0, 0}, {0x090, 8, 0, 0},  // queued invalidation: absent
    {0x0b8, 8, 0, 0},                                       // IRTA: absent
    {0x0f0, 8, 0, 0},                                       // IVA: write-only
    {0x220, 8, 0, 0},  {0x228, 8, 0, 0},                    // FRCD 0
};

TEST(RemappingRegisters, HaveTheirResetValues) {
    Bench bench;
    for (const auto& row : manual) EXPECT_EQ(bench.read(row.offset, row.width), row.reset) << std::hex << row.offset;
}

TEST(RemappingRegisters, KeepExactlyTheirWritableBits) {
    Bench bench;
    for (const auto& row : manual) bench.unit.write_mmio(row.offset, row.width, ~u64{0});
    for (const auto& row : manual) EXPECT_EQ(bench.read(row.offset, row.width), row.settable | (row.offset == 0 ? row.reset : 0)) << std::hex << row.offset;
    bench.unit.reset();
    for (const auto& row : manual) EXPECT_EQ(bench.read(row.offset, row.width), row.reset) << std::hex << row.offset;
}

TEST(Capabilities, SayWhatTheUnitHas) {
    Bench bench{{.host_address_width = 46, .guest_address_width = 48, .max_address_mask = 18, .fault_records = 8}};
    // ND 6, SAGAW 39 and 48, MGAW 47, ZLR, FRO 22H, SLLPS both, PSI, NFR 7, MAMV 18, DWD, DRD
    EXPECT_EQ(bench.read(0x008, 8), 6U | 6U << 8 | 47U << 16 | 1U << 22 | u64{0x22} << 24 | u64{3} << 34 | bit(39) | u64{7} << 40 | u64{18} << 48 | bit(54) | bit(55));
    // C, PT, SC, IRO 0FH; no QI, no IR
    EXPECT_EQ(bench.read(0x010, 8), bit(0) | bit(6) | bit(7) | 0xfU << 8);

    Bench small{{.agaw_48 = false, .large_1g = false, .pass_through = false, .snoop_control = false, .page_selective = false, .fault_records = 1}};
    EXPECT_EQ(small.read(0x008, 8), 6U | 2U << 8 | 47U << 16 | 1U << 22 | u64{0x22} << 24 | u64{1} << 34 | bit(54) | bit(55));
    EXPECT_EQ(small.read(0x010, 8), bit(0) | 0xfU << 8);
}

TEST(RemappingRegisters, CanBeAccessedByHalves) {
    Bench bench;
    bench.unit.write_mmio(0x020, 4, 0x12345000);
    bench.unit.write_mmio(0x024, 4, 0x6);
    EXPECT_EQ(bench.read(0x020, 8), 0x6'12345000U);
    EXPECT_EQ(bench.read(0x024), 6U);
    EXPECT_EQ(bench.read(0x018, 8), 0U);
    bench.unit.write_mmio(0x018, 8, u64{0x40000000});       // GCMD and, ignored, GSTS
    EXPECT_EQ(bench.read(0x018, 8), u64{0x40000000} << 32);
    EXPECT_EQ(bench.read(0x022, 4), 0U);                    // misaligned
    EXPECT_EQ(bench.read(0x020, 2), 0U);
    bench.unit.write_mmio(0x020, 1, 0xff);
    EXPECT_EQ(bench.read(0x020, 8), 0x6'12345000U);
}

TEST(GlobalCommand, LatchesTheRootTable) {
    Bench bench;
    bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
    bench.start();
    EXPECT_EQ(bench.read(0x01c), 0xc0000000U);
    bench.unit.write_mmio(0x020, 8, 0xdead0000);            // without SRTP: no effect
    EXPECT_EQ(bench.dma(0x5004).address.value(), 0x7004U);
}

TEST(Translation, IsTheIdentityUntilEnabled) {
    Bench bench;
    const auto result = bench.dma(0x123456789);
    EXPECT_TRUE(result);
    EXPECT_EQ(result.address.value(), 0x123456789U);
    EXPECT_EQ(bench.stat("bypassed"), 1U);
    bench.start();
    EXPECT_FALSE(bench.dma(0x123456789));
    bench.unit.write_mmio(0x018, 4, 0);
    EXPECT_TRUE(bench.dma(0x123456789));
}

TEST(Translation, LeavesInterruptsAlone) {
    Bench bench;
    bench.start();
    EXPECT_EQ(bench.dma(0xfee01000, true).status, DmaStatus::interrupt);
    const auto read = bench.dma(0xfee01000);
    EXPECT_EQ(read.status, DmaStatus::blocked);
    EXPECT_EQ(read.reason, FaultReason::none);
    EXPECT_EQ(bench.read(0x034), 0U);
}

TEST(Translation, PassesThroughWhatTheContextEntrySaysSo) {
    Bench bench;
    bench.connect(Bench::device, Bench::domain, 2, 0, 2);
    bench.start();
    EXPECT_EQ(bench.dma(0x7fff'12345678, true).address.value(), 0x7fff'12345678U);
    EXPECT_EQ(bench.stat("pass_through"), 1U);
    EXPECT_EQ(bench.stat("walks"), 0U);
}

TEST(Translation, ReadsEachTableOnceWhenCold) {
    for (const unsigned levels : {3U, 4U})
        for (unsigned leaf = 1; leaf <= 3; ++leaf) {
            Bench bench;
            bench.connect(Bench::device, Bench::domain, levels - 2, Bench::second_level);
            bench.entry(0x40201000, leaf, levels) = 0x80000000 | Bench::rw | (leaf > 1 ? Bench::large : 0);
            bench.latency = 10;
            bench.start();
            const auto result = bench.dma(0x40201000);
            ASSERT_TRUE(result);
            EXPECT_EQ(result.page_shift, 12 + 9 * (leaf - 1));
            EXPECT_EQ(result.cycles, 10 * (2 + levels - leaf + 1));        // root, context, and one entry a level
            EXPECT_EQ(bench.stat("references.root"), 1U);
            EXPECT_EQ(bench.stat("references.context"), 1U);
            const char* names[] = {"references.level1", "references.level2", "references.level3", "references.level4"};
            for (unsigned level = 1; level <= 4; ++level) EXPECT_EQ(bench.stat(names[level - 1]), level >= leaf && level <= levels ? 1U : 0U);
            EXPECT_EQ(bench.dma(0x40201ffc).cycles, 0U);                    // context-cache and IOTLB
        }
}

TEST(Translation, AddsTheLatencyOfTheCaches) {
    Bench bench{{.iotlb = {64, 4, 3}, .context_cache = {32, 4, 2}}};
    bench.entry(0x5000, 1) = 0x7000 | Bench::rw;
    bench.latency = 100;
    bench.start();
    EXPECT_EQ(bench.dma(0x5000).cycles, 5U + 600);
    EXPECT_EQ(bench.dma(0x5000).cycles, 5U);
    EXPECT_EQ(bench.stat("cycles"), 610U);
}

TEST(Translation, AllowsAZeroLengthReadWithAnyPermission) {
    Bench bench;
    bench.entry(0x5000, 1) = 0x7000 | Bench::w;
    bench.start();
    EXPECT_TRUE(bench.dma(0x5000, false, Bench::device, 0));
    EXPECT_EQ(bench.dma(0x5000).reason, FaultReason::no_read);
}

TEST(Parameters, AreRefusedWithTheirKey) {
    const auto message = [](const RemappingUnitParams& params) {
        try {
            params.validate();
        } catch (const ConfigError& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    EXPECT_NE(message({.host_address_width = 60}).find("iommu.host_address_width"), std::string::npos);
    EXPECT_NE(message({.fault_records = 0}).find("iommu.fault_records"), std::string::npos);
    EXPECT_NE(message({.agaw_39 = false, .agaw_48 = false}).find("iommu.agaw_48"), std::string::npos);
    EXPECT_NE(message({.iotlb = {64, 5, 0}}).find("iommu.iotlb.ways"), std::string::npos);
    EXPECT_NE(message({.iotlb = {48, 4, 0}}).find("iommu.iotlb.entries"), std::string::npos);
    EXPECT_EQ(message({}), "");
}

}  // namespace
}  // namespace vtsim::iommu
