// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/required_features.h"

#include <array>

namespace vtsim::cpu {
namespace {

using F = FeatureParams;

constexpr FeatureSwitch adx[] = {{&F::adx, "adx"}};
constexpr FeatureSwitch aes[] = {{&F::aes, "aes"}};
constexpr FeatureSwitch avx[] = {{&F::avx, "avx"}};
constexpr FeatureSwitch avx_aes[] = {{&F::aes, "aes"}, {&F::avx, "avx"}};
constexpr FeatureSwitch avx_pclmulqdq[] = {{&F::pclmulqdq, "pclmulqdq"}, {&F::avx, "avx"}};
constexpr FeatureSwitch avx2[] = {{&F::avx2, "avx2"}};
constexpr FeatureSwitch bmi1[] = {{&F::bmi1, "bmi1"}};
constexpr FeatureSwitch bmi2[] = {{&F::bmi2, "bmi2"}};
constexpr FeatureSwitch clflushopt[] = {{&F::clflushopt, "clflushopt"}};
constexpr FeatureSwitch clwb[] = {{&F::clwb, "clwb"}};
constexpr FeatureSwitch cmpxchg16b[] = {{&F::cmpxchg16b, "cmpxchg16b"}};
constexpr FeatureSwitch f16c[] = {{&F::f16c, "f16c"}};
constexpr FeatureSwitch fma[] = {{&F::fma, "fma"}};
constexpr FeatureSwitch fsgsbase[] = {{&F::fsgsbase, "fsgsbase"}};
constexpr FeatureSwitch invpcid[] = {{&F::invpcid, "invpcid"}};
constexpr FeatureSwitch lzcnt[] = {{&F::lzcnt, "lzcnt"}};
constexpr FeatureSwitch monitor[] = {{&F::monitor, "monitor"}};
constexpr FeatureSwitch movbe[] = {{&F::movbe, "movbe"}};
constexpr FeatureSwitch pclmulqdq[] = {{&F::pclmulqdq, "pclmulqdq"}};
constexpr FeatureSwitch pku[] = {{&F::pku, "pku"}};
constexpr FeatureSwitch popcnt[] = {{&F::popcnt, "popcnt"}};
constexpr FeatureSwitch rdpid[] = {{&F::rdpid, "rdpid"}};
constexpr FeatureSwitch rdrand[] = {{&F::rdrand, "rdrand"}};
constexpr FeatureSwitch rdseed[] = {{&F::rdseed, "rdseed"}};
constexpr FeatureSwitch rdtscp[] = {{&F::rdtscp, "rdtscp"}};
constexpr FeatureSwitch serialize[] = {{&F::serialize, "serialize"}};
constexpr FeatureSwitch sha[] = {{&F::sha, "sha"}};
constexpr FeatureSwitch smap[] = {{&F::smap, "smap"}};
constexpr FeatureSwitch sse3[] = {{&F::sse3, "sse3"}};
constexpr FeatureSwitch sse4_1[] = {{&F::sse4_1, "sse4_1"}};
constexpr FeatureSwitch sse4_2[] = {{&F::sse4_2, "sse4_2"}};
constexpr FeatureSwitch ssse3[] = {{&F::ssse3, "ssse3"}};
constexpr FeatureSwitch vaes[] = {{&F::vaes, "vaes"}};
constexpr FeatureSwitch vpclmulqdq[] = {{&F::vpclmulqdq, "vpclmulqdq"}};
constexpr FeatureSwitch vmx[] = {{&F::vmx, "vmx"}};
constexpr FeatureSwitch xsave[] = {{&F::xsave, "xsave"}};
constexpr FeatureSwitch xsavec[] = {{&F::xsavec, "xsavec"}};
constexpr FeatureSwitch xsaveopt[] = {{&F::xsaveopt, "xsaveopt"}};
constexpr FeatureSwitch xsaves[] = {{&F::xsaves, "xsaves"}};

// By Zydis' instruction sets, which are those of Intel's XED.
struct Row {
    ZydisISASet set;
    std::span<const FeatureSwitch> features;
};
constexpr Row rows[] = {
    {ZYDIS_ISA_SET_ADOX_ADCX, adx},
    {ZYDIS_ISA_SET_AES, aes},
    {ZYDIS_ISA_SET_AVX, avx},
    {ZYDIS_ISA_SET_AVX2, avx2},
    {ZYDIS_ISA_SET_AVX2GATHER, avx2},
    {ZYDIS_ISA_SET_AVXAES, avx_aes},
    {ZYDIS_ISA_SET_BMI1, bmi1},
    {ZYDIS_ISA_SET_BMI2, bmi2},
    {ZYDIS_ISA_SET_CLFLUSHOPT, clflushopt},
    {ZYDIS_ISA_SET_CLWB, clwb},
    {ZYDIS_ISA_SET_CMPXCHG16B, cmpxchg16b},
    {ZYDIS_ISA_SET_F16C, f16c},
    {ZYDIS_ISA_SET_FMA, fma},
    {ZYDIS_ISA_SET_INVPCID, invpcid},
    {ZYDIS_ISA_SET_LZCNT, lzcnt},
    {ZYDIS_ISA_SET_MONITOR, monitor},
    {ZYDIS_ISA_SET_MOVBE, movbe},
    {ZYDIS_ISA_SET_PCLMULQDQ, pclmulqdq},
    {ZYDIS_ISA_SET_PKU, pku},
    {ZYDIS_ISA_SET_POPCNT, popcnt},
    {ZYDIS_ISA_SET_RDPID, rdpid},
    {ZYDIS_ISA_SET_RDRAND, rdrand},
    {ZYDIS_ISA_SET_RDSEED, rdseed},
    {ZYDIS_ISA_SET_RDTSCP, rdtscp},
    {ZYDIS_ISA_SET_RDWRFSGS, fsgsbase},
    {ZYDIS_ISA_SET_SERIALIZE, serialize},
    {ZYDIS_ISA_SET_SHA, sha},
    {ZYDIS_ISA_SET_SMAP, smap},
    {ZYDIS_ISA_SET_SSE3, sse3},
    {ZYDIS_ISA_SET_SSE3X87, sse3},
    {ZYDIS_ISA_SET_SSE4, sse4_1},
    {ZYDIS_ISA_SET_SSE42, sse4_2},
    {ZYDIS_ISA_SET_SSSE3, ssse3},
    {ZYDIS_ISA_SET_SSSE3MMX, ssse3},
    {ZYDIS_ISA_SET_VAES, vaes},
    {ZYDIS_ISA_SET_VMFUNC, vmx},
    {ZYDIS_ISA_SET_VPCLMULQDQ, vpclmulqdq},
    {ZYDIS_ISA_SET_VTX, vmx},
    {ZYDIS_ISA_SET_XSAVE, xsave},
    {ZYDIS_ISA_SET_XSAVEC, xsavec},
    {ZYDIS_ISA_SET_XSAVEOPT, xsaveopt},
    {ZYDIS_ISA_SET_XSAVES, xsaves},
};

// What every 64-bit processor has. XED's AMD is SYSCALL and SYSRET outside 64-bit mode, which Intel's processors decode and refuse.
constexpr ZydisISASet always[] = {
    ZYDIS_ISA_SET_AMD, ZYDIS_ISA_SET_CLFSH, ZYDIS_ISA_SET_CMOV, ZYDIS_ISA_SET_FAT_NOP, ZYDIS_ISA_SET_FCMOV, ZYDIS_ISA_SET_FXSAVE, ZYDIS_ISA_SET_FXSAVE64, ZYDIS_ISA_SET_I186,
    ZYDIS_ISA_SET_I286PROTECTED, ZYDIS_ISA_SET_I286REAL, ZYDIS_ISA_SET_I386, ZYDIS_ISA_SET_I486, ZYDIS_ISA_SET_I486REAL, ZYDIS_ISA_SET_I86, ZYDIS_ISA_SET_LAHF, ZYDIS_ISA_SET_LONGMODE,
    ZYDIS_ISA_SET_PAUSE, ZYDIS_ISA_SET_PENTIUMMMX, ZYDIS_ISA_SET_PENTIUMREAL, ZYDIS_ISA_SET_PPRO, ZYDIS_ISA_SET_PREFETCHWT1, ZYDIS_ISA_SET_PREFETCH_NOP, ZYDIS_ISA_SET_RDPMC,
    ZYDIS_ISA_SET_SMX, ZYDIS_ISA_SET_SSE, ZYDIS_ISA_SET_SSE2, ZYDIS_ISA_SET_SSE2MMX, ZYDIS_ISA_SET_SSEMXCSR, ZYDIS_ISA_SET_SSE_PREFETCH, ZYDIS_ISA_SET_X87,
};

using Table = std::array<InstructionSet, ZYDIS_ISA_SET_MAX_VALUE + 1>;
constexpr Table make_table() {
    Table table{};
    for (const auto& row : rows) table[row.set] = {true, row.features};
    for (const auto set : always) table[set].known = true;
    return table;
}
constexpr Table table = make_table();
constexpr InstructionSet carryless_avx{true, avx_pclmulqdq};

}  // namespace

// XED counts the 128-bit form of VPCLMULQDQ to AVX.
const InstructionSet& instruction_set(const ZydisDecodedInstruction& instruction) {
    const auto set = instruction.meta.isa_set;
    if (instruction.mnemonic == ZYDIS_MNEMONIC_VPCLMULQDQ && set == ZYDIS_ISA_SET_AVX) return carryless_avx;
    return table[set];
}

// EMMS names no register.
bool requires_mmx(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
    if (instruction.meta.isa_set == ZYDIS_ISA_SET_PENTIUMMMX) return true;
    for (unsigned i = 0; i < instruction.operand_count; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_MMX) return true;
    return false;
}

const char* lacking_feature(const FeatureParams& features, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
    for (const auto& feature : instruction_set(instruction).features)
        if (!(features.*feature.value)) return feature.name;
    if (!features.mmx && requires_mmx(instruction, operands)) return "mmx";
    return nullptr;
}

}  // namespace vtsim::cpu
