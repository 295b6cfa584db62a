// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpuid.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "apic/local_apic.h"
#include "cpu/core.h"
#include "cpu/state_components.h"

namespace vtsim::cpu {
namespace {

struct Context {
    const CoreParams& params;
    const FeatureParams& features;
    const timing::CacheParams& caches;
    const CpuidState& state;
    u32 subleaf;
};

constexpr u32 flag(unsigned number, bool set) { return u32{set} << number; }

u32 highest_basic_leaf(const Context& c) {
    if ((c.state.misc_enable & misc_enable::limit_cpuid) != 0) return 2;
    return c.features.highest_leaf;
}
constexpr u32 highest_extended_leaf = 0x8000'0008;

u32 logical_processors(const Context& c) { return std::max(1U, c.features.logical_processors); }

// Bits of an APIC ID that number the logical processors of a package.
unsigned package_shift(const Context& c) { return static_cast<unsigned>(std::bit_width(logical_processors(c) - 1)); }

CpuidResult vendor(const Context& c) { return {highest_basic_leaf(c), 0x756e6547, 0x6c65746e, 0x49656e69}; }       // GenuineIntel

u32 features_ecx(const Context& c) {
    const auto& f = c.features;
    return flag(0, f.sse3) | flag(1, f.pclmulqdq) | flag(3, f.monitor && (c.state.misc_enable & misc_enable::monitor) != 0) | flag(5, f.vmx) | flag(9, f.ssse3) |
           flag(12, f.fma) | flag(13, f.cmpxchg16b) | flag(17, f.pcid) | flag(19, f.sse4_1) | flag(20, f.sse4_2) |
           flag(21, f.x2apic && c.params.apic.x2apic) | flag(22, f.movbe) | flag(23, f.popcnt) | flag(24, f.tsc_deadline && c.params.apic.tsc_deadline) |
           flag(25, f.aes) | flag(26, f.xsave) | flag(27, c.state.osxsave) | flag(28, f.avx) | flag(29, f.f16c) | flag(30, f.rdrand);
}

u32 features_edx(const Context& c) {
    enum Bit : u32 {
        fpu = 1U << 0, vme = 1U << 1, de = 1U << 2, pse = 1U << 3, tsc = 1U << 4, msr = 1U << 5, pae = 1U << 6, mce = 1U << 7, cx8 = 1U << 8, sep = 1U << 11, mtrr = 1U << 12,
        pge = 1U << 13, mca = 1U << 14, cmov = 1U << 15, pat = 1U << 16, pse36 = 1U << 17, clfsh = 1U << 19, fxsr = 1U << 24, sse = 1U << 25, sse2 = 1U << 26, self_snoop = 1U << 27,
    };
    constexpr u32 always = fpu | vme | de | pse | tsc | msr | pae | mce | cx8 | sep | mtrr | pge | mca | cmov | pat | pse36 | clfsh | fxsr | sse | sse2 | self_snoop;
    return always | flag(9, c.state.apic_enabled) | flag(23, c.features.mmx) | flag(28, logical_processors(c) > 1);
}

CpuidResult version(const Context& c) {
    constexpr u32 clflush_units = 8;                 // of 8 bytes
    return {c.features.signature, clflush_units << 8 | (1U << package_shift(c)) << 16 | c.state.apic_id << 24, features_ecx(c), features_edx(c)};
}

// Leaf 2 names geometries by number; those that no descriptor names are left out. SDM vol. 2, table "Encoding of CPUID Leaf 2 Descriptors". Two numbers also stand for
// what the processors that report them were measured to have: B5H for 128 entries in 8 ways (Haswell to Skylake), C3H for 12 ways (Skylake).
struct TlbDescriptor {
    u8 number;
    bool (*matches)(const mmu::MmuParams&);
};

constexpr bool is(const tlb::BankParams& bank, unsigned entries, unsigned ways) { return bank.entries == entries && bank.ways == ways; }

constexpr TlbDescriptor tlb_descriptors[] = {
    {0x63, [](const mmu::MmuParams& m) { return is(m.dtlb.pages_2m, 32, 4) && is(m.dtlb.pages_1g, 4, 4); }},
    {0x03, [](const mmu::MmuParams& m) { return is(m.dtlb.pages_4k, 64, 4); }},
    {0x76, [](const mmu::MmuParams& m) { return is(m.itlb.pages_2m, 8, 8); }},
    {0xb0, [](const mmu::MmuParams& m) { return is(m.itlb.pages_4k, 128, 4); }},
    {0xb5, [](const mmu::MmuParams& m) { return is(m.itlb.pages_4k, 64, 8) || is(m.itlb.pages_4k, 128, 8); }},
    {0xc1, [](const mmu::MmuParams& m) { return m.stlb.shared_2m && is(m.stlb.pages_4k, 1024, 8); }},
    {0xc3, [](const mmu::MmuParams& m) { return m.stlb.shared_2m && (is(m.stlb.pages_4k, 1536, 6) || is(m.stlb.pages_4k, 1536, 12)) && is(m.stlb.pages_1g, 16, 4); }},
};

CpuidResult descriptors(const Context& c) {
    u8 bytes[16] = {0x01, 0xff, 0xf0};               // one query suffices; caches: see leaf 4; 64-byte prefetching
    std::size_t at = 3;
    for (const auto& row : tlb_descriptors)
        if (row.matches(c.params.mmu)) bytes[at++] = row.number;
    CpuidResult result;
    std::memcpy(&result, bytes, sizeof bytes);
    return result;
}

CpuidResult cache_parameters(const Context& c) {
    struct Level {
        const timing::CacheLevelParams& cache;
        u32 type, level;                             // 1 data, 2 instruction, 3 unified
        bool shared, inclusive;
    };
    const Level levels[] = {{c.caches.l1d, 1, 1, false, false}, {c.caches.l1i, 2, 1, false, false}, {c.caches.l2, 3, 2, false, false}, {c.caches.l3, 3, 3, true, c.caches.l3_inclusive}};
    if (c.subleaf >= std::size(levels)) return {};
    const auto& l = levels[c.subleaf];
    const u32 identifiers = 1U << package_shift(c);
    constexpr u32 self_initializing = 1U << 8, line_bytes = 1U << timing::line_log2;
    return {l.type | l.level << 5 | self_initializing | (l.shared ? identifiers - 1 : 0) << 14 | std::min(identifiers - 1, 63U) << 26,
            (line_bytes - 1) | (l.cache.ways - 1) << 22, static_cast<u32>(l.cache.sets() - 1), flag(1, l.inclusive)};
}

// No C-states for MWAIT: an operating system that asks takes HLT instead, which sleeps.
CpuidResult monitor(const Context& c) {
    if (!c.features.monitor) return {};
    return {64, 64, 3, 0};
}

CpuidResult power(const Context&) { return {flag(2, true), 0, 0, 0}; }             // the APIC timer always runs

CpuidResult structured_features(const Context& c) {
    if (c.subleaf != 0) return {};
    const auto& f = c.features;
    constexpr u32 tsc_adjust = 1U << 1, enhanced_rep_movsb = 1U << 9, no_fpu_segments = 1U << 13;
    return {0,
            flag(0, f.fsgsbase) | tsc_adjust | flag(3, f.bmi1) | flag(5, f.avx2) | flag(7, f.smep) | flag(8, f.bmi2) | enhanced_rep_movsb | flag(10, f.invpcid) | no_fpu_segments | flag(18, f.rdseed) |
                flag(19, f.adx) | flag(20, f.smap) | flag(23, f.clflushopt) | flag(24, f.clwb) | flag(29, f.sha),
            flag(2, f.umip) | flag(3, f.pku) | flag(4, c.state.ospke) | flag(9, f.vaes) | flag(10, f.vpclmulqdq) | flag(16, f.la57) | flag(22, f.rdpid), flag(14, f.serialize) | flag(26, f.spec_ctrl)};
}

// One thread a core: level 0 numbers threads, level 1 cores.
CpuidResult topology(const Context& c) {
    const u32 id = c.state.apic_id, level = c.subleaf & 0xff;
    if (c.subleaf == 0) return {0, 1, 1U << 8 | level, id};
    if (c.subleaf == 1) return {package_shift(c), logical_processors(c), 2U << 8 | level, id};
    return {0, 0, level, id};
}

// SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features". There are no supervisor state components.
CpuidResult extended_states(const Context& c) {
    const auto& f = c.features;
    const u64 supported = xcr0_supported(f);
    if (supported == 0) return {};
    if (c.subleaf == 0) return {static_cast<u32>(supported), standard_area_size(c.state.xcr0), standard_area_size(supported), static_cast<u32>(supported >> 32)};
    if (c.subleaf == 1) {
        const u32 size = f.xsavec || f.xsaves ? compacted_area_size(c.state.xcr0 | c.state.xss) : 0;
        return {flag(0, f.xsaveopt) | flag(1, f.xsavec) | flag(2, f.xgetbv1) | flag(3, f.xsaves), size, 0, 0};
    }
    for (const auto& component : extended_components)
        if (component.number == c.subleaf && f.*component.exists) return {component.size, component.offset, 0, 0};
    return {};
}

// The crystal that the ratio refers to clocks the APIC timer.
CpuidResult tsc_frequency(const Context& c) {
    const u64 crystal = c.params.apic.timer_hz, tsc = c.params.core.tsc_hz;
    const u64 divisor = std::gcd(crystal, tsc);
    return {static_cast<u32>(crystal / divisor), static_cast<u32>(tsc / divisor), static_cast<u32>(crystal), 0};
}

CpuidResult processor_frequency(const Context& c) {
    const u32 mhz = static_cast<u32>(c.params.core.frequency_hz / 1'000'000);
    return {mhz, mhz, 100, 0};
}

// SYSCALL is there in 64-bit mode only, and CPUID says so.
CpuidResult extended_features(const Context& c) {
    const auto& f = c.features;
    constexpr u32 lahf_in_64_bit_mode = 1U << 0, long_mode = 1U << 29;
    return {0, 0, lahf_in_64_bit_mode | flag(5, f.lzcnt) | flag(8, f.prefetchw),
            flag(11, c.state.code64) | flag(20, f.nx && (c.state.misc_enable & misc_enable::xd_disable) == 0) | flag(26, f.pages_1g && c.params.mmu.pages_1g) |
                flag(27, f.rdtscp) | long_mode};
}

CpuidResult brand(const Context& c, u32 part) {
    char text[48] = {};
    std::memcpy(text, c.features.brand.data(), std::min(c.features.brand.size(), sizeof text - 1));
    CpuidResult result;
    std::memcpy(&result, text + std::size_t{part} * 16, 16);
    return result;
}

CpuidResult l2_cache(const Context& c) {
    const auto& l2 = c.caches.l2;
    // Associativity as a code: 6 is 8 ways, 15 fully associative.
    const u32 code = l2.sets() == 1 ? 15 : l2.ways >= 128 ? 14 : l2.ways >= 96 ? 13 : l2.ways >= 64 ? 12 : l2.ways >= 48 ? 11 : l2.ways >= 32 ? 10 : l2.ways >= 16 ? 8
                     : l2.ways >= 8 ? 6 : l2.ways >= 4 ? 4 : l2.ways;
    return {0, 0, static_cast<u32>(l2.size / KiB) << 16 | code << 12 | 1U << timing::line_log2, 0};
}

CpuidResult address_sizes(const Context& c) { return {c.params.mmu.physical_address_bits | (c.features.la57 ? 57U : 48U) << 8, 0, 0, 0}; }

CpuidResult leaf_of(const Context& c, u32 leaf) {
    switch (leaf) {
        case 0: return vendor(c);
        case 1: return version(c);
        case 2: return descriptors(c);
        case 4: return cache_parameters(c);
        case 5: return monitor(c);
        case 6: return power(c);
        case 7: return structured_features(c);
        case 0xa: return {};                         // architectural performance monitoring: version 0, none
        case 0xb: case 0x1f: return topology(c);
        case 0xd: return extended_states(c);
        case 0x15: return tsc_frequency(c);
        case 0x16: return processor_frequency(c);
        case 0x8000'0000: return {highest_extended_leaf, 0, 0, 0};
        case 0x8000'0001: return extended_features(c);
        case 0x8000'0002: case 0x8000'0003: case 0x8000'0004: return brand(c, leaf - 0x8000'0002);
        case 0x8000'0006: return l2_cache(c);
        case 0x8000'0007: return {0, 0, 0, flag(8, true)};       // invariant TSC
        case 0x8000'0008: return address_sizes(c);
        default: return {};
    }
}

}  // namespace

CpuidResult cpuid(const CoreParams& params, const timing::CacheParams& caches, const CpuidState& state, u32 leaf, u32 subleaf) {
    const Context context{params, params.features, caches, state, subleaf};
    // Beyond the highest leaf: the data of the highest basic one.
    const u32 highest = highest_basic_leaf(context);
    if (leaf < 0x8000'0000 ? leaf > highest : leaf > highest_extended_leaf) leaf = highest;
    return leaf_of(context, leaf);
}

CpuidResult cpuid(Core& core, u32 leaf, u32 subleaf) {
    const CpuidState state{.apic_id = core.apic->id(),
                           .apic_enabled = core.apic->enabled(),
                           .osxsave = (core.s.cr4 & arch::cr4::osxsave) != 0,
                           .misc_enable = core.s.misc_enable,
                           .ospke = (core.s.cr4 & arch::cr4::pke) != 0,
                           .xcr0 = core.s.xcr0,
                           .xss = core.s.xss,
                           .code64 = core.code64()};
    return cpuid(core.params, core.port.hierarchy().params(), state, leaf, subleaf);
}

}  // namespace vtsim::cpu
