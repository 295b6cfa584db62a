// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "cpu/cpuid.h"
#include "support/core_bench.h"
#include "vmx/capabilities.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
using cpu::CpuidResult;

struct Query {
    cpu::CoreParams params;
    timing::CacheParams caches;
    cpu::CpuidState state{.apic_id = 3, .misc_enable = arch::State{}.misc_enable};
    CpuidResult operator()(u32 leaf, u32 subleaf = 0) const { return cpu::cpuid(params, caches, state, leaf, subleaf); }
};

// One switch moves one bit. SDM vol. 2, tables of feature information.
struct Switch {
    bool cpu::FeatureParams::*feature;
    u32 leaf;
    u32 CpuidResult::*reg;
    unsigned bit;
};
constexpr Switch switches[] = {
    {&cpu::FeatureParams::vmx, 1, &CpuidResult::ecx, 5},           {&cpu::FeatureParams::monitor, 1, &CpuidResult::ecx, 3},
    {&cpu::FeatureParams::cmpxchg16b, 1, &CpuidResult::ecx, 13},   {&cpu::FeatureParams::pcid, 1, &CpuidResult::ecx, 17},
    {&cpu::FeatureParams::x2apic, 1, &CpuidResult::ecx, 21},       {&cpu::FeatureParams::movbe, 1, &CpuidResult::ecx, 22},
    {&cpu::FeatureParams::popcnt, 1, &CpuidResult::ecx, 23},       {&cpu::FeatureParams::tsc_deadline, 1, &CpuidResult::ecx, 24},
    {&cpu::FeatureParams::rdrand, 1, &CpuidResult::ecx, 30},       {&cpu::FeatureParams::mmx, 1, &CpuidResult::edx, 23},
    {&cpu::FeatureParams::fsgsbase, 7, &CpuidResult::ebx, 0},      {&cpu::FeatureParams::bmi1, 7, &CpuidResult::ebx, 3},
    {&cpu::FeatureParams::smep, 7, &CpuidResult::ebx, 7},          {&cpu::FeatureParams::bmi2, 7, &CpuidResult::ebx, 8},
    {&cpu::FeatureParams::invpcid, 7, &CpuidResult::ebx, 10},      {&cpu::FeatureParams::rdseed, 7, &CpuidResult::ebx, 18},
    {&cpu::FeatureParams::adx, 7, &CpuidResult::ebx, 19},          {&cpu::FeatureParams::smap, 7, &CpuidResult::ebx, 20},
    {&cpu::FeatureParams::clflushopt, 7, &CpuidResult::ebx, 23},   {&cpu::FeatureParams::umip, 7, &CpuidResult::ecx, 2},
    {&cpu::FeatureParams::la57, 7, &CpuidResult::ecx, 16},         {&cpu::FeatureParams::rdpid, 7, &CpuidResult::ecx, 22},
    {&cpu::FeatureParams::spec_ctrl, 7, &CpuidResult::edx, 26},    {&cpu::FeatureParams::lzcnt, 0x8000'0001, &CpuidResult::ecx, 5},
    {&cpu::FeatureParams::nx, 0x8000'0001, &CpuidResult::edx, 20}, {&cpu::FeatureParams::pages_1g, 0x8000'0001, &CpuidResult::edx, 26},
    {&cpu::FeatureParams::xsave, 1, &CpuidResult::ecx, 26},        {&cpu::FeatureParams::avx, 1, &CpuidResult::ecx, 28},
    {&cpu::FeatureParams::pku, 7, &CpuidResult::ecx, 3},           {&cpu::FeatureParams::sse3, 1, &CpuidResult::ecx, 0},
    {&cpu::FeatureParams::pclmulqdq, 1, &CpuidResult::ecx, 1},     {&cpu::FeatureParams::ssse3, 1, &CpuidResult::ecx, 9},
    {&cpu::FeatureParams::fma, 1, &CpuidResult::ecx, 12},          {&cpu::FeatureParams::sse4_1, 1, &CpuidResult::ecx, 19},
    {&cpu::FeatureParams::sse4_2, 1, &CpuidResult::ecx, 20},       {&cpu::FeatureParams::aes, 1, &CpuidResult::ecx, 25},
    {&cpu::FeatureParams::f16c, 1, &CpuidResult::ecx, 29},         {&cpu::FeatureParams::avx2, 7, &CpuidResult::ebx, 5},
    {&cpu::FeatureParams::clwb, 7, &CpuidResult::ebx, 24},         {&cpu::FeatureParams::sha, 7, &CpuidResult::ebx, 29},
    {&cpu::FeatureParams::serialize, 7, &CpuidResult::edx, 14},    {&cpu::FeatureParams::vaes, 7, &CpuidResult::ecx, 9},
    {&cpu::FeatureParams::vpclmulqdq, 7, &CpuidResult::ecx, 10},
    {&cpu::FeatureParams::rdtscp, 0x8000'0001, &CpuidResult::edx, 27},  {&cpu::FeatureParams::prefetchw, 0x8000'0001, &CpuidResult::ecx, 8},
};

TEST(Cpuid, EachFeatureIsOneBit) {
    for (const auto& row : switches) {
        Query off, on;
        off.params.features.*row.feature = false;
        on.params.features.*row.feature = true;
        EXPECT_EQ(off(row.leaf).*row.reg ^ on(row.leaf).*row.reg, 1U << row.bit) << row.leaf << "." << row.bit;
        EXPECT_NE(on(row.leaf).*row.reg & 1U << row.bit, 0U);
    }
}

// What the engine does not implement: TSX, performance monitoring.
TEST(Cpuid, DoesNotAdvertiseWhatIsNotThere) {
    const Query query;
    EXPECT_EQ(query(7).ebx & (1U << 4 | 1U << 11), 0U);
    EXPECT_EQ(query(1).ecx & 1U << 15, 0U);
    EXPECT_EQ(query(0xa), CpuidResult{});
}

TEST(Cpuid, NamesVendorSignatureAndBrand) {
    Query query;
    query.params.features.brand = "A name of a processor";
    const auto vendor = query(0);
    char text[49] = {};
    std::memcpy(text, &vendor.ebx, 4);
    std::memcpy(text + 4, &vendor.edx, 4);
    std::memcpy(text + 8, &vendor.ecx, 4);
    EXPECT_STREQ(text, "GenuineIntel");
    EXPECT_EQ(query(1).eax, 0x306d4U);
    for (u32 i = 0; i < 3; ++i) {
        const auto part = query(0x8000'0002 + i);
        std::memcpy(text + 16 * i, &part, 16);
    }
    EXPECT_STREQ(text, "A name of a processor");
    EXPECT_EQ(query(0x8000'0000).eax, 0x8000'0008U);
}

TEST(Cpuid, BeyondTheHighestLeafGivesTheHighestBasicOne) {
    Query query;
    EXPECT_EQ(query(0).eax, 0x14U);
    EXPECT_EQ(query(0x15), CpuidResult{});
    query.params.features.highest_leaf = 0x16;
    EXPECT_EQ(query(0).eax, 0x16U);
    EXPECT_EQ(query(0x4000'0000), query(0x16));
    EXPECT_EQ(query(0xffff'ffff), query(0x16));
    query.state.misc_enable |= cpu::misc_enable::limit_cpuid;
    EXPECT_EQ(query(0).eax, 2U);
}

// SDM vol. 2: size = ways * partitions * line size * sets.
TEST(Cpuid, CacheLeafMultipliesToTheSizes) {
    Query query;
    const u64 sizes[] = {query.caches.l1d.size, query.caches.l1i.size, query.caches.l2.size, query.caches.l3.size};
    const u32 kinds[] = {1U | 1U << 5, 2U | 1U << 5, 3U | 2U << 5, 3U | 3U << 5};
    for (u32 i = 0; i < 4; ++i) {
        const auto leaf = query(4, i);
        EXPECT_EQ(leaf.eax & 0xff, kinds[i]);
        EXPECT_EQ(u64{(leaf.ebx >> 22) + 1} * ((leaf.ebx >> 12 & 0x3ff) + 1) * ((leaf.ebx & 0xfff) + 1) * (u64{leaf.ecx} + 1), sizes[i]);
    }
    EXPECT_EQ(query(4, 4), CpuidResult{});
    EXPECT_EQ(query(0x8000'0006).ecx, 256U << 16 | 6U << 12 | 64U);
}

// The bytes that a Core i7-5600U gives, but for its instruction TLB (B5H there), of which the model keeps Haswell's geometry.
TEST(Cpuid, DescriptorsNameTheTlbsOfTheParameters) {
    const Query query;
    const auto leaf = query(2);
    std::multiset<u8> bytes;
    for (const u32 word : {leaf.eax >> 8, leaf.ebx, leaf.ecx, leaf.edx})
        for (unsigned i = 0; i < 4; ++i)
            if ((word >> 8 * i & 0xff) != 0) bytes.insert(static_cast<u8>(word >> 8 * i));
    EXPECT_EQ(leaf.eax & 0xff, 1U);
    EXPECT_EQ(bytes, (std::multiset<u8>{0x03, 0x63, 0x76, 0xb0, 0xc3, 0xf0, 0xff}));
}

TEST(Cpuid, TopologyHasOneThreadACoreAndTheApicId) {
    Query query;
    query.params.features.logical_processors = 3;
    EXPECT_EQ(query(0xb, 0), (CpuidResult{0, 1, 0x100, 3}));
    EXPECT_EQ(query(0xb, 1), (CpuidResult{2, 3, 0x201, 3}));
    EXPECT_EQ(query(0xb, 2), (CpuidResult{0, 0, 2, 3}));
    EXPECT_EQ(query(1).ebx, 3U << 24 | 4U << 16 | 8U << 8);
    EXPECT_NE(query(1).edx & 1U << 28, 0U);
}

TEST(Cpuid, FrequenciesMultiplyToTheTsc) {
    Query query;
    query.params.features.highest_leaf = 0x16;
    const auto leaf = query(0x15);
    EXPECT_EQ(u64{leaf.ecx} * leaf.ebx / leaf.eax, query.params.core.tsc_hz);
    EXPECT_EQ(leaf.ecx, query.params.apic.timer_hz);
}

TEST(Cpuid, ExtendedStatesHaveTheSizesOfTheManual) {
    Query query;
    query.params.features.avx = false;
    EXPECT_EQ(query(0xd, 0), (CpuidResult{3, 0x240, 0x240, 0}));
    EXPECT_EQ(query(0xd, 1), (CpuidResult{1, 0, 0, 0}));                     // XSAVEOPT
    EXPECT_EQ(query(0xd, 2), CpuidResult{});

    auto& f = query.params.features;
    f.avx = true;
    EXPECT_EQ(query(0xd, 0), (CpuidResult{7, 0x240, 0x340, 0}));             // EBX follows XCR0
    EXPECT_EQ(query(0xd, 2), (CpuidResult{0x100, 0x240, 0, 0}));
    query.state.xcr0 = 7;
    EXPECT_EQ(query(0xd, 0).ebx, 0x340U);
    EXPECT_EQ(query(0xd, 1).ebx, 0U);

    f.xsavec = f.xgetbv1 = f.xsaves = f.pku = true;
    query.state.xcr0 = 0x203;
    EXPECT_EQ(query(0xd, 0), (CpuidResult{0x207, 0xa88, 0xa88, 0}));
    EXPECT_EQ(query(0xd, 1), (CpuidResult{15, 0x248, 0, 0}));
    EXPECT_EQ(query(0xd, 9), (CpuidResult{8, 0xa80, 0, 0}));
    for (const u32 subleaf : {3U, 8U, 10U, 63U, 64U}) EXPECT_EQ(query(0xd, subleaf), CpuidResult{}) << subleaf;

    f.xsave = false;
    EXPECT_EQ(query(0xd, 0), CpuidResult{});
    EXPECT_EQ(query(0xd, 1), CpuidResult{});
}

TEST(Features, OfXsaveNeedXsave) {
    for (auto feature : {&cpu::FeatureParams::xsaveopt, &cpu::FeatureParams::xsavec, &cpu::FeatureParams::xgetbv1, &cpu::FeatureParams::xsaves, &cpu::FeatureParams::avx, &cpu::FeatureParams::pku}) {
        cpu::FeatureParams features;
        features.xsaveopt = false;
        features.*feature = true;
        EXPECT_NO_THROW(features.validate());
        features.xsave = false;
        EXPECT_THROW(features.validate(), ConfigError);
    }
}

TEST(Features, OfAvxNeedAvx) {
    for (auto feature : {&cpu::FeatureParams::f16c, &cpu::FeatureParams::fma, &cpu::FeatureParams::avx2, &cpu::FeatureParams::vaes, &cpu::FeatureParams::vpclmulqdq}) {
        cpu::FeatureParams features;
        features.f16c = features.fma = features.avx2 = features.avx = false;
        EXPECT_NO_THROW(features.validate());
        features.*feature = true;
        EXPECT_THROW(features.validate(), ConfigError);
        features.avx = true;
        EXPECT_NO_THROW(features.validate());
    }
}

TEST(Cpuid, TopologyStandsInLeaf1FTooWhereThereIsOne) {
    Query query;
    query.params.features.logical_processors = 3;
    query.params.features.highest_leaf = 0x1f;
    for (u32 level = 0; level < 3; ++level) EXPECT_EQ(query(0x1f, level), query(0xb, level));
    query.params.features.highest_leaf = 0xd;
    EXPECT_EQ(query(0x1f), query(0xd));
    query.params.features.highest_leaf = 0xc;
    EXPECT_THROW(query.params.features.validate(), ConfigError);
}

TEST(Cpuid, FollowsTheStateThatTheManualNames) {
    Query query;
    query.state.apic_enabled = false;
    EXPECT_EQ(query(1).edx & 1U << 9, 0U);
    query.state.osxsave = true;
    EXPECT_NE(query(1).ecx & 1U << 27, 0U);
    EXPECT_EQ(query(7).ecx & 1U << 4, 0U);
    query.state.ospke = true;
    EXPECT_NE(query(7).ecx & 1U << 4, 0U);
    query.state.misc_enable &= ~cpu::misc_enable::monitor;
    EXPECT_EQ(query(1).ecx & 8U, 0U);
    constexpr u32 syscall = 1U << 11;
    EXPECT_NE(query(0x8000'0001).edx & syscall, 0U);
    query.state.code64 = false;
    EXPECT_EQ(query(0x8000'0001).edx & syscall, 0U);
}

TEST(Cpuid, InstructionClearsTheUpperHalves) {
    Bench bench;
    for (auto reg : {arch::rax, arch::rbx, arch::rcx, arch::rdx}) bench.s().gpr[reg] = 0xffff'ffff'0000'0000;
    ASSERT_EQ(bench.step({0x0f, 0xa2}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], 0x14U);
    EXPECT_EQ(bench.s().gpr[arch::rbx], 0x756e'6547U);
    EXPECT_EQ(bench.s().gpr[arch::rcx], 0x6c65'746eU);
    EXPECT_EQ(bench.s().gpr[arch::rdx], 0x4965'6e69U);
}

TEST(Features, GiveTheProcessorLimitsOfVmx) {
    cpu::CoreParams params;
    params.features.smap = params.features.nx = false;
    params.features.umip = true;
    const auto limits = cpu::processor_limits(params);
    EXPECT_EQ(limits.cr4_supported & (arch::cr4::smap | arch::cr4::umip | arch::cr4::smep), arch::cr4::umip | arch::cr4::smep);
    EXPECT_EQ(limits.efer_supported, 0x501U);
    EXPECT_EQ(limits.linear_address_bits, 48U);
}

}  // namespace
}  // namespace vtsim::test
