// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "cpu/decode/decoder.h"
#include "cpu/isa/coverage.h"
#include "cpu/isa/form.h"
#include "cpu/isa/oracles.h"

namespace vtsim::cpu::isa::test {
namespace {

const std::vector<InstructionForm>& forms() {
    static const auto all = instruction_forms(every_feature());
    return all;
}

std::string form_of_bytes(const DecodeMode& mode, std::initializer_list<u8> bytes) {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const Decoders decoders{every_feature()};
    const std::vector<u8> code(bytes);
    EXPECT_TRUE(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders.of(mode), code.data(), code.size(), &instruction, operands)));
    return form_of(instruction, operands);
}

TEST(InstructionForm, IsWhatTheManualsWrite) {
    constexpr DecodeMode code64{.code64 = true}, code16{};
    EXPECT_EQ(form_of_bytes(code64, {0x03, 0x07}), "add r32, m32");
    EXPECT_EQ(form_of_bytes(code64, {0x66, 0x83, 0xc0, 0x01}), "add r16, imm8");
    EXPECT_EQ(form_of_bytes(code64, {0x04, 0x01}), "add al, imm8");
    EXPECT_EQ(form_of_bytes(code64, {0x48, 0xd3, 0xe0}), "shl r64, cl");
    EXPECT_EQ(form_of_bytes(code64, {0xd1, 0xe0}), "shl r32, 1");
    EXPECT_EQ(form_of_bytes(code64, {0xeb, 0x00}), "jmp rel8");
    EXPECT_EQ(form_of_bytes(code64, {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0}), "mov r64, imm64");
    EXPECT_EQ(form_of_bytes(code64, {0xa0, 0, 0, 0, 0, 0, 0, 0, 0}), "mov al, moffs8");
    EXPECT_EQ(form_of_bytes(code64, {0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0b}), "vpgatherdd xmm, vm32, xmm");
    EXPECT_EQ(form_of_bytes(code64, {0xc5, 0xfc, 0x58, 0xc1}), "vaddps ymm, ymm, ymm");
    EXPECT_EQ(form_of_bytes(code64, {0xd8, 0xc1}), "fadd st0, st(i)");
    EXPECT_EQ(form_of_bytes(code64, {0x0f, 0x22, 0xd8}), "mov cr, r64");
    EXPECT_EQ(form_of_bytes(code16, {0xea, 0, 0, 0, 0}), "jmp ptr16:16");
    EXPECT_EQ(form_of_bytes(code16, {0xc4, 0x07}), "les r16, m32");
    EXPECT_EQ(form_of_bytes(code16, {0xc8, 1, 0, 2}), "enter imm16, imm8");
}

// Of what vtsim knows nothing is missing, in no code width.
TEST(InstructionForms, AreAllExecuted) {
    for (const auto& form : forms()) EXPECT_EQ(form.implemented, form.widths) << form.extension << ": " << form.text;
}

// A new form without an oracle does not go unseen: run scripts/isa-oracles, or say why there is none (isa/oracles.cpp).
TEST(InstructionForms, HaveAnOracleOrAReason) {
    std::size_t compared = 0;
    for (const auto& form : forms()) {
        compared += oracles_of(form.text) != 0 ? 1U : 0U;
        EXPECT_TRUE(oracles_of(form.text) != 0 || !untested_reason(form.text).empty()) << form.extension << ": " << form.text;
    }
    EXPECT_GT(compared * 100, forms().size() * 95);
    EXPECT_EQ(oracle_names(oracles_of("add r32, m32")).substr(0, 4), "host");
}

// No excuse outlives its need: a mnemonic is named only where none of its forms has been compared, a form only where it has not been.
TEST(InstructionForms, HaveReasonsThatAreNeeded) {
    std::map<std::string, u8> compared;                               // forms and mnemonics
    for (const auto& form : forms()) {
        compared[form.mnemonic] |= oracles_of(form.text);
        compared[form.text] |= oracles_of(form.text);
    }
    for (const auto& reason : untested_reasons()) {
        ASSERT_TRUE(reason.names.starts_with('|') && reason.names.ends_with('|')) << reason.names;
        for (std::size_t at = 1, end = 0; at < reason.names.size(); at = end + 1) {
            end = reason.names.find('|', at);
            const std::string name{reason.names.substr(at, end - at)};
            ASSERT_TRUE(compared.contains(name)) << "no such instruction: " << name;
            EXPECT_EQ(oracle_names(compared[name]), "") << name << " needs no reason";
        }
    }
}

TEST(InstructionForms, AreThoseOfTheManuals) {
    EXPECT_GT(forms().size(), 2500U);
    std::set<std::string> extensions, mnemonics;
    for (const auto& form : forms()) {
        extensions.insert(form.extension);
        mnemonics.insert(form.mnemonic);
    }
    for (const char* name : {"base", "mmx", "sse3", "ssse3", "ssse3+mmx", "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "aes", "aes+avx", "pclmulqdq+avx", "vmx", "xsaves"})
        EXPECT_TRUE(extensions.contains(name)) << name;
    for (const char* name : {"add", "vzeroupper", "vmresume", "fisttp", "into", "bound", "sysexit", "cmpxchg16b", "vpgatherqq"}) EXPECT_TRUE(mnemonics.contains(name)) << name;
    EXPECT_FALSE(mnemonics.contains("kaddb"));
    for (const auto& form : forms()) EXPECT_TRUE(form.advertised) << form.text;
}

TEST(InstructionForms, OfAFeatureThatIsOffAreNotShown) {
    FeatureParams features;
    features.avx2 = features.sha = false;
    for (const auto& form : instruction_forms(features)) EXPECT_EQ(form.advertised, [&] {
        for (const char* off : {"avx2", "sha", "vaes", "vpclmulqdq", "clwb", "clflushopt", "serialize", "rdpid", "pku", "xsavec", "xsaves"})
            if (form.extension.find(off) == 0) return false;
        return true;
    }()) << form.extension << ": " << form.text;
}

}  // namespace
}  // namespace vtsim::cpu::isa::test
