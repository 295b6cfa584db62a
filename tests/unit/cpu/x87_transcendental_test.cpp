// SPDX-License-Identifier: Apache-2.0
// The transcendental x87 instructions have the same results on every host: rounded correctly. The expected values are computed with mpmath at 600 bits, the arguments of
// FSIN, FCOS and FPTAN reduced by the 66-bit pi of SDM vol. 1, "Approximation of Pi".
#include <gtest/gtest.h>

#include <cstring>

#include "cpu/exec/x87_transcendental.h"
#include "support/core_bench.h"

namespace vtsim::test {
namespace {

enum Instruction : u8 { f2xm1 = 0xf0, fyl2x = 0xf1, fptan = 0xf2, fpatan = 0xf3, fyl2xp1 = 0xf9, fsincos = 0xfb, fsin = 0xfe, fcos = 0xff };

struct Extended {
    u16 sign_exponent;
    u64 mantissa;
    bool operator==(const Extended&) const = default;
};
void PrintTo(const Extended& value, std::ostream* out) { *out << std::hex << value.sign_exponent << ':' << value.mantissa; }

struct Row {
    Instruction instruction;
    unsigned rounding;                // RC of the control word
    Extended st0, st1, expected;
};
constexpr Row rows[] = {
    {fsin, 0, {0x3ffc, 0x8e4018bfa3b1799d}, {0x3fff, 0x8000000000000000}, {0x3ffc, 0x8dcb15b3c6e01deb}},
    {fsin, 0, {0x4009, 0x9c922b6f3eb13b90}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xccdb67777f23bd97}},
    {fsin, 0, {0xbfe5, 0xdece3359ad3c2d6d}, {0x3fff, 0x8000000000000000}, {0xbfe5, 0xdece3359ad3c2665}},
    {fcos, 0, {0xbfff, 0x841174796c031199}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0x8366f4c091c40404}},
    {fcos, 0, {0xbf84, 0xc0af7b683b8faa18}, {0x3fff, 0x8000000000000000}, {0x3fff, 0x8000000000000000}},
    {fptan, 0, {0x4025, 0xdba687d832e70629}, {0x3fff, 0x8000000000000000}, {0x4001, 0x904ab1046a4f0189}},
    {fptan, 0, {0x3f70, 0x9c3765f06b65a6a4}, {0x3fff, 0x8000000000000000}, {0x3f70, 0x9c3765f06b65a6a4}},
    {f2xm1, 0, {0x3ff7, 0xef453ba5cf36d58b}, {0x3fff, 0x8000000000000000}, {0x3ff7, 0xa6452209ae5418e4}},
    {f2xm1, 0, {0xbf3f, 0xd95ca1bd28df6ec4}, {0x3fff, 0x8000000000000000}, {0xbf3f, 0x96a9eb6d8c8b8484}},
    {fyl2x, 0, {0x4000, 0x9b8f66bd27cd8130}, {0x4000, 0x8c6133cb6142ea7d}, {0x4000, 0xb3df5f8fb5de2938}},
    {fyl2x, 0, {0x3fff, 0x8000000000000020}, {0x3ff6, 0xa1dbd1d39a8dca03}, {0x3fbc, 0xe98340627aca1a56}},
    {fyl2xp1, 0, {0xbfef, 0x8ffa4dbc89463e85}, {0x4009, 0xea29ee994b0dbb41}, {0xbffa, 0xbdfffb1dc17d24b1}},
    {fpatan, 0, {0xc003, 0xae4a0e78dc98d2c1}, {0xc004, 0x85dd92cc11ce5dd2}, {0xc000, 0x89769d84841cf574}},
    {fpatan, 0, {0x3faf, 0xfe1bbd264a15544d}, {0xbffc, 0x8ced9d68ddd1dfb2}, {0xbfff, 0xc90fdaa22168c235}},
    {fsin, 1, {0xbffe, 0xeac4216fa2bc372f}, {0x3fff, 0x8000000000000000}, {0xbffe, 0xcb3767ae385437a6}},
    {fsin, 1, {0xc02b, 0x9ad120575af30553}, {0x3fff, 0x8000000000000000}, {0xbffe, 0x831bcd1ae8065ccf}},
    {fsin, 1, {0x3fc7, 0xd77e7d6cefc89849}, {0x3fff, 0x8000000000000000}, {0x3fc7, 0xd77e7d6cefc89848}},
    {fcos, 1, {0xc01b, 0xc45eb2032bcfbe01}, {0x3fff, 0x8000000000000000}, {0xbffe, 0xe8095eab1bf93c70}},
    {fcos, 1, {0x3f88, 0xa28da6796123fdf7}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xffffffffffffffff}},
    {fptan, 1, {0x4010, 0xd7a170973838b326}, {0x3fff, 0x8000000000000000}, {0xbfff, 0xefc3358870b60b35}},
    {fptan, 1, {0x3f54, 0x8728f986c6a7ee39}, {0x3fff, 0x8000000000000000}, {0x3f54, 0x8728f986c6a7ee39}},
    {f2xm1, 1, {0xbffd, 0xa860c3fece177b4e}, {0x3fff, 0x8000000000000000}, {0xbffc, 0xd0ba804969e8a220}},
    {f2xm1, 1, {0x3f64, 0xf4e1a4f03602f8ac}, {0x3fff, 0x8000000000000000}, {0x3f64, 0xa9bd2672dc8a825f}},
    {fyl2x, 1, {0x400a, 0x9b3758b7508ebad7}, {0xc003, 0xd248f859ea1fca65}, {0xc007, 0x9439f855ec4ce388}},
    {fyl2x, 1, {0x3fff, 0x8000000000000020}, {0x4006, 0x9f917d7c23bed01d}, {0x3fcc, 0xe6355b5dbb819927}},
    {fyl2xp1, 1, {0x3ff2, 0xcad3b6bcbf3c4c06}, {0x3ffc, 0xae55e64b663f1c97}, {0x3ff0, 0xc740b385eda52ba8}},
    {fpatan, 1, {0xc001, 0xc13828542369b584}, {0xbffb, 0xee389ecb0c0fd195}, {0xc000, 0xc7d444f25c628a6f}},
    {fpatan, 1, {0xc049, 0xe562db4628f49481}, {0x3ffc, 0xb1400e2210435a10}, {0x4000, 0xc90fdaa22168c234}},
    {fsin, 2, {0x3ffe, 0xc3ba04d477d21e02}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xb1352a3a80b7aace}},
    {fsin, 2, {0x4001, 0xf8a19317dc5c0eed}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xff1780ce8ad8d0cf}},
    {fsin, 2, {0x3fe5, 0xd742490b1d53434b}, {0x3fff, 0x8000000000000000}, {0x3fe5, 0xd742490b1d533cf4}},
    {fcos, 2, {0xc027, 0xd20b0949c4c2e2e3}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xff3a65c893815df7}},
    {fcos, 2, {0xbf71, 0x943e83656f4cc69a}, {0x3fff, 0x8000000000000000}, {0x3fff, 0x8000000000000000}},
    {fptan, 2, {0x400c, 0xf01bf2f6b8db0672}, {0x3fff, 0x8000000000000000}, {0x4002, 0x8cbe6ce84bfe18de}},
    {fptan, 2, {0x3f77, 0x96de109ac30ff46e}, {0x3fff, 0x8000000000000000}, {0x3f77, 0x96de109ac30ff46f}},
    {f2xm1, 2, {0x3ffb, 0xd009d637deda4e16}, {0x3fff, 0x8000000000000000}, {0x3ffb, 0x95663106e1ba4bdd}},
    {f2xm1, 2, {0xbf05, 0xcdf2bc6381f631d4}, {0x3fff, 0x8000000000000000}, {0xbf05, 0x8ec09da0de15e1ba}},
    {fyl2x, 2, {0x400d, 0x94ada38ac333e861}, {0x3ff5, 0xc3e2a10fec24a3c5}, {0x3ff9, 0xae0b6fd8a01a22e6}},
    {fyl2x, 2, {0x3fff, 0x8000000000000020}, {0x3ff8, 0x827e36c17d154385}, {0x3fbe, 0xbc42faa734568a4d}},
    {fyl2xp1, 2, {0xbfea, 0xfe1f02c5e0f3eab0}, {0x4007, 0xf0629e5c3da9c2a9}, {0xbff4, 0xac20f40faf5f6deb}},
    {fpatan, 2, {0x4001, 0xddaf25e715ed6269}, {0x4002, 0xe15b6962fa5d3100}, {0x3fff, 0x8e8d5e30521a6ec8}},
    {fpatan, 2, {0x4014, 0xd472b70620de435d}, {0x4022, 0xa1ed60212a45c2ab}, {0x3fff, 0xc90d3ae406c67edc}},
    {fsin, 3, {0x3ffd, 0xfb703e606c52c49f}, {0x3fff, 0x8000000000000000}, {0x3ffd, 0xf173fb31dfd7affc}},
    {fsin, 3, {0xc02d, 0xdd6e6195c1590f53}, {0x3fff, 0x8000000000000000}, {0xbffd, 0xc286efd56b87e3f4}},
    {fsin, 3, {0xbfda, 0xb3122dfd4fcca39a}, {0x3fff, 0x8000000000000000}, {0xbfda, 0xb3122dfd4fcca399}},
    {fcos, 3, {0xc00b, 0xb9ca4c47847fd9b4}, {0x3fff, 0x8000000000000000}, {0x3ffc, 0xb4272d670a366828}},
    {fcos, 3, {0x3f39, 0xab46634d1064005c}, {0x3fff, 0x8000000000000000}, {0x3ffe, 0xffffffffffffffff}},
    {fptan, 3, {0xc00a, 0xcb5201793ae8cc93}, {0x3fff, 0x8000000000000000}, {0x4006, 0xa226ff0905ddc975}},
    {fptan, 3, {0xbf3e, 0xd0c7fb5bb535106e}, {0x3fff, 0x8000000000000000}, {0xbf3e, 0xd0c7fb5bb535106e}},
    {f2xm1, 3, {0xbffc, 0x840556fde7c99b26}, {0x3fff, 0x8000000000000000}, {0xbffb, 0xaf148a5cc33de470}},
    {f2xm1, 3, {0xbf7e, 0xa3a5249d3ceddf2d}, {0x3fff, 0x8000000000000000}, {0xbf7d, 0xe2dc3a5a8bc9013d}},
    {fyl2x, 3, {0x400f, 0x90ef98378a0b3c33}, {0x4004, 0xe46e68cf3e351128}, {0x4008, 0xe6fda0db23f7feb3}},
    {fyl2x, 3, {0x3fff, 0x8000000000000020}, {0x3ff8, 0x8c12de2a30beb45f}, {0x3fbe, 0xca156929ab553ef5}},
    {fyl2xp1, 3, {0xbff1, 0xb637d3085ab33edf}, {0x4009, 0x86ef14d3baa4b71a}, {0xbffc, 0x8a91a7d439c80356}},
    {fpatan, 3, {0x4000, 0x87c227f71931e9ee}, {0xbffb, 0xee4b492fccf3a171}, {0xbffa, 0xe073718190ae7f43}},
    {fpatan, 3, {0xc00d, 0xc4a502f230b187ef}, {0xc011, 0xa3a75e0c2ef91276}, {0xbfff, 0xd2a818f6ff885943}},
    {fsin, 0, {0x4000, 0xc90fdaa22168c235}, {0x3fff, 0x8000000000000000}, {0xbfbf, 0x8000000000000000}},
    {fsin, 0, {0x4000, 0xc90fdaa22168c000}, {0x3fff, 0x8000000000000000}, {0x3fca, 0x8d30000000000000}},
};

