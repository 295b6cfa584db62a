// SPDX-License-Identifier: Apache-2.0
// The presets against dumps of the processors that they name.
#include <gtest/gtest.h>
#include <vtsim/config.h>

#include <set>

#include "cpu/cpuid.h"
#include "platform/config_access.h"
#include "platform/machine_access.h"
#include "vmx/capabilities.h"

namespace vtsim {
namespace {

using platform::ConfigAccess;

cpu::CpuidResult cpuid(const Config& config, u32 leaf, u32 subleaf = 0) {
    const auto& params = ConfigAccess::params(config);
    return cpu::cpuid(params.core_params(), params.cache, {.misc_enable = arch::State{}.misc_enable}, leaf, subleaf);
}

TEST(Presets, AllHalvesGoTogether) {
    const auto names = preset_names();
    for (const auto& features : names.features) {
        for (const auto& timing : names.timing) {
            const auto config = Config::preset(features + ':' + timing);
            EXPECT_NO_THROW(config.validate()) << features << ':' << timing;
            EXPECT_NO_THROW(Machine{config}) << features << ':' << timing;
        }
    }
}

// Leaves 1 and 2 of a Core i7-4770 and a Core i7-7800X (Bochs processor database) and of a Core i7-5600U (VirtualBox).
TEST(Presets, NameTheirProcessorsAndTlbsAsTheProcessorsDo) {
    struct Dump {
        const char* preset;
        u32 signature, leaf2[4];
    };
    constexpr Dump dumps[] = {
        {"haswell", 0x306c3, {0x7603'6301, 0x00f0'b5ff, 0, 0x00c1'0000}},
        {"broadwell", 0x306d4, {0x7603'6301, 0x00f0'b5ff, 0, 0x00c3'0000}},
        {"skylake-sp", 0x50654, {0x7603'6301, 0x00f0'b5ff, 0, 0x00c3'0000}},
    };
    const auto bytes_of = [](const u32* words) {
        std::multiset<u32> bytes;
        for (unsigned i = 1; i < 16; ++i)
            if (const u32 byte = words[i / 4] >> 8 * (i % 4) & 0xff; byte != 0) bytes.insert(byte);
        return bytes;
    };
    for (const auto& dump : dumps) {
        const auto config = Config::preset(dump.preset);
        EXPECT_EQ(cpuid(config, 1).eax, dump.signature) << dump.preset;
        const auto leaf = cpuid(config, 2);
        const u32 words[] = {leaf.eax, leaf.ebx, leaf.ecx, leaf.edx};
        EXPECT_EQ(bytes_of(words), bytes_of(dump.leaf2)) << dump.preset;
    }
}

// Every word of feature bits is the processor's but for what the engine has not, bit by bit. Sources: the Core i7-4770 (haswell) and the Xeon Gold 6154 (skylake-sp) of the
// InstLatx64 collection (GenuineIntel00306C3_Haswell_CPUID.txt, GenuineIntel0050654_SkylakeXeon_CPUID.txt), the Core i7-5600U (broadwell) of VirtualBox' CPU profiles.
TEST(Presets, HaveTheFeatureBitsOfTheProcessors) {
    // Leaf 1, ECX: debug store, SMX, Enhanced SpeedStep, thermal monitor 2, silicon debug, xTPR, PDCM, DCA; bit 27 is CR4's.
    constexpr u32 c1 = 1U << 2 | 1U << 4 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 11 | 1U << 14 | 1U << 15 | 1U << 18 | 1U << 27;
    // Leaf 1, EDX: debug store, ACPI clock, thermal monitor, pending-break enable; bit 28 depends on the number of processors.
    constexpr u32 d1 = 1U << 21 | 1U << 22 | 1U << 29 | 1U << 31 | 1U << 28;
    // Leaf 7, EBX: HLE, x87 data pointer at exceptions only, RTM, resource monitoring, MPX, resource allocation, AVX-512, Processor Trace.
    constexpr u32 b7 = 1U << 4 | 1U << 6 | 1U << 11 | 1U << 12 | 1U << 14 | 1U << 15 | 1U << 16 | 1U << 17 | 1U << 25 | 1U << 28 | 1U << 30 | 1U << 31;
    constexpr u32 mpx_avx512 = 0xf8;
    using R = cpu::CpuidResult;
    struct Word {
        const char* preset;
        u32 leaf, subleaf;
        u32 R::*reg;
        u32 processor, absent;
    };
    constexpr Word words[] = {
        {"haswell", 1, 0, &R::ecx, 0x7ffa'fbff, c1},    {"broadwell", 1, 0, &R::ecx, 0x7ffa'fbff, c1},    {"skylake-sp", 1, 0, &R::ecx, 0x7ffe'fbff, c1},
        {"haswell", 1, 0, &R::edx, 0xbfeb'fbff, d1},    {"broadwell", 1, 0, &R::edx, 0xbfeb'fbff, d1},    {"skylake-sp", 1, 0, &R::edx, 0xbfeb'fbff, d1},
        {"haswell", 7, 0, &R::ebx, 0x0000'27ab, b7},    {"broadwell", 7, 0, &R::ebx, 0x021c'2fbb, b7},    {"skylake-sp", 7, 0, &R::ebx, 0xd39f'fffb, b7},
        {"haswell", 7, 0, &R::ecx, 0, 0},               {"broadwell", 7, 0, &R::ecx, 0, 0},               {"skylake-sp", 7, 0, &R::ecx, 8, 0},
        {"haswell", 7, 0, &R::edx, 0, 0},               {"broadwell", 7, 0, &R::edx, 0, 0},               {"skylake-sp", 7, 0, &R::edx, 0, 0},
        {"haswell", 0xd, 0, &R::eax, 7, 0},             {"broadwell", 0xd, 0, &R::eax, 7, 0},             {"skylake-sp", 0xd, 0, &R::eax, 0x2ff, mpx_avx512},
        {"haswell", 0xd, 1, &R::eax, 1, 0},             {"broadwell", 0xd, 1, &R::eax, 1, 0},             {"skylake-sp", 0xd, 1, &R::eax, 15, 0},
        {"haswell", 0xd, 2, &R::eax, 0x100, 0},         {"broadwell", 0xd, 2, &R::eax, 0x100, 0},         {"skylake-sp", 0xd, 2, &R::eax, 0x100, 0},
        {"haswell", 0xd, 2, &R::ebx, 0x240, 0},         {"broadwell", 0xd, 2, &R::ebx, 0x240, 0},         {"skylake-sp", 0xd, 2, &R::ebx, 0x240, 0},
        {"haswell", 0, 0, &R::eax, 0xd, 0},             {"broadwell", 0, 0, &R::eax, 0x14, 0},            {"skylake-sp", 0, 0, &R::eax, 0x16, 0},
        {"haswell", 0x80000001, 0, &R::ecx, 0x21, 0},   {"broadwell", 0x80000001, 0, &R::ecx, 0x121, 0},  {"skylake-sp", 0x80000001, 0, &R::ecx, 0x121, 0},
        {"haswell", 0x80000001, 0, &R::edx, 0x2c10'0800, 0}, {"broadwell", 0x80000001, 0, &R::edx, 0x2c10'0800, 0}, {"skylake-sp", 0x80000001, 0, &R::edx, 0x2c10'0800, 0},
        {"haswell", 0x80000007, 0, &R::edx, 0x100, 0},  {"broadwell", 0x80000007, 0, &R::edx, 0x100, 0},  {"skylake-sp", 0x80000007, 0, &R::edx, 0x100, 0},
        {"haswell", 0x80000008, 0, &R::eax, 0x3027, 0}, {"broadwell", 0x80000008, 0, &R::eax, 0x3027, 0}, {"skylake-sp", 0x80000008, 0, &R::eax, 0x302e, 0},
    };
    for (const auto& word : words)
        EXPECT_EQ(cpuid(Config::preset(word.preset), word.leaf, word.subleaf).*word.reg, word.processor & ~word.absent) << word.preset << std::hex << ' ' << word.leaf << '.' << word.subleaf;
}

// Leaf 4: EBX and ECX (ways, sets) of the same processors; the third level of skylake-sp is that of 16 cores, not 6.
TEST(Presets, DescribeTheirCachesAsTheProcessorsDo) {
    struct Level {
        const char* preset;
        u32 subleaf, ebx, ecx, edx;
    };
    constexpr Level levels[] = {
        {"haswell", 0, 0x01c0'003f, 0x3f, 0},      {"haswell", 1, 0x01c0'003f, 0x3f, 0},      {"haswell", 2, 0x01c0'003f, 0x1ff, 0},      {"haswell", 3, 0x03c0'003f, 0x1fff, 2},
        {"broadwell", 0, 0x01c0'003f, 0x3f, 0},    {"broadwell", 1, 0x01c0'003f, 0x3f, 0},    {"broadwell", 2, 0x01c0'003f, 0x1ff, 0},    {"broadwell", 3, 0x02c0'003f, 0x1fff, 2},
        {"skylake-sp", 0, 0x01c0'003f, 0x3f, 0},   {"skylake-sp", 1, 0x01c0'003f, 0x3f, 0},   {"skylake-sp", 2, 0x03c0'003f, 0x3ff, 0},   {"skylake-sp", 3, 0x0280'003f, 0x7fff, 0},
    };
    for (const auto& level : levels) {
        const auto config = Config::preset(level.preset);
        const auto leaf = cpuid(config, 4, level.subleaf);
        EXPECT_EQ(leaf.ebx, level.ebx) << level.preset << ' ' << level.subleaf;
        EXPECT_EQ(leaf.ecx, level.ecx) << level.preset << ' ' << level.subleaf;
        EXPECT_EQ(leaf.edx, level.edx) << level.preset << ' ' << level.subleaf << ": without complex indexing, which the model has not";
    }
}

// The model reports nothing in a capability MSR that the processor does not have.
TEST(Presets, HaveNoVmxCapabilityBeyondTheProcessors) {
    struct Dump {
        const char* preset;
        u64 pin, primary, secondary, exit, entry, misc, ept_vpid;
    };
    constexpr Dump dumps[] = {
        {"broadwell", 0x7f'0000'0016, 0xfff9'fffe'0401'e172, 0x5'7cff'0000'0000, 0x7f'ffff'0003'6dff, 0xffff'0000'11ff, 0x3004'81e5, 0xf01'0633'4141},
        {"skylake-sp", 0xff'0000'0016, 0xfff9'fffe'0401'e172, 0x25d'3fff'0000'0000, 0x1ff'ffff'0003'6dff, 0x3'ffff'0000'11ff, 0x7004'c1e7, 0xf01'0673'4141},
    };
    for (const auto& dump : dumps) {
        const auto config = Config::preset(dump.preset);
        const auto& params = ConfigAccess::params(config);
        const vmx::Capabilities capabilities{params.vmx, cpu::processor_limits(params.core_params())};
        const std::pair<u32, u64> words[] = {{0x481, dump.pin}, {0x482, dump.primary}, {0x48b, dump.secondary}, {0x483, dump.exit}, {0x484, dump.entry}};
        for (const auto& [msr, value] : words) {
            EXPECT_EQ(*capabilities.msr(msr) >> 32 & ~(value >> 32), 0U) << dump.preset << std::hex << ' ' << msr;
            EXPECT_EQ(*capabilities.msr(msr) & 0xffff'ffff, value & 0xffff'ffff) << dump.preset << std::hex << ' ' << msr;
        }
        constexpr u64 compared = 0x1f | u64{0x1ff} << 16 | u64{3} << 29;        // timer shift, CR3 targets, VMWRITE to all fields, injection with length 0
        EXPECT_EQ(*capabilities.msr(0x485) & compared, dump.misc & compared) << dump.preset;
        EXPECT_EQ(*capabilities.msr(0x48c) & ~dump.ept_vpid, 0U) << dump.preset;
    }
}

TEST(Presets, GrowFromGenerationToGeneration) {
    const auto haswell = Config::preset("haswell"), broadwell = Config::preset("broadwell"), skylake = Config::preset("skylake-sp");
    constexpr u32 adx_smap_rdseed = 1U << 18 | 1U << 19 | 1U << 20, clflushopt_clwb = 3U << 23, prefetchw = 1U << 8;
    EXPECT_EQ(cpuid(haswell, 7).ebx ^ cpuid(broadwell, 7).ebx, adx_smap_rdseed);
    EXPECT_EQ(cpuid(broadwell, 7).ebx ^ cpuid(skylake, 7).ebx, clflushopt_clwb);
    EXPECT_EQ(cpuid(haswell, 0x8000'0001).ecx ^ cpuid(broadwell, 0x8000'0001).ecx, prefetchw);
    EXPECT_EQ(cpuid(haswell, 0x8000'0008).eax & 0xff, 39U);
    EXPECT_EQ(cpuid(skylake, 0x8000'0008).eax & 0xff, 46U);
}

}  // namespace
}  // namespace vtsim
