// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/required_features.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "support/core_bench.h"

namespace vtsim::test {
namespace {

using F = cpu::FeatureParams;

// One instruction of each extension, on registers or on the memory at RBX. Encodings from SDM vol. 2.
struct Sample {
    const char* name;
    bool F::*feature;
    std::initializer_list<int> code;
};
const Sample samples[] = {
    {"paddd mm0, mm1", &F::mmx, {0x0f, 0xfe, 0xc1}},
    {"emms", &F::mmx, {0x0f, 0x77}},
    {"paddq mm0, mm1", &F::mmx, {0x0f, 0xd4, 0xc1}},                                // SSE2
    {"pshufb mm0, mm1", &F::mmx, {0x0f, 0x38, 0x00, 0xc1}},
    {"pshufb mm0, mm1", &F::ssse3, {0x0f, 0x38, 0x00, 0xc1}},
    {"cvtpi2ps xmm0, mm1", &F::mmx, {0x0f, 0x2a, 0xc1}},
    {"haddps xmm0, xmm1", &F::sse3, {0xf2, 0x0f, 0x7c, 0xc1}},
    {"fisttp dword [rbx]", &F::sse3, {0xdb, 0x0b}},
    {"pabsb xmm0, xmm1", &F::ssse3, {0x66, 0x0f, 0x38, 0x1c, 0xc1}},
    {"pmulld xmm0, xmm1", &F::sse4_1, {0x66, 0x0f, 0x38, 0x40, 0xc1}},
    {"pcmpgtq xmm0, xmm1", &F::sse4_2, {0x66, 0x0f, 0x38, 0x37, 0xc1}},
    {"crc32 eax, cl", &F::sse4_2, {0xf2, 0x0f, 0x38, 0xf0, 0xc1}},
    {"popcnt eax, ecx", &F::popcnt, {0xf3, 0x0f, 0xb8, 0xc1}},
    {"aesenc xmm0, xmm1", &F::aes, {0x66, 0x0f, 0x38, 0xdc, 0xc1}},
    {"vaesenc xmm0, xmm0, xmm1", &F::aes, {0xc4, 0xe2, 0x79, 0xdc, 0xc1}},
    {"vaesenc xmm0, xmm0, xmm1", &F::avx, {0xc4, 0xe2, 0x79, 0xdc, 0xc1}},
    {"pclmulqdq xmm0, xmm1, 0", &F::pclmulqdq, {0x66, 0x0f, 0x3a, 0x44, 0xc1, 0}},
    {"vpclmulqdq xmm0, xmm0, xmm1, 0", &F::pclmulqdq, {0xc4, 0xe3, 0x79, 0x44, 0xc1, 0}},
    {"vpclmulqdq xmm0, xmm0, xmm1, 0", &F::avx, {0xc4, 0xe3, 0x79, 0x44, 0xc1, 0}},
    {"vaesenc ymm0, ymm0, ymm1", &F::vaes, {0xc4, 0xe2, 0x7d, 0xdc, 0xc1}},
    {"vpclmulqdq ymm0, ymm0, ymm1, 0", &F::vpclmulqdq, {0xc4, 0xe3, 0x7d, 0x44, 0xc1, 0}},
    {"sha1msg1 xmm0, xmm1", &F::sha, {0x0f, 0x38, 0xc9, 0xc1}},
    {"vaddps ymm0, ymm0, ymm1", &F::avx, {0xc5, 0xfc, 0x58, 0xc1}},
    {"vpaddb xmm0, xmm0, xmm1", &F::avx, {0xc5, 0xf9, 0xfc, 0xc1}},
    {"vpaddb ymm0, ymm0, ymm1", &F::avx2, {0xc5, 0xfd, 0xfc, 0xc1}},
    {"vpgatherdd xmm0, [rbx + xmm1], xmm2", &F::avx2, {0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0b}},
    {"vfmadd132ps xmm0, xmm0, xmm1", &F::fma, {0xc4, 0xe2, 0x79, 0x98, 0xc1}},
    {"vcvtph2ps xmm0, xmm1", &F::f16c, {0xc4, 0xe2, 0x79, 0x13, 0xc1}},
    {"andn eax, eax, ecx", &F::bmi1, {0xc4, 0xe2, 0x78, 0xf2, 0xc1}},
    {"pdep eax, eax, ecx", &F::bmi2, {0xc4, 0xe2, 0x7b, 0xf5, 0xc1}},
    {"adcx eax, ecx", &F::adx, {0x66, 0x0f, 0x38, 0xf6, 0xc1}},
    {"movbe eax, [rbx]", &F::movbe, {0x0f, 0x38, 0xf0, 0x03}},
    {"cmpxchg16b [rbx]", &F::cmpxchg16b, {0x48, 0x0f, 0xc7, 0x0b}},
    {"rdrand eax", &F::rdrand, {0x0f, 0xc7, 0xf0}},
    {"rdseed eax", &F::rdseed, {0x0f, 0xc7, 0xf8}},
    {"rdpid rax", &F::rdpid, {0xf3, 0x0f, 0xc7, 0xf8}},
    {"rdtscp", &F::rdtscp, {0x0f, 0x01, 0xf9}},
    {"rdfsbase eax", &F::fsgsbase, {0xf3, 0x0f, 0xae, 0xc0}},
    {"clac", &F::smap, {0x0f, 0x01, 0xca}},
    {"invpcid rcx, [rbx]", &F::invpcid, {0x66, 0x0f, 0x38, 0x82, 0x0b}},
    {"monitor", &F::monitor, {0x0f, 0x01, 0xc8}},
    {"clflushopt [rbx]", &F::clflushopt, {0x66, 0x0f, 0xae, 0x3b}},
    {"clwb [rbx]", &F::clwb, {0x66, 0x0f, 0xae, 0x33}},
    {"serialize", &F::serialize, {0x0f, 0x01, 0xe8}},
    {"rdpkru", &F::pku, {0x0f, 0x01, 0xee}},
    {"xsave [rbx]", &F::xsave, {0x0f, 0xae, 0x23}},
    {"xgetbv", &F::xsave, {0x0f, 0x01, 0xd0}},
    {"xsaveopt [rbx]", &F::xsaveopt, {0x0f, 0xae, 0x33}},
    {"xsavec [rbx]", &F::xsavec, {0x0f, 0xc7, 0x23}},
    {"xsaves [rbx]", &F::xsaves, {0x0f, 0xc7, 0x2b}},
};

unsigned vector_of(const Sample& sample, const F& features) {
    cpu::CoreParams params;
    params.features = features;
    CoreBench bench{CodeMode::long64, params};
    auto& s = bench.s();
    s.cr4 |= (arch::cr4::osxsave | arch::cr4::osfxsr | arch::cr4::fsgsbase | arch::cr4::pke) & cpu::cr4_supported(cpu::every_feature());
    s.xcr0 = 7;
    s.gpr[arch::rbx] = CoreBench::data;
    s.gpr[arch::rcx] = 0;
    bench.core.state_changed();
    return bench.step(sample.code).vector;
}

TEST(RequiredFeatures, AnInstructionIsUndefinedWithoutItsFeature) {
    for (const auto& sample : samples) {
        F features = cpu::every_feature();
        EXPECT_EQ(vector_of(sample, features), CoreBench::none) << sample.name;
        features.*sample.feature = false;
        EXPECT_EQ(vector_of(sample, features), 6U) << sample.name;
    }
}

// A prefix of F3 that the processor does not know is ignored. SDM vol. 2, "LZCNT" and "TZCNT".
TEST(RequiredFeatures, LzcntAndTzcntAreBsrAndBsfWithoutTheirs) {
    for (const bool with : {false, true}) {
        cpu::CoreParams params;
        params.features.lzcnt = params.features.bmi1 = with;
        CoreBench bench{CodeMode::long64, params};
        bench.s().gpr[arch::rcx] = 0x10;
        ASSERT_EQ(bench.step({0xf3, 0x0f, 0xbd, 0xc1}).vector, CoreBench::none);
        EXPECT_EQ(bench.s().gpr[arch::rax], with ? 27U : 4U);
        bench.s().gpr[arch::rcx] = 0;
        bench.s().gpr[arch::rax] = 77;
        ASSERT_EQ(bench.step({0xf3, 0x0f, 0xbc, 0xc1}).vector, CoreBench::none);
        EXPECT_EQ(bench.s().gpr[arch::rax], with ? 32U : 77U);
    }
}

// AVX-512's and Knights Corner's forms of mnemonics that the engine has otherwise. SDM vol. 2, "EVEX prefix".
TEST(RequiredFeatures, FormsOfUnknownExtensionsAreUndefinedAndNamed) {
    struct Form {
        std::initializer_list<int> code;
        const char* name;
    };
    const Form forms[] = {
        {{0x62, 0xf1, 0x7c, 0x08, 0x58, 0xc1}, "vaddps"},                // xmm0, xmm0, xmm1
        {{0x62, 0xf1, 0x7c, 0x29, 0x58, 0xc1}, "vaddps"},                // ymm0 {k1}, ymm0, ymm1
        {{0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1}, "vmovaps"},               // zmm0, zmm1
        {{0x62, 0xf1, 0x7d, 0x08, 0x6f, 0x03}, "vmovdqa32"},             // xmm0, [rbx]
    };
    for (const auto& [code, name] : forms) {
        CoreBench bench{CodeMode::long64, every_feature_params()};
        auto& s = bench.s();
        s.cr4 |= arch::cr4::osxsave | arch::cr4::osfxsr;
        s.xcr0 = 7;
        EXPECT_EQ(bench.step(code).vector, 6) << name;
        ASSERT_EQ(bench.log.size(), 1U) << name;
        EXPECT_NE(bench.log[0].find(std::string{name} + " is not there"), std::string::npos) << bench.log[0];
    }
}

TEST(RequiredFeatures, TheLogNamesTheFeatureOnce) {
    cpu::CoreParams params;
    params.features.sse4_2 = false;
    CoreBench bench{CodeMode::long64, params};
    for (int i = 0; i < 2; ++i) EXPECT_EQ(bench.step({0xf2, 0x0f, 0x38, 0xf0, 0xc1}).vector, 6U);
    ASSERT_EQ(bench.log.size(), 1U);
    EXPECT_NE(bench.log[0].find("features.sse4_2 is switched off"), std::string::npos) << bench.log[0];
}

}  // namespace
}  // namespace vtsim::test
