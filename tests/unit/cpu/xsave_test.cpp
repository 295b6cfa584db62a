// SPDX-License-Identifier: Apache-2.0
#include <cpuid.h>
#include <gtest/gtest.h>

#include <random>

#include "cpu/events/events.h"
#include "cpu/exec/xsave.h"
#include "support/guest_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int ud = 6, nm = 7, gp = 13, pf = 14;
constexpr u64 x87 = 1, sse = 2, avx = 4, pkru = 1U << 9, compacted = u64{1} << 63;

struct Opcode {
    const char* name;
    u8 byte, reg;          // 0F byte /reg
};
constexpr Opcode xsave{"XSAVE", 0xae, 4}, xrstor{"XRSTOR", 0xae, 5}, xsaveopt{"XSAVEOPT", 0xae, 6}, xsavec{"XSAVEC", 0xc7, 4}, xsaves{"XSAVES", 0xc7, 5}, xrstors{"XRSTORS", 0xc7, 3};
constexpr Opcode family[] = {xsave, xrstor, xsaveopt, xsavec, xsaves, xrstors};

template <class Base>
struct XsaveBench : Base {
    template <class... Arguments>
    explicit XsaveBench(Arguments&&... arguments) : Base{std::forward<Arguments>(arguments)...} {
        auto& s = this->s();
        s.cr4 |= arch::cr4::osxsave | arch::cr4::osfxsr;
        s.xcr0 = x87 | sse | avx;
        s.gpr[arch::rbx] = Base::data;
        this->core.state_changed();
    }
    void mask(u64 components) {
        this->s().gpr[arch::rax] = static_cast<u32>(components);
        this->s().gpr[arch::rdx] = components >> 32;
    }
    CoreBench::Result run(const Opcode& opcode, u64 components, bool wide = true) {
        mask(components);
        const int modrm = opcode.reg << 3 | 3;
        return wide ? this->step({0x48, 0x0f, opcode.byte, modrm}) : this->step({0x0f, opcode.byte, modrm});
    }
    void fill(u8 value, u64 bytes = 4096) {
        for (u64 i = 0; i < bytes; ++i) this->template poke<u8>(Base::data + i, value);
    }
    void header(u64 xstate_bv, u64 xcomp_bv) {
        for (u64 i = 512; i < 576; i += 8) this->template poke<u64>(Base::data + i, 0);
        this->template poke<u64>(Base::data + 512, xstate_bv);
        this->template poke<u64>(Base::data + 520, xcomp_bv);
    }
};
// With everything that XSAVE manages; the area is at `data`, in RBX.
struct CoreXsaveBench : XsaveBench<CoreBench> {
    explicit CoreXsaveBench(CodeMode mode = CodeMode::long64, const cpu::CoreParams& params = every_feature_params()) : XsaveBench{mode, params} {}
};

// ---- enabling ---------------------------------------------------------------------------------------------------------------------

// SDM vol. 2, "Instruction Exception Specification": #UD for instructions with a VEX prefix on vector registers.
TEST(AvxEnabling, NeedsOsxsaveBothStatesInXcr0AndProtectedMode) {
    const auto disabled = [](CodeMode mode, u64 cr4, u64 xcr0, u64 rflags = 0) {
        Bench bench{mode};
        bench.s().cr4 |= cr4;
        bench.s().xcr0 = xcr0;
        bench.s().rflags |= rflags;
        bench.core.state_changed();
        return bench.core.decode_mode.avx_disabled;
    };
    constexpr u64 osxsave = arch::cr4::osxsave;
    EXPECT_FALSE(disabled(CodeMode::long64, osxsave, 7));
    EXPECT_FALSE(disabled(CodeMode::compatibility, osxsave, 7));
    EXPECT_FALSE(disabled(CodeMode::protected32, osxsave, 7));
    EXPECT_TRUE(disabled(CodeMode::long64, 0, 7));
    EXPECT_TRUE(disabled(CodeMode::long64, osxsave, 1));
    EXPECT_TRUE(disabled(CodeMode::long64, osxsave, 3));
    EXPECT_TRUE(disabled(CodeMode::long64, osxsave, 5));
    EXPECT_TRUE(disabled(CodeMode::real, osxsave, 7));
    EXPECT_TRUE(disabled(CodeMode::protected32, osxsave, 7, arch::rflags::vm));
}

// Blocks that were decoded with AVX enabled must not be found without it.
TEST(AvxEnabling, IsPartOfTheKeyOfABlock) {
    Bench bench;
    bench.s().cr4 |= arch::cr4::osxsave;
    bench.s().xcr0 = 7;
    bench.core.state_changed();
    const u64 enabled = bench.core.mode_bits;
    bench.s().xcr0 = 3;
    bench.core.state_changed();
    EXPECT_NE(bench.core.mode_bits, enabled);
}

