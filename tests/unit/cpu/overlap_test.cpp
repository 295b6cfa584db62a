// SPDX-License-Identifier: Apache-2.0
// Timing mode: misses of instructions that do not depend on each other overlap, whichever way the engine executes them.
#include <gtest/gtest.h>

#include <vector>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

constexpr unsigned lines = 6;          // so few that the code of all fits into one line

// Cycles of accesses to lines that are in no cache, one after another, then LFENCE, which waits for them, and HLT.
u64 cycles_of(const std::vector<u8>& access, u8 modrm_step) {
    CoreBench bench{CodeMode::long64, every_feature_params()};
    auto& s = bench.s();
    s.cr4 |= arch::cr4::osfxsr | arch::cr4::osxsave;
    s.xcr0 = 7;
    s.gpr[arch::rbx] = 0x100'0000;
    bench.core.set_mode(cpu::Mode::timing);
    u64 at = CoreBench::code;
    for (unsigned i = 0; i < lines; ++i) {
        for (const u8 byte : access) bench.poke<u8>(at++, byte);
        bench.poke<u8>(at++, static_cast<u8>(0x83 + (i & 3) * modrm_step));          // register i mod 4, [rbx + disp32]
        bench.poke<u32>(at, i * 64);
        at += 4;
    }
    for (const int byte : {0x0f, 0xae, 0xe8, 0xf4}) bench.poke<u8>(at++, static_cast<u8>(byte));
    s.rip = CoreBench::code;
    bench.core.state_changed();
    for (unsigned activations = 0; !bench.core.halted && activations < 100; ++activations) {
        bench.core.begin_activation(true);
        bench.core.execute(bench.core.cycles() + 1'000'000);
    }
    EXPECT_TRUE(bench.core.halted);
    return bench.core.cycles();
}

TEST(Misses, OfVectorLoadsOverlapAsThoseOfGeneralOnes) {
    const u64 none = cycles_of({0x48, 0x8d}, 8);                                    // LEA: the same code without an access
    const u64 general = cycles_of({0x48, 0x8b}, 8) - none;                          // MOV r64, [rbx + n]
    struct Form {
        const char* name;
        std::vector<u8> bytes;
    };
    const Form forms[] = {
        {"movups", {0x0f, 0x10}}, {"paddd", {0x66, 0x0f, 0xfe}}, {"vmovdqu ymm", {0xc5, 0xfe, 0x6f}}, {"movq mm", {0x0f, 0x6f}}, {"movups store", {0x0f, 0x11}},
    };
    for (const auto& form : forms) {
        const u64 cycles = cycles_of(form.bytes, 8) - none;
        EXPECT_LT(cycles, general * 3 / 2) << form.name << ": " << cycles << " and " << general << " cycles";
    }
}

}  // namespace
}  // namespace vtsim::test
