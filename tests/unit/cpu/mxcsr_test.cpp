// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "support/core_bench.h"

// PE beside unmasked overflow and underflow: the result is judged as if its exponent had no bounds. SDM vol. 1, "Numeric Overflow Exception (#O)", "Numeric Underflow Exception (#U)".
namespace vtsim::cpu::test {
namespace {

using vtsim::test::CoreBench;
using Bytes = std::initializer_list<int>;

constexpr u32 oe = 8, ue = 0x10, pe = 0x20, all_masked = 0x1f80;
constexpr int xm = 19;

struct Bench : CoreBench {
    Bench() : CoreBench{vtsim::test::CodeMode::long64, vtsim::test::every_feature_params()} {
        s().cr4 |= arch::cr4::osfxsr | arch::cr4::osxmmexcpt;
    }
    template <class T>
    void set(unsigned number, const std::vector<T>& lanes) {
        s().vector[number] = {};
        std::memcpy(&s().vector[number], lanes.data(), lanes.size() * sizeof(T));
    }
    // The exceptions that the instruction leaves in MXCSR; #XM must come.
    u32 raised(Bytes instruction, u32 unmasked) {
        s().mxcsr = all_masked & ~(unmasked << 7);
        EXPECT_EQ(step(instruction).vector, xm);
        return s().mxcsr & 0x3f;
    }
};

constexpr double two_to_1023 = 0x1p1023, smallest = 0x1p-1022, one_and_a_bit = 1 + 0x1p-52;

TEST(PrecisionException, OfProductsBeyondTheRangeIsThatOfTheSignificand) {
    struct {
        double a, b;
        u32 unmasked, raised;
    } const cases[] = {
        {two_to_1023, 2, oe, oe},
        {two_to_1023 * one_and_a_bit, 4, oe, oe},
        {two_to_1023 * one_and_a_bit, two_to_1023 * one_and_a_bit, oe, oe | pe},
        {smallest, 0.5, ue, ue},
        {smallest * one_and_a_bit, 0.5, ue, ue},                       // masked: inexact, as the last bit is lost
        {smallest, smallest, ue, ue},                                  // masked: zero
        {smallest * one_and_a_bit, 0.5 * one_and_a_bit, ue, ue | pe},
        {0x1p-1074, 0.75, ue, ue},
    };
    Bench b;
    for (const auto& c : cases) {
        b.set<double>(0, {c.a, 7});
        b.set<double>(1, {c.b, 7});
        EXPECT_EQ(b.raised({0xf2, 0x0f, 0x59, 0xc1}, c.unmasked) & ~2U, c.raised) << c.a << " * " << c.b;                // MULSD XMM0, XMM1
        double kept;
        std::memcpy(&kept, &b.s().vector[0], 8);
        EXPECT_EQ(kept, c.a);
    }
}

TEST(PrecisionException, OfSumsBeyondTheRangeIsThatOfTheSignificand) {
    Bench b;
    const float largest = 0x1.fffffep127F, even = 0x1.000002p127F, odd = 0x1p127F;
    for (const auto& [other, raised] : {std::pair{even, oe}, {odd, oe | pe}, {largest, oe}}) {
        b.set<float>(0, {1, 2, largest, 4});
        b.set<float>(1, {1, 2, other, 4});
        EXPECT_EQ(b.raised({0x0f, 0x58, 0xc1}, oe), raised) << other;                       // ADDPS XMM0, XMM1
        b.set<float>(0, {1, 2, 3, 4});
        b.set<float>(1, {1, 2, largest, other});
        EXPECT_EQ(b.raised({0xf2, 0x0f, 0x7c, 0xc1}, oe), raised) << other;                 // HADDPS XMM0, XMM1: of the second operand's upper pair
    }
}

TEST(PrecisionException, OfOtherLanesCounts) {
    Bench b;
    b.set<float>(0, {0x1p127F, 1, 1, 1});
    b.set<float>(1, {0x1p127F, 0x1p-30F, 1, 1});
    EXPECT_EQ(b.raised({0x0f, 0x58, 0xc1}, oe), oe | pe);
    b.set<float>(0, {0x1p100F, 0x1.000002p-126F, 1, 1});                                    // the second: tiny, its underflow masked
    b.set<float>(1, {0x1p100F, 0.5F, 1, 1});
    EXPECT_EQ(b.raised({0x0f, 0x59, 0xc1}, oe), oe | ue | pe);                              // MULPS XMM0, XMM1
    EXPECT_EQ(b.raised({0x0f, 0x59, 0xc1}, oe | ue), oe | ue);
}

TEST(PrecisionException, OfNarrowedNumbersIsThatOfTheSignificand) {
    struct {
        double value;
        u32 unmasked, raised;
    } const cases[] = {{0x1p128, oe, oe}, {0x1.0000001p128, oe, oe | pe}, {0x1p-160, ue, ue}, {0x1.0000001p-160, ue, ue | pe}, {0x1.000002p-127, ue, ue}};
    Bench b;
    for (const auto& c : cases) {
        b.set<double>(1, {c.value, 1});
        EXPECT_EQ(b.raised({0xf2, 0x0f, 0x5a, 0xc1}, c.unmasked), c.raised) << c.value;     // CVTSD2SS XMM0, XMM1
        b.set<double>(1, {1, c.value});
        EXPECT_EQ(b.raised({0x66, 0x0f, 0x5a, 0xc1}, c.unmasked), c.raised) << c.value;     // CVTPD2PS XMM0, XMM1
    }
}

}  // namespace
}  // namespace vtsim::cpu::test
