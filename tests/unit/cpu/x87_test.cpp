// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

namespace flag = arch::rflags;
constexpr int ud = 6, nm = 7, gp = 13, pf = 14, mf = 16;

// [RBX] is the bench's data; the operand of a memory form is ModRM.reg with base RBX: reg << 3 | 3.
struct X87Bench : CoreBench {
    explicit X87Bench(CodeMode mode = CodeMode::long64) : CoreBench{mode} {
        s().gpr[arch::rbx] = data;
        s().cr0 |= arch::cr0::ne | arch::cr0::mp;
        s().cr4 |= arch::cr4::osfxsr;
        run({0xdb, 0xe3});
    }
    void run(std::initializer_list<int> bytes) { ASSERT_EQ(step(bytes).vector, none); }
    void load(long double value) {
        poke_long_double(data, value);
        run({0xdb, 0x2b});
    }
    long double pop() {
        run({0xdb, 0x3b});
        return peek_long_double(data);
    }
    void poke_long_double(u64 address, long double value) {
        u64 parts[2] = {};
        std::memcpy(parts, &value, 10);
        poke<u64>(address, parts[0]);
        poke<u16>(address + 8, static_cast<u16>(parts[1]));
    }
    [[nodiscard]] long double peek_long_double(u64 address) const {
        const u64 parts[2] = {peek<u64>(address), peek<u16>(address + 8)};
        long double value;
        std::memcpy(&value, parts, sizeof value);
        return value;
    }
    void set_control(u16 control) {
        poke<u16>(data, control);
        run({0xd9, 0x2b});
    }
    [[nodiscard]] u16 status() { return s().x87.status; }
    [[nodiscard]] unsigned top() { return status() >> 11 & 7; }
};

TEST(X87, ArithmeticHasTheResultsOfLongDouble) {
    X87Bench bench;
    const long double values[] = {1.0L, -0.0L, 3.5L, -1e300L, 1e-4940L, 0x1.8p63L, 1.0L / 3};
    for (const long double a : values) {
        for (const long double b : values) {
            const auto compute = [&](int opcode) {               // DE forms: ST(1) = ST(1) op ST(0), pop
                bench.load(a);
                bench.load(b);
                bench.run({0xde, opcode});
                return bench.pop();
            };
            volatile long double x = a, y = b;
            EXPECT_EQ(compute(0xc1), x + y);
            EXPECT_EQ(compute(0xc9), x * y);
            EXPECT_EQ(compute(0xe9), x - y);
            EXPECT_EQ(compute(0xe1), y - x);
            if (b != 0) {
                EXPECT_EQ(compute(0xf9), x / y);
            }
        }
    }
    EXPECT_EQ(bench.s().x87.valid, 0);
}

TEST(X87, RoundingAndPrecisionFollowTheControlWord) {
    X87Bench bench;
    bench.load(1.0L);
    bench.load(3.0L);
    bench.set_control(0x07f);                                   // single precision, to nearest
    bench.run({0xde, 0xf9});
    EXPECT_EQ(bench.pop(), static_cast<long double>(1.0F / 3.0F));
    for (const bool up : {false, true}) {                       // double extended
        bench.set_control(up ? 0xb7f : 0x77f);
        bench.load(1.0L);
        bench.load(3.0L);
        bench.run({0xde, 0xf9});
        EXPECT_NE(bench.status() & 0x20, 0);
        EXPECT_EQ(bench.status() >> 9 & 1, up);                 // C1: rounded up
        EXPECT_EQ(bench.pop(), up ? 1.0L / 3 : std::nextafter(1.0L / 3, 0.0L));     // to nearest is up
    }
}

