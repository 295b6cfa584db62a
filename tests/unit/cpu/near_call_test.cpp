// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

constexpr int ss = 12, gp = 13;

// SDM vol. 2, "CALL", 64-bit mode exceptions: #SS(0) for a stack address that is not canonical, #GP(0) for such a target or operand.
TEST(NearCall, BlamesTheStackForTheStack) {
    constexpr u64 beyond = u64{1} << 47;
    struct Case {
        const char* name;
        std::initializer_list<int> code;
        u64 rbx, rsp, target;
        int vector;
    };
    const Case cases[] = {
        {"call [rbx]", {0xff, 0x13}, CoreBench::data, CoreBench::stack, CoreBench::code, CoreBench::none},
        {"call [rbx]", {0xff, 0x13}, CoreBench::data, beyond + 0x1000, CoreBench::code, ss},
        {"call [rbx]", {0xff, 0x13}, CoreBench::data, beyond + 4, CoreBench::code, ss},
        {"call [rbx]", {0xff, 0x13}, beyond, CoreBench::stack, CoreBench::code, gp},
        {"call [rbx]", {0xff, 0x13}, CoreBench::data, CoreBench::stack, beyond, gp},
        {"call rbx", {0xff, 0xd3}, CoreBench::code, beyond + 0x1000, 0, ss},
        {"call rbx", {0xff, 0xd3}, beyond, CoreBench::stack, 0, gp},
        {"call +0", {0xe8, 0, 0, 0, 0}, 0, beyond + 0x1000, 0, ss},
    };
    for (const auto& c : cases) {
        CoreBench bench;
        bench.poke<u64>(CoreBench::data, c.target);
        bench.s().gpr[arch::rbx] = c.rbx;
        bench.set_cpl(3);                                     // so that the handler has a stack of its own
        bench.s().gpr[arch::rsp] = c.rsp;
        EXPECT_EQ(bench.step(c.code).vector, c.vector) << c.name << " rsp " << std::hex << c.rsp;
    }
}

}  // namespace
}  // namespace vtsim::test