// VXORPS YMM0, YMM1, YMM2.
TEST(AvxEnabling, DecidesBetweenExecutionAndUndefined) {
    const auto execute = [](CoreXsaveBench& bench) { return bench.step({0xc5, 0xf4, 0x57, 0xc2}).vector; };
    CoreXsaveBench bench;
    bench.s().vector[1].q[3] = 6;
    bench.s().vector[2].q[3] = 3;
    EXPECT_EQ(execute(bench), Bench::none);
    EXPECT_EQ(bench.s().vector[0].q[3], 5U);
    bench.s().cr0 |= arch::cr0::ts;
    EXPECT_EQ(execute(bench), nm);
    bench.s().xcr0 = x87 | sse;                                   // #UD comes first
    EXPECT_EQ(execute(bench), ud);
    bench.s().xcr0 = x87 | sse | avx;
    bench.s().cr0 = (bench.s().cr0 & ~arch::cr0::ts) | arch::cr0::em;
    EXPECT_EQ(execute(bench), Bench::none);                       // EM is of no interest to it
    bench.s().cr4 &= ~arch::cr4::osxsave;
    EXPECT_EQ(execute(bench), ud);
}

TEST(Xsave, IsUndefinedWithoutOsxsave) {
    for (const auto& opcode : family) {
        CoreXsaveBench bench;
        bench.s().cr4 &= ~arch::cr4::osxsave;
        bench.s().cr0 |= arch::cr0::ts;                         // #UD comes first
        EXPECT_EQ(bench.run(opcode, 7).vector, ud) << opcode.name;
    }
}

TEST(Xsave, FaultsWithTaskSwitchedMisalignmentAndLock) {
    for (const auto& opcode : family) {
        CoreXsaveBench bench;
        bench.header(0, opcode.reg == xrstors.reg ? compacted : 0);
        EXPECT_EQ(bench.run(opcode, 7).vector, Bench::none) << opcode.name;
        EXPECT_EQ(bench.step({0xf0, 0x0f, opcode.byte, opcode.reg << 3 | 3}).vector, ud) << opcode.name;
        bench.s().gpr[arch::rbx] += 32;
        EXPECT_EQ(bench.run(opcode, 7).vector, gp) << opcode.name;
        bench.s().cr0 |= arch::cr0::ts;                         // before the address is looked at
        EXPECT_EQ(bench.run(opcode, 7).vector, nm) << opcode.name;
    }
}

TEST(Xsave, OfSupervisorStateNeedsRingZero) {
    for (const auto& opcode : family) {
        CoreXsaveBench bench;
        bench.header(0, opcode.reg == xrstors.reg ? compacted : 0);
        bench.set_cpl(3);
        const bool supervisor = opcode.byte == 0xc7 && opcode.reg != xsavec.reg;
        EXPECT_EQ(bench.run(opcode, 7).vector, supervisor ? gp : Bench::none) << opcode.name;
    }
}

struct Xcr0Rule {
    const char* name;
    u32 ecx;
    u64 value;
    bool avx, pku;
    int vector;
};
constexpr Xcr0Rule xcr0_rules[] = {
    {"x87", 0, 1, false, false, Bench::none},
    {"x87 and SSE", 0, 3, false, false, Bench::none},
    {"without x87", 0, 2, false, false, gp},
    {"nothing", 0, 0, false, false, gp},
    {"AVX, which there is not", 0, 7, false, false, gp},
    {"AVX", 0, 7, true, false, Bench::none},
    {"AVX without SSE", 0, 5, true, false, gp},
    {"PKRU, which there is not", 0, 0x203, true, false, gp},
    {"PKRU", 0, 0x203, false, true, Bench::none},
    {"a reserved bit", 0, 0x103, true, true, gp},
    {"bit 63", 0, u64{1} << 63 | 3, true, true, gp},
    {"XCR1", 1, 3, true, true, gp},
};

TEST(Xsetbv, WritesWhatIsThere) {
    for (const auto& rule : xcr0_rules) {
        auto params = every_feature_params();
        params.features.avx = rule.avx;
        params.features.pku = rule.pku;
        CoreXsaveBench bench{CodeMode::long64, params};
        bench.s().xcr0 = x87;
        bench.s().gpr[arch::rcx] = rule.ecx;
        bench.mask(rule.value);
        EXPECT_EQ(bench.step({0x0f, 0x01, 0xd1}).vector, rule.vector) << rule.name;
        EXPECT_EQ(bench.s().xcr0, rule.vector == Bench::none ? rule.value : x87) << rule.name;
        EXPECT_EQ(bench.core.decode_mode.avx_disabled, rule.value != 7 || rule.vector != Bench::none) << rule.name;
    }
    CoreXsaveBench bench;
    bench.s().gpr[arch::rcx] = 0;
    bench.set_cpl(3);
    bench.mask(3);
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xd1}).vector, gp);
}

