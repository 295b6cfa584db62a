// SPDX-License-Identifier: Apache-2.0
// RCP and RSQRT: no two kinds of processors compute the same, but the manual bounds the error and fixes the special values. SDM vol. 2, "RCPPS" and "RSQRTPS".
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

constexpr u8 rcp = 0x53, rsqrt = 0x52;
constexpr float infinity = std::numeric_limits<float>::infinity();

struct Reciprocals : CoreBench {
    Reciprocals() : CoreBench{CodeMode::long64, every_feature_params()} {
        s().cr4 |= arch::cr4::osfxsr | arch::cr4::osxsave;
        s().xcr0 = 7;
        core.state_changed();
    }
    void set(const float (&values)[8]) { std::memcpy(&s().vector[1].x[0], values, 16), std::memcpy(&s().vector[1].x[1], values + 4, 16); }
    void get(float (&values)[8]) { std::memcpy(values, &s().vector[0].x[0], 16), std::memcpy(values + 4, &s().vector[0].x[1], 16); }
    float scalar(u8 opcode, float value) {
        set({value, 1, 1, 1, 1, 1, 1, 1});
        EXPECT_EQ(step({0xf3, 0x0f, opcode, 0xc1}).vector, none);           // xmm0, xmm1
        float values[8];
        get(values);
        return values[0];
    }
};

TEST(Reciprocal, ErrsLessThanTheManualAllowsInAllForms) {
    Reciprocals bench;
    std::mt19937_64 random{7};
    std::uniform_real_distribution<float> exponent{-120, 120};
    for (int i = 0; i < 300; ++i) {
        float source[8], result[8];
        for (float& value : source) value = std::exp2(exponent(random));
        for (const u8 opcode : {rcp, rsqrt}) {
            struct Form {
                std::initializer_list<int> code;
                unsigned lanes;
            };
            const Form forms[] = {{{0x0f, opcode, 0xc1}, 4}, {{0xf3, 0x0f, opcode, 0xc1}, 1}, {{0xc5, 0xf8, opcode, 0xc1}, 4}, {{0xc5, 0xfc, opcode, 0xc1}, 8}, {{0xc5, 0xfa, opcode, 0xc1}, 1}};
            for (const auto& form : forms) {
                bench.set(source);
                ASSERT_EQ(bench.step(form.code).vector, CoreBench::none);
                bench.get(result);
                for (unsigned lane = 0; lane < form.lanes; ++lane) {
                    const double exact = opcode == rcp ? 1.0 / double{source[lane]} : 1.0 / std::sqrt(double{source[lane]});
                    ASSERT_LE(std::fabs(double{result[lane]} - exact), 1.5 * 0x1p-12 * exact) << int{opcode} << " of " << source[lane];
                }
            }
        }
    }
}

TEST(Reciprocal, HasTheSpecialValuesOfTheManual) {
    Reciprocals bench;
    constexpr float denormal = std::numeric_limits<float>::denorm_min();
    EXPECT_EQ(bench.scalar(rcp, 0.0F), infinity);
    EXPECT_EQ(bench.scalar(rcp, -0.0F), -infinity);
    EXPECT_EQ(bench.scalar(rcp, denormal), infinity);
    EXPECT_EQ(bench.scalar(rcp, infinity), 0.0F);
    EXPECT_TRUE(std::signbit(bench.scalar(rcp, -infinity)));
    EXPECT_LT(bench.scalar(rcp, -2.0F), 0.0F);
    EXPECT_EQ(bench.scalar(rcp, 0x1p127F), 0.0F);                            // tiny results are zero
    EXPECT_EQ(bench.scalar(rsqrt, 0.0F), infinity);
    EXPECT_EQ(bench.scalar(rsqrt, -0.0F), -infinity);
    EXPECT_EQ(bench.scalar(rsqrt, -denormal), -infinity);
    EXPECT_EQ(bench.scalar(rsqrt, infinity), 0.0F);
    for (const float value : {-1.0F, -infinity}) EXPECT_TRUE(std::isnan(bench.scalar(rsqrt, value)));
    for (const u8 opcode : {rcp, rsqrt}) EXPECT_TRUE(std::isnan(bench.scalar(opcode, std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace vtsim::test
