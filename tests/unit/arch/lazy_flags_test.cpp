// SPDX-License-Identifier: Apache-2.0
#include "arch/lazy_flags.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

namespace vtsim::arch {
namespace {

template <class T>
u64 sext(T value) {
    return static_cast<u64>(static_cast<i64>(static_cast<std::make_signed_t<T>>(value)));
}

template <class T>
FlagKind of_size(FlagKind first) {
    return static_cast<FlagKind>(static_cast<u32>(first) + static_cast<u32>(std::countr_zero(sizeof(T))));
}

// What the host's own instruction makes of the flags: the oracle. Starts with the carry given.
struct Host {
    u64 result, flags;
};
#define VTSIM_HOST(name, instruction)                                                                                                \
    template <class T>                                                                                                               \
    Host name(T a, T b, bool carry) {                                                                                                \
        u64 flags;                                                                                                                   \
        asm volatile("btl $0, %k3\n\t" instruction "\n\tpushfq\n\tpopq %1" : "+q"(a), "=r"(flags) : "q"(b), "r"(u32{carry}) : "cc", "memory"); \
        return {sext(a), flags & rflags::status};                                                                                    \
    }
VTSIM_HOST(host_add, "add %2, %0")
VTSIM_HOST(host_sub, "sub %2, %0")
#undef VTSIM_HOST
#define VTSIM_HOST(name, instruction)                                                                                                \
    template <class T>                                                                                                               \
    Host name(T a, bool carry) {                                                                                                     \
        u64 flags;                                                                                                                   \
        asm volatile("btl $0, %k2\n\t" instruction "\n\tpushfq\n\tpopq %1" : "+q"(a), "=r"(flags) : "r"(u32{carry}) : "cc", "memory"); \
        return {sext(a), flags & rflags::status};                                                                                    \
    }
VTSIM_HOST(host_inc, "inc %0")
VTSIM_HOST(host_dec, "dec %0")
VTSIM_HOST(host_shl, "shl $1, %0")
VTSIM_HOST(host_shr, "shr $1, %0")
VTSIM_HOST(host_sar, "sar $1, %0")
#undef VTSIM_HOST

template <class T>
std::vector<T> values() {
    constexpr T top = static_cast<T>(T{1} << (sizeof(T) * 8 - 1));
    return {0, 1, 2, 7, 8, 15, 16, 0x7f, static_cast<T>(0x80), static_cast<T>(0xff), static_cast<T>(top - 1), top, static_cast<T>(top + 1), static_cast<T>(top >> 1),
            static_cast<T>(-16), static_cast<T>(-2), static_cast<T>(-1)};
}

constexpr u64 rest = rflags::one | rflags::if_;           // other bits pass through

void expect_same(const LazyFlags& lazy, u64 flags, u64 undefined = 0) {
    EXPECT_EQ(lazy.merge(rest) & ~undefined, (flags | rest) & ~undefined);
    EXPECT_EQ(lazy.carry(rest), (flags & rflags::cf) != 0);
    EXPECT_EQ(lazy.zero(rest), (flags & rflags::zf) != 0);
    EXPECT_EQ(lazy.sign(rest), (flags & rflags::sf) != 0);
}

template <class T>
struct LazyFlagsOf : testing::Test {};
using Widths = testing::Types<u8, u16, u32, u64>;
TYPED_TEST_SUITE(LazyFlagsOf, Widths);

TYPED_TEST(LazyFlagsOf, AdditionAndSubtractionGiveTheFlagsOfTheHost) {
    for (const auto a : values<TypeParam>())
        for (const auto b : values<TypeParam>()) {
            const auto sum = host_add<TypeParam>(a, b, false), difference = host_sub<TypeParam>(a, b, false);
            expect_same({sum.result, sext(b), of_size<TypeParam>(FlagKind::add8)}, sum.flags);
            expect_same({difference.result, sext(b), of_size<TypeParam>(FlagKind::sub8)}, difference.flags);
        }
}

TYPED_TEST(LazyFlagsOf, StepsKeepTheCarryTheyFound) {
    for (const auto a : values<TypeParam>())
        for (const bool carry : {false, true}) {
            const auto up = host_inc<TypeParam>(a, carry), down = host_dec<TypeParam>(a, carry);
            expect_same({up.result, u64{carry}, of_size<TypeParam>(FlagKind::inc8)}, up.flags);
            expect_same({down.result, u64{carry}, of_size<TypeParam>(FlagKind::dec8)}, down.flags);
        }
}

TYPED_TEST(LazyFlagsOf, ShiftsTellTheLastBitOut) {
    for (const auto a : values<TypeParam>()) {
        const auto left = host_shl<TypeParam>(a, false), right = host_shr<TypeParam>(a, false), arithmetic = host_sar<TypeParam>(a, false);
        expect_same({left.result, sext(a), FlagKind::shl}, left.flags, rflags::af);
        expect_same({right.result, sext(a), FlagKind::shr}, right.flags, rflags::af);
        expect_same({arithmetic.result, sext(a), FlagKind::sar}, arithmetic.flags, rflags::af);
    }
}

TEST(LazyFlags, EagerFlagsAreTheStoredOnes) {
    const LazyFlags lazy;
    for (const u64 stored : {u64{0}, rflags::cf, rflags::zf | rflags::sf, rflags::status}) {
        EXPECT_EQ(lazy.merge(stored), stored);
        EXPECT_EQ(lazy.carry(stored), (stored & rflags::cf) != 0);
        EXPECT_EQ(lazy.zero(stored), (stored & rflags::zf) != 0);
        EXPECT_EQ(lazy.sign(stored), (stored & rflags::sf) != 0);
    }
}

TEST(LazyFlags, ListedBitsStandBesideTheResult) {
    LazyFlags lazy{0, 1, FlagKind::sub64};
    lazy.list(rflags::cf | rflags::af);
    EXPECT_EQ(lazy.merge(rflags::of), rflags::zf | rflags::pf | rflags::cf | rflags::af);
}

}  // namespace
}  // namespace vtsim::arch