TEST(X87, IntegersAndShorterFormatsConvert) {
    X87Bench bench;
    bench.poke<u16>(bench.data, static_cast<u16>(-7));
    bench.run({0xdf, 0x03});                                    // FILD m16
    bench.run({0xdd, 0x1b});                                    // FSTP m64
    EXPECT_EQ(bench.peek<u64>(bench.data), std::bit_cast<u64>(-7.0));
    bench.load(2.5L);
    bench.run({0xdf, 0x3b});                                    // FISTP m64: to even
    EXPECT_EQ(bench.peek<u64>(bench.data), 2U);
    bench.load(1e30L);
    bench.run({0xdb, 0x1b});                                    // FISTP m32: out of range
    EXPECT_EQ(bench.peek<u32>(bench.data), 0x8000'0000U);
    EXPECT_NE(bench.status() & 1, 0);
}

TEST(X87, ComparisonsSetConditionCodesOrFlags) {
    struct Case {
        long double a, b;
        unsigned c3_c2_c0;                                      // FCOM
        u64 flags;                                              // FCOMI
    };
    constexpr long double nan = std::numeric_limits<long double>::quiet_NaN();
    for (const auto& c : {Case{2, 1, 0, 0}, Case{1, 2, 1, flag::cf}, Case{1, 1, 4, flag::zf}, Case{nan, 1, 7, flag::zf | flag::pf | flag::cf}}) {
        X87Bench bench;
        bench.load(c.b);
        bench.load(c.a);
        bench.run({0xdb, 0xe9});                                // FUCOMI
        EXPECT_EQ(bench.s().read_rflags() & flag::status, c.flags);
        bench.run({0xdd, 0xe1});                                // FUCOM
        const unsigned sw = bench.status();
        EXPECT_EQ((sw >> 14 & 1) << 2 | (sw >> 10 & 1) << 1 | (sw >> 8 & 1), c.c3_c2_c0);
    }
}

TEST(X87, AConditionalMoveLooksAtTheFlags) {
    for (const bool below : {false, true}) {
        X87Bench bench;
        bench.load(5.0L);
        bench.load(6.0L);
        bench.s().write_rflags(flag::one | (below ? flag::cf : 0));
        bench.run({0xda, 0xc1});                                // FCMOVB ST(0), ST(1)
        EXPECT_EQ(bench.pop(), below ? 5.0L : 6.0L);
    }
}

TEST(X87, APopOfAnEmptyStackIsAStackFault) {
    X87Bench bench;
    bench.run({0xdd, 0x1b});
    EXPECT_EQ(bench.status() & 0x41, 0x41);
    EXPECT_EQ(bench.peek<u64>(bench.data), 0xfff8'0000'0000'0000U);
    EXPECT_EQ(bench.top(), 1U);
}

TEST(X87, AnUnmaskedExceptionWaitsForTheNextWaitingInstruction) {
    X87Bench bench;
    bench.set_control(0x37b);                                   // zero divide unmasked
    bench.load(1.0L);
    bench.run({0xd9, 0xee});
    bench.run({0xde, 0xf9});                                    // 1 / 0: neither result nor pop
    EXPECT_EQ(bench.status() & 0x8084, 0x8084);
    EXPECT_EQ(bench.top(), 6U);
    EXPECT_EQ(bench.step({0xd9, 0xe8}).vector, mf);
    EXPECT_EQ(bench.top(), 6U);
    EXPECT_EQ(bench.step({0x9b}).vector, mf);
    bench.run({0xdf, 0xe0});                                    // FNSTSW AX does not wait
    EXPECT_EQ(bench.s().gpr[arch::rax] & 0xffff, bench.status());
    bench.run({0xdb, 0xe2});                                    // FNCLEX
    EXPECT_EQ(bench.status() & 0x80ff, 0);
    bench.run({0xd9, 0xe8});
}

TEST(X87, AnUnmaskedInvalidOperandKeepsMemoryAndStack) {
    X87Bench bench;
    bench.load(1e30L);
    bench.set_control(0x37e);
    bench.poke<u32>(bench.data, 0x1234'5678);
    bench.run({0xdb, 0x1b});
    EXPECT_EQ(bench.peek<u32>(bench.data), 0x1234'5678U);
    EXPECT_EQ(bench.top(), 7U);
    EXPECT_NE(bench.status() & 0x80, 0);
}

TEST(X87, AFaultOfAStoreLeavesTheStackAlone) {
    X87Bench bench;
    bench.load(1.0L);
    bench.s().gpr[arch::rbx] = 65 * MiB;                        // not mapped
    const auto before = bench.s().x87;
    EXPECT_EQ(bench.step({0xdb, 0x3b}).vector, pf);
    EXPECT_EQ(std::memcmp(&before, &bench.s().x87, sizeof before), 0);
}

TEST(X87, TaskSwitchedAndEmulationTrap) {
    X87Bench bench;
    bench.s().cr0 |= arch::cr0::ts;
    EXPECT_EQ(bench.step({0xd9, 0xe8}).vector, nm);
    EXPECT_EQ(bench.step({0x9b}).vector, nm);
    EXPECT_EQ(bench.step({0x0f, 0xae, 0x03}).vector, nm);
    bench.s().cr0 &= ~arch::cr0::mp;
    EXPECT_EQ(bench.step({0x9b}).vector, CoreBench::none);
    bench.s().cr0 = (bench.s().cr0 & ~arch::cr0::ts) | arch::cr0::em;
    EXPECT_EQ(bench.step({0xdb, 0xe3}).vector, nm);
    EXPECT_EQ(bench.step({0x0f, 0x58, 0xc1}).vector, ud);       // ADDPS
}

// SDM vol. 1, figure "Protected Mode x87 FPU State Image in Memory, 32-Bit Format".
TEST(X87, TheEnvironmentHasThe32BitFormat) {
    X87Bench bench;
    bench.load(0.0L);
    bench.load(1.0L);
    bench.load(std::numeric_limits<long double>::infinity());
    bench.s().gpr[arch::rbx] = bench.data + 64;
    bench.run({0xd9, 0x33});                                    // FNSTENV
    const u64 at = bench.data + 64;
    EXPECT_EQ(bench.peek<u16>(at), 0x37f);
    EXPECT_EQ(bench.peek<u16>(at + 4) >> 11 & 7, 5);
    EXPECT_EQ(bench.peek<u16>(at + 8), 0x4bff);                 // registers 7, 6, 5: zero, valid, special
    EXPECT_EQ(bench.peek<u32>(at + 12), bench.code);
    EXPECT_EQ(bench.peek<u32>(at + 16) >> 16, 0x32bU);          // DB /5 [RBX]
    EXPECT_EQ(bench.peek<u32>(at + 20), bench.data);
}

TEST(X87, SaveAndRestoreBringTheStateBack) {
    X87Bench bench;
    for (int i = 0; i < 5; ++i) bench.load(1.5L * i);
    const auto before = bench.s().x87;
    bench.s().gpr[arch::rbx] = bench.data + 64;
    bench.run({0xdd, 0x33});                                    // FNSAVE
    EXPECT_EQ(bench.s().x87.valid, 0);
    EXPECT_EQ(bench.s().x87.control, 0x37f);
    for (auto& reg : bench.s().x87.reg) std::memset(reg, 0xee, 16);
    bench.run({0xdd, 0x23});                                    // FRSTOR
    EXPECT_EQ(bench.s().x87.status, before.status);
    EXPECT_EQ(bench.s().x87.valid, before.valid);
    for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(std::memcmp(bench.s().x87.reg[i], before.reg[i], 10), 0) << i;
}

TEST(Fxsave, TheAreaIsTheOneOfTheManual) {
    X87Bench bench;
    bench.load(1.0L);
    bench.load(2.0L);
    bench.s().vector[15].q[1] = 0x1122'3344'5566'7788;
    bench.s().mxcsr = 0x1fa0;
    bench.poke<u64>(bench.data + 416, 0x5a5a);
    bench.run({0x48, 0x0f, 0xae, 0x03});
    const u64 at = bench.data;
    EXPECT_EQ(bench.peek<u16>(at), 0x37f);
    EXPECT_EQ(bench.peek<u8>(at + 4), 0xc0);
    EXPECT_EQ(bench.peek<u64>(at + 8), bench.code);
    EXPECT_EQ(bench.peek<u32>(at + 24), 0x1fa0U);
    EXPECT_EQ(bench.peek<u32>(at + 28), 0xffffU);
    EXPECT_EQ(bench.peek_long_double(at + 32), 2.0L);           // ST(0) first
    EXPECT_EQ(bench.peek_long_double(at + 48), 1.0L);
    EXPECT_EQ(bench.peek<u64>(at + 160 + 15 * 16 + 8), 0x1122'3344'5566'7788U);
    EXPECT_EQ(bench.peek<u64>(at + 416), 0x5a5aU);

    const auto before = bench.s();
    bench.s().x87 = {};
    bench.s().vector[15] = {};
    bench.s().mxcsr = 0x1f80;
    bench.run({0x48, 0x0f, 0xae, 0x0b});
    EXPECT_EQ(std::memcmp(&bench.s().x87, &before.x87, sizeof before.x87), 0);
    EXPECT_EQ(bench.s().vector[15].q[1], before.vector[15].q[1]);
    EXPECT_EQ(bench.s().mxcsr, 0x1fa0U);
}

TEST(Fxsave, ReservedBitsAndMisalignmentFault) {
    X87Bench bench;
    bench.poke<u32>(bench.data + 24, 0x1'0000);
    EXPECT_EQ(bench.step({0x0f, 0xae, 0x0b}).vector, gp);
    bench.s().gpr[arch::rbx] = bench.data + 8;
    EXPECT_EQ(bench.step({0x0f, 0xae, 0x03}).vector, gp);
}

TEST(Fxsave, MovesEightRegistersIn32BitCodeAndNoneWithoutOsfxsr) {
    X87Bench bench{CodeMode::protected32};
    for (auto& vector : bench.s().vector) vector.q[0] = 0x77;
    bench.run({0x0f, 0xae, 0x03});
    EXPECT_EQ(bench.peek<u64>(bench.data + 160 + 7 * 16), 0x77U);
    EXPECT_EQ(bench.peek<u64>(bench.data + 160 + 8 * 16), 0U);
    bench.s().cr4 &= ~arch::cr4::osfxsr;
    bench.poke<u64>(bench.data + 160, 0x99);
    bench.run({0x0f, 0xae, 0x03});
    EXPECT_EQ(bench.peek<u64>(bench.data + 160), 0x99U);
}

}  // namespace
}  // namespace vtsim::test