// SDM vol. 1, "Processor Tracking of XSAVE-Managed State": bit 1 is also set when MXCSR is not 1F80H.
TEST(Xgetbv, TellsXcr0AndWhatIsInUse) {
    CoreXsaveBench bench;
    const auto read = [&](u64 number) {
        bench.s().gpr[arch::rcx] = number;
        bench.s().gpr[arch::rax] = bench.s().gpr[arch::rdx] = ~u64{0};
        EXPECT_EQ(bench.step({0x0f, 0x01, 0xd0}).vector, Bench::none);
        return bench.s().gpr[arch::rdx] << 32 | bench.s().gpr[arch::rax];
    };
    EXPECT_EQ(read(0), 7U);
    EXPECT_EQ(read(1), 0U);
    bench.s().mxcsr = 0x1fa0;
    EXPECT_EQ(read(1), sse);
    bench.s().mxcsr = 0x1f80;
    bench.s().x87.reg[7][9] = 0x80;
    EXPECT_EQ(read(1), x87);
    bench.s().x87 = {};
    bench.s().x87.opcode = 1;
    EXPECT_EQ(read(1), x87);
    bench.s().vector[14].q[1] = 1;
    bench.s().vector[15].q[2] = 1;
    EXPECT_EQ(read(1), 7U);
    bench.s().xcr0 = x87 | sse;
    EXPECT_EQ(read(1), x87 | sse);
    bench.s().gpr[arch::rcx] = 2;
    EXPECT_EQ(bench.step({0x0f, 0x01, 0xd0}).vector, gp);

    auto params = every_feature_params();
    params.features.xgetbv1 = false;
    CoreXsaveBench without{CodeMode::long64, params};
    without.s().gpr[arch::rcx] = 1;
    EXPECT_EQ(without.step({0x0f, 0x01, 0xd0}).vector, gp);
}

// ---- the host as oracle ---------------------------------------------------------------------------------------------------------------
//
// The instructions that need no privilege are executed on the host with the same states and areas. Not compared: FOP, FIP and FDP (bytes 6 to 23), which AMD processors
// move only with an unmasked exception pending, and MXCSR_MASK (28 to 31), a property of the processor. XSAVES and XRSTORS are privileged: they have rules below.
// The images mark initial components as such, so that processors that track what is in use agree with those that compute it. An interrupt between the instructions lets the
// host's kernel save and restore the state; after that a component may count as used though it is in its initial configuration, which the SDM allows: then it is done again.

constexpr u32 area_bytes = 576 + 256;
struct alignas(64) Area {
    u8 bytes[area_bytes];
    void set(u32 offset, const void* from, u32 size) { std::memcpy(bytes + offset, from, size); }
    [[nodiscard]] u64 word(u32 offset) const {
        u64 value;
        std::memcpy(&value, bytes + offset, sizeof value);
        return value;
    }
};

struct HostFeatures {
    bool xsave = false, xsaveopt = false, xsavec = false, avx = false;
    HostFeatures() {
        u32 a = 0, b = 0, c = 0, d = 0;
        if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return;
        xsave = true;
        u32 low = 0, high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        avx = (low & 7) == 7;
        __get_cpuid_count(0xd, 1, &a, &b, &c, &d);
        xsaveopt = (a & 1) != 0;
        xsavec = (a & 2) != 0;
    }
};

// Loads `first` completely, then executes the middle instruction on `second` with `mask`, then saves everything with XSAVE into `after`. What the test program itself has in
// its registers comes back at the end.
#define VTSIM_ON_HOST(instruction)                                                                                                                        \
    asm volatile(                                                                                                                                         \
        "mov $7, %%eax; xor %%edx, %%edx; xsave64 %[own]\n\t xrstor64 %[first]\n\t mov %[mask], %%eax\n\t" instruction " %[second]\n\t"                    \
        "mov $7, %%eax; xsave64 %[after]; xrstor64 %[own]"                                                                                                \
        : [own] "+m"(own), [second] "+m"(second), [after] "+m"(after)                                                                                     \
        : [first] "m"(first), [mask] "r"(components)                                                                                                      \
        : "rax", "rdx", "memory")

void on_host_once(const Opcode& opcode, const Area& first, Area& second, Area& after, u32 components) {
    Area own{};
    if (opcode.byte == 0xc7) VTSIM_ON_HOST("xsavec64");
    else if (opcode.reg == xsave.reg) VTSIM_ON_HOST("xsave64");
    else if (opcode.reg == xrstor.reg) VTSIM_ON_HOST("xrstor64");
    else VTSIM_ON_HOST("xsaveopt64");
}