struct Stack : CoreBench {
    Stack() {
        s().cr0 |= arch::cr0::ne | arch::cr0::mp;
        EXPECT_EQ(step({0xdb, 0xe3}).vector, none);
        s().gpr[arch::rbx] = data;
    }
    void push(const Extended& value) {
        poke<u64>(data, value.mantissa);
        poke<u16>(data + 8, value.sign_exponent);
        EXPECT_EQ(step({0xdb, 0x2b}).vector, none);
    }
    Extended pop() {
        EXPECT_EQ(step({0xdb, 0x3b}).vector, none);
        return {peek<u16>(data + 8), peek<u64>(data)};
    }
    void set_rounding(unsigned rounding) {
        poke<u16>(data, static_cast<u16>(0x37f | rounding << 10));
        EXPECT_EQ(step({0xd9, 0x2b}).vector, none);
    }
};

TEST(X87Transcendental, IsRoundedCorrectlyOnEveryHost) {
    for (const auto& row : rows) {
        Stack stack;
        stack.set_rounding(row.rounding);
        stack.push(row.st1);
        stack.push(row.st0);
        ASSERT_EQ(stack.step({0xd9, row.instruction}).vector, CoreBench::none);
        EXPECT_NE(stack.s().x87.status & 0x20, 0);                 // PE
        if (row.instruction == fptan) {
            EXPECT_EQ(stack.pop(), (Extended{0x3fff, u64{1} << 63}));
        }
        EXPECT_EQ(stack.pop(), row.expected) << std::hex << static_cast<int>(row.instruction) << " RC " << row.rounding << " of " << row.st0.sign_exponent << ':' << row.st0.mantissa;
    }
}

