// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
constexpr int db = 1;

struct Repeated {
    const char* name;
    std::vector<int> bytes;
};
const std::vector<Repeated> forms{
    {"REP STOSB", {0xf3, 0xaa}},       {"REP STOSQ", {0xf3, 0x48, 0xab}}, {"REP MOVSB", {0xf3, 0xa4}},
    {"REP LODSB", {0xf3, 0xac}},       {"REPE CMPSB", {0xf3, 0xa6}},      {"REPNE SCASB", {0xf2, 0xae}},
};

void prepare(Bench& bench, std::uint64_t count) {
    bench.s().gpr[arch::rax] = 0x55;
    bench.s().gpr[arch::rcx] = count;
    bench.s().gpr[arch::rsi] = Bench::data;
    bench.s().gpr[arch::rdi] = Bench::data + 0x800;
}

// A trap after every element, the last one with RIP behind the instruction: what the host's processor does when a program sets TF before REP STOSB, and
// SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ - Repeat String Operation Prefix".
TEST(RepeatedStrings, TrapAfterEachElement) {
    for (const cpu::Mode mode : {cpu::Mode::functional, cpu::Mode::timing}) {
        for (const auto& form : forms) {
            Bench bench;
            bench.core.set_mode(mode);
            prepare(bench, 4);
            for (std::size_t i = 0; i < form.bytes.size(); ++i) bench.poke<u8>(Bench::code + i, static_cast<u8>(form.bytes[i]));
            bench.poke<u8>(Bench::code + form.bytes.size(), 0x90);
            for (std::uint64_t left = 4; left-- > 0;) {
                bench.s().rip = Bench::code;
                bench.s().write_rflags(arch::rflags::one | arch::rflags::tf);
                auto result = bench.go();
                if (left == 0) result = bench.go();             // the handler's HLT is an instruction more
                SCOPED_TRACE(std::string(form.name) + ", " + std::to_string(left) + " left");
                EXPECT_EQ(result.vector, db);
                EXPECT_EQ(result.pushed_rip, left == 0 ? Bench::code + form.bytes.size() : Bench::code);
                EXPECT_EQ(bench.s().gpr[arch::rcx], left);
            }
        }
    }
}

// What a repeated store costs and counts is the same in one activation and in many short ones: it leaves off between pages and goes on without a new start.
TEST(RepeatedStrings, CostTheSameInShortActivations) {
    constexpr std::uint64_t bytes = 64 * 4096;
    struct Cost {
        std::uint64_t cycles, lookups;
    };
    const auto run = [](std::uint64_t quantum) {
        Bench bench;
        bench.core.set_mode(cpu::Mode::timing);
        prepare(bench, bytes);
        bench.s().gpr[arch::rdi] = 0x100'0000;
        for (u64 at = Bench::code; const int byte : {0xf3, 0xaa, 0xf4}) bench.poke<u8>(at++, static_cast<u8>(byte));
        bench.s().rip = Bench::code;
        bench.core.state_changed();
        unsigned activations = 0;
        for (; !bench.core.halted && activations < 10'000; ++activations) {
            bench.core.begin_activation(true);
            bench.core.execute(bench.core.cycles() + quantum);
        }
        EXPECT_TRUE(bench.core.halted);
        EXPECT_EQ(bench.peek<u8>(0x100'0000 + bytes - 1), 0x55);
        EXPECT_EQ(bench.s().gpr[arch::rcx], 0U);
        if (quantum < 10'000) {
            EXPECT_GT(activations, 10U);
        }
        return Cost{bench.core.cycles(), std::get<u64>(bench.root.find("cpu0.mmu.dtlb.lookups")->value())};
    };
    const auto whole = run(100'000'000), pieces = run(500);
    EXPECT_EQ(whole.lookups, bytes / 4096) << "one a page, though the instruction is the first of an activation";
    EXPECT_EQ(whole.lookups, pieces.lookups);
    EXPECT_NEAR(static_cast<double>(whole.cycles), static_cast<double>(pieces.cycles), 0.01 * static_cast<double>(whole.cycles));
}

}  // namespace
}  // namespace vtsim::test