// False: the host never finds just the components of `used` in use at the end, because it does not track that.
bool on_host(const Opcode& opcode, const Area& first, Area& second, Area& after, u32 components, u64 used) {
    const Area before = second;
    for (int attempts = 0; attempts < 1000; ++attempts) {
        second = before;
        after = {};
        on_host_once(opcode, first, second, after, components);
        if (after.word(512) == used) return true;
    }
    return false;
}

void on_engine(const Opcode& opcode, const Area& first, Area& second, Area& after, u32 components) {
    CoreXsaveBench bench;
    const auto put = [&](const Area& area) {
        for (u32 i = 0; i < area_bytes; ++i) bench.poke<u8>(Bench::data + i, area.bytes[i]);
    };
    const auto get = [&](Area& area) {
        for (u32 i = 0; i < area_bytes; ++i) area.bytes[i] = bench.peek<u8>(Bench::data + i);
    };
    put(first);
    ASSERT_EQ(bench.run(xrstor, 7).vector, Bench::none);
    put(second);
    ASSERT_EQ(bench.run(opcode, components).vector, Bench::none);
    get(second);
    put(after);
    ASSERT_EQ(bench.run(xsave, 7).vector, Bench::none);
    get(after);
}

void forget_what_differs(Area& area) {
    std::memset(area.bytes + 6, 0, 18);
    std::memset(area.bytes + 28, 0, 4);
}

// A state with the components of `used` not in their initial configuration.
Area state_image(std::mt19937_64& random, u64 used, u32 mxcsr) {
    Area area{};
    const u64 xstate_bv = used;
    area.set(512, &xstate_bv, 8);
    area.set(24, &mxcsr, 4);
    const auto fill = [&](u32 offset, u32 bytes) {
        for (u32 i = 0; i < bytes; ++i) area.bytes[offset + i] = static_cast<u8>(random());
    };
    if ((used & x87) != 0) {
        const u16 control = 0x37f, status = static_cast<u16>(random() & 0x7f3f);        // exceptions are masked: ES and B stay clear
        area.set(0, &control, 2);
        area.set(2, &status, 2);
        fill(4, 1);
        for (u32 i = 0; i < 8; ++i) fill(32 + 16 * i, 10);
    }
    if ((used & sse) != 0) fill(160, 256);
    if ((used & avx) != 0) fill(576, 256);
    return area;
}

TEST(Xsave, WritesWhatTheHostsInstructionsWrite) {
    const HostFeatures host;
    if (!host.avx) GTEST_SKIP() << "the host has no AVX";
    std::mt19937_64 random{1};
    for (const auto& opcode : {xsave, xsaveopt, xsavec}) {
        if ((opcode.reg == xsaveopt.reg && !host.xsaveopt) || (opcode.byte == xsavec.byte && !host.xsavec)) continue;
        for (u64 used = 0; used < 8; ++used)
            for (u32 components = 0; components < 8; ++components)
                for (const u32 mxcsr : {0x1f80U, 0x1fa0U}) {
                    const Area first = state_image(random, used, mxcsr);
                    Area there, here, there_after{}, here_after{};
                    std::memset(&there, 0xcc, sizeof there);
                    here = there;
                    if (!on_host(opcode, first, there, there_after, components, used)) GTEST_SKIP() << "the host does not track which components are in use";
                    on_engine(opcode, first, here, here_after, components);
                    for (Area* area : {&there, &here, &there_after, &here_after}) forget_what_differs(*area);
                    for (u32 i = 0; i < area_bytes; ++i)
                        ASSERT_EQ(here.bytes[i], there.bytes[i]) << opcode.name << " in use " << used << " mask " << components << " MXCSR " << std::hex << mxcsr << " byte " << std::dec << i;
                    ASSERT_EQ(std::memcmp(&here_after, &there_after, sizeof here_after), 0) << opcode.name << " changes the state";
                }
    }
}

TEST(Xrstor, LoadsWhatTheHostsInstructionLoads) {
    const HostFeatures host;
    if (!host.avx) GTEST_SKIP() << "the host has no AVX";
    std::mt19937_64 random{2};
    for (const bool compact : {false, true}) {
        if (compact && !host.xsavec) continue;
        for (u64 xstate_bv = 0; xstate_bv < 8; ++xstate_bv)
            for (u32 components = 0; components < 8; ++components)
                for (const u64 room : {u64{7}, xstate_bv}) {
                    const Area first = state_image(random, 7, 0x1fa0);
                    Area second = state_image(random, 7, 0x1fc0);
                    const u64 header[] = {xstate_bv, compact ? compacted | room : 0};
                    second.set(512, header, sizeof header);
                    Area there = second, here = second, there_after{}, here_after{};
                    const u64 used = (7 & ~u64{components}) | (xstate_bv & components);
                    if (!on_host(xrstor, first, there, there_after, components, used)) GTEST_SKIP() << "the host does not track which components are in use";
                    on_engine(xrstor, first, here, here_after, components);
                    forget_what_differs(there_after);
                    forget_what_differs(here_after);
                    for (u32 i = 0; i < area_bytes; ++i)
                        ASSERT_EQ(here_after.bytes[i], there_after.bytes[i]) << (compact ? "compacted" : "standard") << " XSTATE_BV " << xstate_bv << " mask " << components << " byte " << i;
                    EXPECT_EQ(std::memcmp(&here, &second, sizeof here), 0);
                }
    }
}

