// SPDX-License-Identifier: Apache-2.0
// VPGATHERxx and VGATHERxxx against the host's own.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using Bench = CoreBench;
using Ymm = std::array<u8, 32>;

struct Registers {
    Ymm to, index, mask;
};

// YMM1 = gather of [base + YMM2 * 4], mask YMM3.
#define VTSIM_GATHER(name, to_class, index_class) \
    [[gnu::target("avx2")]] void name(Registers& r, const void* base) { \
        __asm__ volatile( \
            "vmovdqu %0, %%ymm1\n\tvmovdqu %1, %%ymm2\n\tvmovdqu %2, %%ymm3\n\t" #name " %%" #to_class "3, (%3, %%" #index_class "2, 4), %%" #to_class "1\n\tvmovdqu %%ymm1, %0\n\tvmovdqu %%ymm3, %2\n\tvzeroupper" \
            : "+m"(r.to), "+m"(r.index), "+m"(r.mask) \
            : "r"(base) \
            : "xmm1", "xmm2", "xmm3", "memory"); \
    }
namespace narrow {
VTSIM_GATHER(vpgatherdd, xmm, xmm) VTSIM_GATHER(vpgatherdq, xmm, xmm) VTSIM_GATHER(vpgatherqd, xmm, xmm) VTSIM_GATHER(vpgatherqq, xmm, xmm)
VTSIM_GATHER(vgatherdps, xmm, xmm) VTSIM_GATHER(vgatherdpd, xmm, xmm) VTSIM_GATHER(vgatherqps, xmm, xmm) VTSIM_GATHER(vgatherqpd, xmm, xmm)
}  // namespace narrow
namespace wide {
VTSIM_GATHER(vpgatherdd, ymm, ymm) VTSIM_GATHER(vpgatherdq, ymm, xmm) VTSIM_GATHER(vpgatherqd, xmm, ymm) VTSIM_GATHER(vpgatherqq, ymm, ymm)
VTSIM_GATHER(vgatherdps, ymm, ymm) VTSIM_GATHER(vgatherdpd, ymm, xmm) VTSIM_GATHER(vgatherqps, xmm, ymm) VTSIM_GATHER(vgatherqpd, ymm, ymm)
}  // namespace wide
#undef VTSIM_GATHER

struct Form {
    const char* name;
    int opcode;
    bool w, l;
    void (*native)(Registers&, const void*);
};
constexpr Form forms[] = {
    {"VPGATHERDD xmm", 0x90, false, false, narrow::vpgatherdd}, {"VPGATHERDQ xmm", 0x90, true, false, narrow::vpgatherdq}, {"VPGATHERQD xmm", 0x91, false, false, narrow::vpgatherqd},
    {"VPGATHERQQ xmm", 0x91, true, false, narrow::vpgatherqq},  {"VGATHERDPS xmm", 0x92, false, false, narrow::vgatherdps}, {"VGATHERDPD xmm", 0x92, true, false, narrow::vgatherdpd},
    {"VGATHERQPS xmm", 0x93, false, false, narrow::vgatherqps}, {"VGATHERQPD xmm", 0x93, true, false, narrow::vgatherqpd}, {"VPGATHERDD ymm", 0x90, false, true, wide::vpgatherdd},
    {"VPGATHERDQ ymm", 0x90, true, true, wide::vpgatherdq},     {"VPGATHERQD ymm", 0x91, false, true, wide::vpgatherqd},    {"VPGATHERQQ ymm", 0x91, true, true, wide::vpgatherqq},
    {"VGATHERDPS ymm", 0x92, false, true, wide::vgatherdps},    {"VGATHERDPD ymm", 0x92, true, true, wide::vgatherdpd},     {"VGATHERQPS ymm", 0x93, false, true, wide::vgatherqps},
    {"VGATHERQPD ymm", 0x93, true, true, wide::vgatherqpd},
};

struct VectorGather : testing::Test {
    Bench bench;
    std::mt19937_64 random{2026};