TEST(X87Transcendental, SineAndCosineTogetherAreThoseAlone) {
    for (const auto& row : rows) {
        if (row.instruction != fsin && row.instruction != fcos) continue;
        Stack stack;
        stack.set_rounding(row.rounding);
        stack.push(row.st0);
        ASSERT_EQ(stack.step({0xd9, fsincos}).vector, CoreBench::none);
        const auto cosine = stack.pop(), sine = stack.pop();
        EXPECT_EQ(row.instruction == fsin ? sine : cosine, row.expected);
    }
}

// SDM vol. 2, tables of FPATAN, FYL2X, F2XM1, FSIN: where the manuals define the value it is the host's.
TEST(X87Transcendental, SpecialValuesAreThoseOfTheManual) {
    constexpr Extended zero{0, 0}, one{0x3fff, u64{1} << 63}, infinity{0x7fff, u64{1} << 63}, minus_infinity{0xffff, u64{1} << 63}, two{0x4000, u64{1} << 63}, eight{0x4002, u64{1} << 63},
        three{0x4000, u64{3} << 62}, half_pi{0x3fff, 0xc90f'daa2'2168'c235}, quarter_pi{0x3ffe, 0xc90f'daa2'2168'c235}, minus_half{0xbffe, u64{1} << 63}, minus_one{0xbfff, u64{1} << 63};
    struct Special {
        Instruction instruction;
        Extended st0, st1, expected;
    };
    constexpr Special specials[] = {
        {fsin, zero, one, zero},           {fcos, zero, one, one},          {fpatan, zero, one, half_pi},        {fpatan, one, one, quarter_pi},  {fpatan, infinity, infinity, quarter_pi},
        {fyl2x, eight, one, three},        {fyl2x, two, three, three},      {fyl2x, zero, one, minus_infinity},  {fyl2x, one, three, zero},       {f2xm1, one, one, one},
        {f2xm1, minus_one, one, minus_half}, {fyl2xp1, zero, three, zero},
    };
    for (const auto& row : specials) {
        Stack stack;
        stack.push(row.st1);
        stack.push(row.st0);
        ASSERT_EQ(stack.step({0xd9, row.instruction}).vector, CoreBench::none);
        EXPECT_EQ(stack.pop(), row.expected) << std::hex << static_cast<int>(row.instruction) << " of " << row.st0.sign_exponent << ':' << row.st0.mantissa;
    }
    Stack stack;                                                   // 2^63 and beyond: C2, nothing changed
    constexpr Extended huge{0x403e, u64{1} << 63};
    stack.push(huge);
    ASSERT_EQ(stack.step({0xd9, fsin}).vector, CoreBench::none);
    EXPECT_NE(stack.s().x87.status & 0x400, 0);
    EXPECT_EQ(stack.pop(), huge);
}

}  // namespace
}  // namespace vtsim::test