// ---- rules ------------------------------------------------------------------------------------------------------------------------------

struct HeaderRule {
    const char* name;
    u64 xstate_bv, xcomp_bv;
    u32 byte;              // of the header that is 1
    int xrstor, xrstors;
};
constexpr HeaderRule header_rules[] = {
    {"standard", 7, 0, 0, Bench::none, gp},
    {"standard, a component beyond XCR0", 0x203, 0, 0, gp, gp},
    {"standard, byte 16", 7, 0, 16, gp, gp},
    {"standard, byte 23", 7, 0, 23, gp, gp},
    {"standard, byte 24, which is not looked at", 7, 0, 24, Bench::none, gp},
    {"standard, XCOMP_BV without bit 63", 7, 7, 0, gp, gp},
    {"compacted", 7, compacted | 7, 0, Bench::none, Bench::none},
    {"compacted, less than there is room for", 1, compacted | 7, 0, Bench::none, Bench::none},
    {"compacted, more than there is room for", 7, compacted | 3, 0, gp, gp},
    {"compacted, bit 63 of XSTATE_BV", compacted | 7, compacted | 7, 0, gp, gp},
    {"compacted, room beyond XCR0", 7, compacted | 0x207, 0, gp, gp},
    {"compacted, byte 16", 7, compacted | 7, 16, gp, gp},
    {"compacted, byte 24", 7, compacted | 7, 24, gp, gp},
    {"compacted, byte 63", 7, compacted | 7, 63, gp, gp},
};

TEST(Xrstor, ChecksTheHeaderAndAFaultChangesNothing) {
    for (const auto& rule : header_rules)
        for (const auto& [opcode, vector] : {std::pair{xrstor, rule.xrstor}, {xrstors, rule.xrstors}}) {
            CoreXsaveBench bench;
            bench.header(rule.xstate_bv, rule.xcomp_bv);
            if (rule.byte != 0) bench.poke<u8>(Bench::data + 512 + rule.byte, 1);
            bench.poke<u32>(Bench::data + 24, 0x1f80);
            bench.s().vector[3].q[0] = 77;
            const auto result = bench.run(opcode, 7);
            EXPECT_EQ(result.vector, vector) << opcode.name << ": " << rule.name;
            EXPECT_EQ(result.error_code, 0U);
            if (vector == gp) {
                EXPECT_EQ(bench.s().vector[3].q[0], 77U) << opcode.name << ": " << rule.name;
            }
        }
}

TEST(Xrstor, HasNoCompactedFormWithoutXsavec) {
    auto params = every_feature_params();
    params.features.xsavec = false;
    CoreXsaveBench bench{CodeMode::long64, params};
    bench.header(1, compacted | 1);
    EXPECT_EQ(bench.run(xrstor, 1).vector, gp);
}

