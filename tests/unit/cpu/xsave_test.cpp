// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;

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

}  // namespace
}  // namespace vtsim::test