    VectorGather() {
        bench.s().cr4 |= arch::cr4::osfxsr | arch::cr4::osxsave;
        bench.s().xcr0 = 7;
        bench.core.state_changed();
    }
    Registers random_registers(int modulus) {
        Registers r;
        for (Ymm* each : {&r.to, &r.mask})
            for (u8& byte : *each) byte = static_cast<u8>(random());
        for (unsigned i = 0; i < 8; ++i) {
            const i32 index = static_cast<i32>(random() % static_cast<u64>(modulus));
            std::memcpy(&r.index[i * 4], &index, 4);
        }
        return r;
    }
    CoreBench::Result run(const Form& form, const Registers& r, u64 base) {
        std::memcpy(&bench.s().vector[1], r.to.data(), 32);
        std::memcpy(&bench.s().vector[2], r.index.data(), 32);
        std::memcpy(&bench.s().vector[3], r.mask.data(), 32);
        bench.s().gpr[arch::rax] = base;
        return bench.step({0xc4, 0xe2, (form.w ? 0x80 : 0) | 0x61 | (form.l ? 4 : 0), form.opcode, 0x0c, 0x90});
    }
};

TEST_F(VectorGather, TakesWhatTheHostTakes) {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "the host lacks AVX2";
    static std::array<u8, 2048> memory;
    for (u8& byte : memory) byte = static_cast<u8>(random());
    bench.memory.write_block(PhysicalAddress{Bench::data}, memory.data(), memory.size());
    for (const auto& form : forms) {
        for (int i = 0; i < 200; ++i) {
            SCOPED_TRACE(form.name);
            auto expected = random_registers(200);
            // Quadword indices: every other doubleword is the upper half of one.
            if (form.opcode & 1)
                for (unsigned at = 1; at < 8; at += 2) std::memset(&expected.index[at * 4], 0, 4);
            ASSERT_EQ(run(form, expected, Bench::data).vector, Bench::none);
            form.native(expected, memory.data());
            EXPECT_EQ(std::memcmp(&bench.s().vector[1], expected.to.data(), 32), 0);
            EXPECT_EQ(std::memcmp(&bench.s().vector[3], expected.mask.data(), 32), 0);
        }
    }
}

// Elements in front of the one that faults are done, and their masks are cleared: SDM vol. 2, "VPGATHERDD".
TEST_F(VectorGather, GoesOnBehindTheElementsThatAreDone) {
    constexpr u64 nothing = 0x8000'0000'0000;
    Registers r = random_registers(100);
    const i64 far = static_cast<i64>(nothing) / 4;
    r.mask.fill(0xff);
    std::memset(r.index.data(), 0, 32);
    std::memcpy(&r.index[16], &far, 8);
    bench.poke<u64>(Bench::data, 0x1122'3344'5566'7788);
    EXPECT_EQ(run(forms[11], r, Bench::data).vector, 13) << "a non-canonical address";
    EXPECT_EQ(bench.s().vector[1].q[0], 0x1122'3344'5566'7788U);
    EXPECT_EQ(bench.s().vector[1].q[1], 0x1122'3344'5566'7788U);
    EXPECT_EQ(std::memcmp(&bench.s().vector[1].q[2], &r.to[16], 16), 0);
    EXPECT_EQ(bench.s().vector[3].q[0], 0U);
    EXPECT_EQ(bench.s().vector[3].q[1], 0U);
    EXPECT_EQ(bench.s().vector[3].q[2], ~u64{0});
    EXPECT_EQ(bench.s().vector[3].q[3], ~u64{0});
}

TEST_F(VectorGather, IsUndefinedWithEqualRegisters) {
    EXPECT_EQ(bench.step({0xc4, 0xe2, 0x61, 0x90, 0x1c, 0x90}).vector, 6) << "destination and mask";
    EXPECT_EQ(bench.step({0xc4, 0xe2, 0x61, 0x90, 0x14, 0x90}).vector, 6) << "destination and index";
    EXPECT_EQ(bench.step({0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x98}).vector, 6) << "index and mask";
}

}  // namespace
}  // namespace vtsim::test