TEST(Xrstor, RefusesReservedBitsOfMxcsrWhereItLoadsIt) {
    CoreXsaveBench bench;
    bench.poke<u32>(Bench::data + 24, 0x1'1f80);
    bench.header(0, 0);
    EXPECT_EQ(bench.run(xrstor, x87).vector, Bench::none);
    EXPECT_EQ(bench.run(xrstor, sse).vector, gp);
    EXPECT_EQ(bench.run(xrstor, avx).vector, gp);
    bench.header(0, compacted);
    EXPECT_EQ(bench.run(xrstor, sse | avx).vector, Bench::none);
    bench.header(sse, compacted | sse);
    EXPECT_EQ(bench.run(xrstor, avx).vector, Bench::none);
    EXPECT_EQ(bench.run(xrstor, sse).vector, gp);
}

TEST(Xsave, MovesEightRegistersOutsideSixtyFourBitMode) {
    CoreXsaveBench bench{CodeMode::protected32};
    for (auto& vector : bench.s().vector) vector.q[0] = vector.q[2] = 0x77;
    bench.fill(0);
    ASSERT_EQ(bench.run(xsave, 7, false).vector, Bench::none);
    for (const u64 region : {160, 576}) {
        EXPECT_EQ(bench.peek<u64>(Bench::data + region + 7 * 16), 0x77U);
        EXPECT_EQ(bench.peek<u64>(Bench::data + region + 8 * 16), 0U);
    }
    bench.header(0, 0);
    ASSERT_EQ(bench.run(xrstor, 7, false).vector, Bench::none);
    EXPECT_EQ(bench.s().vector[7].q[0] | bench.s().vector[7].q[2], 0U);
    EXPECT_EQ(bench.s().vector[8].q[0] & bench.s().vector[8].q[2], 0x77U);
    EXPECT_EQ(cpu::exec::state_in_use(bench.core), 0U);        // the others are not looked at
}

TEST(Xsave, SixtyFourBitFormsMoveWholePointers) {
    for (const bool wide : {true, false}) {
        CoreXsaveBench bench;
        bench.s().x87.instruction_pointer = 0x1234'5678'9abc;
        bench.s().x87.data_pointer = 0x4321'8765'cba9;
        bench.s().x87.opcode = 0x123;
        bench.fill(0);
        ASSERT_EQ(bench.run(xsave, x87, wide).vector, Bench::none);
        EXPECT_EQ(bench.peek<u64>(Bench::data + 8), wide ? 0x1234'5678'9abc : 0x5678'9abcU);
        EXPECT_EQ(bench.peek<u64>(Bench::data + 16), wide ? 0x4321'8765'cba9 : 0x8765'cba9U);
        EXPECT_EQ(bench.peek<u16>(Bench::data + 6), 0x123U);
        bench.s().x87 = {};
        bench.poke<u64>(Bench::data + 8, 0x1234'5678'9abc);
        ASSERT_EQ(bench.run(xrstor, x87, wide).vector, Bench::none);
        EXPECT_EQ(bench.s().x87.instruction_pointer, wide ? 0x1234'5678'9abc : 0x5678'9abcU);
    }
}

// The area begins in a page that is there and ends in one that is not. SDM vol. 1, "Memory Accesses by the XSAVE Feature Set".
TEST(Xsave, FaultsInTheSecondPageAndGoesOnAfterwards) {
    for (const auto& opcode : {xsave, xrstor}) {
        CoreXsaveBench bench;
        constexpr u64 area = 0x20'0000 - 640, second = 0x20'0000;              // in the extended region
        const u64 entry = bench.peek<u64>(Bench::tables + 0x2008);
        bench.poke<u64>(Bench::tables + 0x2008, 0);
        bench.s().gpr[arch::rbx] = area;
        bench.poke<u64>(area + 512, avx | x87);
        bench.poke<u64>(area + 32, 5);
        bench.s().vector[15].q[3] = 9;
        ASSERT_EQ(bench.run(opcode, 7).vector, pf) << opcode.name;
        EXPECT_EQ(bench.s().cr2, second) << opcode.name;
        EXPECT_EQ(bench.s().x87.reg[0][0], 0U);
        EXPECT_EQ(bench.s().vector[15].q[3], 9U);
        bench.poke<u64>(Bench::tables + 0x2008, entry);
        ASSERT_EQ(bench.run(opcode, 7).vector, Bench::none) << opcode.name;
        const u64 stored = bench.peek<u64>(area + 576 + 15 * 16 + 8), loaded = bench.s().vector[15].q[3];
        EXPECT_EQ(stored, opcode.reg == xsave.reg ? 9U : 0U) << opcode.name;
        EXPECT_EQ(loaded, stored) << opcode.name;
    }
}

TEST(Xsaves, SavesAndRestoresInTheCompactedFormat) {
    CoreXsaveBench bench;
    bench.s().xcr0 |= pkru;
    bench.s().pkru = 0x5555'5550;
    bench.s().vector[1].q[1] = 11;
    bench.s().vector[2].q[3] = 22;
    const auto before = bench.s();
    bench.fill(0xcc);
    bench.header(0, 0);
    ASSERT_EQ(bench.run(xsaves, ~u64{0}).vector, Bench::none);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 512), sse | avx | pkru);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 520), compacted | 7 | pkru);
    EXPECT_EQ(bench.peek<u8>(Bench::data), 0xccU);                             // x87 is in its initial configuration
    EXPECT_EQ(bench.peek<u64>(Bench::data + 576 + 2 * 16 + 8), 22U);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 576 + 256), 0x5555'5550U);
    bench.s().vector = {};
    bench.s().pkru = 0;
    bench.s().x87.status = 0x3800;
    ASSERT_EQ(bench.run(xrstors, ~u64{0}).vector, Bench::none);
    EXPECT_EQ(std::memcmp(&bench.s().vector, &before.vector, sizeof before.vector), 0);
    EXPECT_EQ(bench.s().pkru, before.pkru);
    EXPECT_EQ(bench.s().x87.status, 0U);
}

