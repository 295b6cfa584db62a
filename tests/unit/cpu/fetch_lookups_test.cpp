// SPDX-License-Identifier: Apache-2.0
// The instruction TLB is looked up as often with the filters in front of it as without, wherever the run is interrupted.
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

u64 lookups(bool filters, cpu::Mode mode, u64 grant) {
    cpu::CoreParams params;
    params.mmu.filters = filters;
    CoreBench bench{CodeMode::long64, params};
    // A call into another page, a return by an indirect branch, and a jump back in the same page.
    u64 at = CoreBench::code;
    for (const int byte : {0xe8, 0xfb, 0x0f, 0x00, 0x00, 0xff, 0xc0, 0xeb, 0xf7}) bench.poke<u8>(at++, static_cast<u8>(byte));     // call code + 0x1000; inc eax; jmp code
    at = CoreBench::code + 0x1000;
    for (const int byte : {0xff, 0xc1, 0xc3}) bench.poke<u8>(at++, static_cast<u8>(byte));                                         // inc ecx; ret
    bench.s().rip = CoreBench::code;
    bench.core.set_mode(mode);
    bench.core.state_changed();
    constexpr u64 instructions = 600;
    while (bench.core.instructions() < instructions) {
        bench.core.set_instruction_limit(bench.core.instructions() + grant);
        bench.core.begin_activation(true);
        bench.core.execute(bench.core.cycles() + 1'000'000);
    }
    EXPECT_EQ(bench.core.instructions(), instructions);
    const auto* const stat = bench.root.find("cpu0.mmu.itlb.lookups");
    return stat == nullptr ? 0 : std::get<u64>(stat->value());
}

TEST(FetchLookups, AreTheSameWithoutFilters) {
    for (const cpu::Mode mode : {cpu::Mode::warm, cpu::Mode::timing})
        for (const u64 grant : std::initializer_list<u64>{600, 300, 100, 50, 30, 24, 20, 12, 8, 6, 5, 4, 3, 2, 1}) {
            EXPECT_EQ(lookups(true, mode, grant), lookups(false, mode, grant)) << "grants of " << grant;
            EXPECT_GE(lookups(true, mode, grant), 240U);                // two a turn of five instructions
        }
}

}  // namespace
}  // namespace vtsim::test