// Without a component of the extended region its successors move up in the compacted format only.
TEST(Xsave, PlacesPkruByFormat) {
    CoreXsaveBench bench;
    bench.s().xcr0 |= pkru;
    bench.s().pkru = 0x1234;
    bench.fill(0);
    ASSERT_EQ(bench.run(xsave, pkru).vector, Bench::none);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 2688), 0x1234U);
    ASSERT_EQ(bench.run(xsavec, pkru).vector, Bench::none);
    EXPECT_EQ(bench.peek<u64>(Bench::data + 576), 0x1234U);
    ASSERT_EQ(bench.run(xsavec, pkru | avx).vector, Bench::none);              // room for what is asked for, in use or not
    EXPECT_EQ(bench.peek<u64>(Bench::data + 832), 0x1234U);
    bench.poke<u32>(Bench::data + 576, 0x5678);
    for (const auto& [room, expected] : {std::pair{pkru, 0x5678U}, {pkru | avx, 0x1234U}}) {
        bench.header(pkru, compacted | room);
        ASSERT_EQ(bench.run(xrstor, pkru).vector, Bench::none);
        EXPECT_EQ(bench.s().pkru, expected);
    }
}

// ---- protection keys ----------------------------------------------------------------------------------------------------------------------

TEST(ProtectionKeys, AreReadAndWrittenWithPke) {
    CoreXsaveBench bench;
    const auto rdpkru = [&] { return bench.step({0x0f, 0x01, 0xee}).vector; };
    const auto wrpkru = [&] { return bench.step({0x0f, 0x01, 0xef}).vector; };
    auto& gpr = bench.s().gpr;
    gpr[arch::rcx] = gpr[arch::rdx] = 0;
    EXPECT_EQ(rdpkru(), ud);
    EXPECT_EQ(wrpkru(), ud);
    bench.s().cr4 |= arch::cr4::pke;
    gpr[arch::rax] = 0xffff'ffff'1234'5678;
    EXPECT_EQ(wrpkru(), Bench::none);
    gpr[arch::rax] = gpr[arch::rdx] = ~u64{0};
    EXPECT_EQ(wrpkru(), gp);
    EXPECT_EQ(rdpkru(), Bench::none);
    EXPECT_EQ(gpr[arch::rax], 0x1234'5678U);
    EXPECT_EQ(gpr[arch::rdx], 0U);
    gpr[arch::rcx] = 1;
    EXPECT_EQ(rdpkru(), gp);
    EXPECT_EQ(wrpkru(), gp);
}

// User pages with key 0: PKRU[0] denies data accesses of every privilege, not fetches. Two instructions in a row, nothing between them: the first one denies, the second one
// loads. The first 2 MiB, with the code, get key 1, so that they stay accessible. SDM vol. 3, "Protection Keys".
TEST(ProtectionKeys, DecideFromTheNextInstructionOn) {
    const std::vector<int> wrpkru{0x0f, 0x01, 0xef}, restore{0x0f, 0xae, 0x2b};          // XRSTOR [RBX]
    for (const auto& first : {wrpkru, restore}) {
        CoreXsaveBench bench;
        bench.poke<u64>(Bench::tables + 0x2000, bench.peek<u64>(Bench::tables + 0x2000) | u64{1} << 59);
        bench.s().xcr0 |= pkru;
        bench.s().cr4 |= arch::cr4::pke;
        bench.header(pkru, 0);
        bench.poke<u32>(Bench::data + 2688, 1);
        bench.s().gpr[arch::rsi] = 0x20'0000;
        bench.s().gpr[arch::rcx] = 0;
        ASSERT_EQ(bench.step({0x48, 0x8b, 0x3e}).vector, Bench::none);                      // MOV RDI, [RSI]
        bench.mask(first == wrpkru ? 1 : u64{pkru});
        u64 at = Bench::code;
        for (const int byte : first) bench.poke<u8>(at++, static_cast<u8>(byte));
        for (const int byte : {0x48, 0x8b, 0x3e}) bench.poke<u8>(at++, static_cast<u8>(byte));
        bench.s().rip = Bench::code;
        bench.core.state_changed();
        bench.core.set_instruction_limit(bench.core.instructions() + 2);                    // the first one, and the HLT of the handler of the other one's #PF
        bench.core.begin_activation(false);
        while (bench.core.execute(bench.core.cycles() + 1'000'000) == cpu::Stop::resync) bench.core.begin_activation(true);
        EXPECT_EQ(bench.s().pkru, 1U);
        EXPECT_EQ(bench.s().rip, Bench::handlers + pf * 16 + 1);
        EXPECT_EQ(bench.s().cr2, 0x20'0000U);
        EXPECT_EQ(bench.peek<u32>(bench.s().gpr[arch::rsp]), arch::pf_error::present | arch::pf_error::protection_key);
    }
}

// ---- VMX non-root operation -----------------------------------------------------------------------------------------------------------------

cpu::CoreParams vmx_features() {
    auto params = every_feature_params();
    params.vmx.xsaves = true;
    return params;
}

struct GuestXsaveBench : XsaveBench<GuestBench> {
    explicit GuestXsaveBench(const Controls& controls) : XsaveBench{controls, vmx_features()} {}
    // Gives the guest this XSS-exiting bitmap: by way of a VM exit and another entry.
    void set_xss_bitmap(u64 bitmap) {
        step({0x0f, 0xa2});
        ASSERT_TRUE(exited());
        write(0x202c, bitmap);
        cpu::events::vm_entry(core, false);
        ASSERT_FALSE(exited()) << core.vmx->last_failed_text();
        s().gpr[arch::rbx] = data;
    }
};
constexpr u32 enable_xsaves = 1U << 20;

TEST(XsaveExits, XsetbvExitsAfterTheChecksOfEnablingAndPrivilege) {
    GuestXsaveBench bench{GuestBench::Controls{}};
    bench.s().gpr[arch::rcx] = 5;                                             // operands are the VMM's business
    bench.step({0x0f, 0x01, 0xd1});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.exit_reason(), 55U);
    EXPECT_EQ(bench.instruction_length(), 3U);

    GuestXsaveBench user{GuestBench::Controls{}};
    user.set_cpl(3);
    EXPECT_EQ(user.step({0x0f, 0x01, 0xd1}).vector, gp);
    EXPECT_FALSE(user.exited());
    GuestXsaveBench without{GuestBench::Controls{}};
    without.s().cr4 &= ~arch::cr4::osxsave;
    EXPECT_EQ(without.step({0x0f, 0x01, 0xd1}).vector, ud);
    EXPECT_FALSE(without.exited());
}

TEST(XsaveExits, XsavesIsUndefinedWithoutItsControl) {
    for (const auto& opcode : {xsaves, xrstors}) {
        GuestXsaveBench bench{GuestBench::Controls{}};
        bench.header(0, compacted);
        EXPECT_EQ(bench.run(opcode, 7).vector, ud) << opcode.name;
        EXPECT_FALSE(bench.exited());
        GuestXsaveBench with{GuestBench::Controls{.secondary = enable_xsaves}};
        with.header(0, compacted);
        EXPECT_EQ(with.run(opcode, 7).vector, Bench::none) << opcode.name;
        EXPECT_FALSE(with.exited());
    }
}

// Exits when a component is asked for that IA32_XSS and the XSS-exiting bitmap both have. The model has no such component: the test sets bit 8 by hand.
TEST(XsaveExits, XsavesExitsByTheXssExitingBitmap) {
    struct Case {
        u64 asked, xss, bitmap;
        bool exits;
    };
    constexpr Case cases[] = {{0x107, 0x100, 0x100, true}, {0x007, 0x100, 0x100, false}, {0x107, 0, 0x100, false}, {0x107, 0x100, 0x207, false}};
    for (const auto& row : cases)
        for (const auto& opcode : {xsaves, xrstors}) {
            GuestXsaveBench bench{GuestBench::Controls{.secondary = enable_xsaves}};
            bench.set_xss_bitmap(row.bitmap);
            bench.header(0, compacted);
            bench.s().xss = row.xss;
            bench.mask(row.asked);
            bench.step({0x48, 0x0f, opcode.byte, 0x40 | opcode.reg << 3 | 3, 0x40});          // [RBX + 40H]
            ASSERT_EQ(bench.exited(), row.exits) << opcode.name;
            if (!row.exits) continue;
            EXPECT_EQ(bench.exit_reason(), opcode.reg == xsaves.reg ? 63U : 64U);
            EXPECT_EQ(bench.qualification(), 0x40U);
            EXPECT_EQ(bench.instruction_length(), 5U);
            // Format D: address size 64 bits, segment DS, no index, base RBX.
            EXPECT_EQ(bench.instruction_information(), 2U << 7 | 3U << 15 | 1U << 22 | u64{arch::rbx} << 23);
        }
}

TEST(XsaveExits, OfXsavesComeAfterThePrivilegeCheck) {
    GuestXsaveBench bench{GuestBench::Controls{.secondary = enable_xsaves}};
    bench.set_xss_bitmap(0x100);
    bench.s().xss = 0x100;
    bench.set_cpl(3);
    EXPECT_EQ(bench.run(xsaves, 0x100).vector, gp);
    EXPECT_FALSE(bench.exited());
}

}  // namespace
}  // namespace vtsim::test
