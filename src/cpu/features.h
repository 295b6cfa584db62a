// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::vmx {
struct ProcessorLimits;
}

namespace vtsim::cpu {

struct CoreParams;

// What CPUID advertises, and with it which instructions, MSRs and control-register bits exist. Defaults: Broadwell, as far as the engine has it.
struct FeatureParams {
    u32 signature = 0x306d4;            // family 6, model 61, stepping 4: Broadwell-U (Intel SDM vol. 4, table of CPUID DisplayFamily_DisplayModel)
    std::string brand = "vtsim Broadwell";
    bool vmx = true;
    bool fsgsbase = true;
    bool smep = true;
    bool smap = true;
    bool umip = false;
    bool pcid = true;
    bool invpcid = true;
    bool pages_1g = true;
    bool rdtscp = true;
    bool nx = true;
    bool bmi1 = true;
    bool bmi2 = true;
    bool adx = true;
    bool lzcnt = true;
    bool popcnt = true;
    bool movbe = true;
    bool cmpxchg16b = true;
    bool rdrand = true;
    bool rdseed = true;
    bool x2apic = true;
    bool tsc_deadline = true;
    bool la57 = false;
    bool monitor = true;
    bool rdpid = false;
    bool prefetchw = true;
    bool clflushopt = false;
    bool spec_ctrl = false;
    bool mmx = true;
    bool sse3 = true;
    bool ssse3 = true;
    bool sse4_1 = true;
    bool sse4_2 = true;
    bool aes = true;
    bool pclmulqdq = true;
    bool f16c = true;
    bool fma = true;
    bool avx2 = true;
    bool vaes = false;
    bool vpclmulqdq = false;
    bool sha = false;
    bool clwb = false;
    bool serialize = false;
    bool xsave = true;
    bool xsaveopt = true;
    bool xsavec = false;
    bool xgetbv1 = false;
    bool xsaves = false;
    bool avx = true;
    bool pku = false;
    u32 highest_leaf = 0x14;            // of the basic CPUID leaves: from 15H on it tells frequencies, from 1FH on the topology twice
    u32 microcode = 0x2f;               // revision, IA32_BIOS_SIGN_ID
    u32 logical_processors = 0;         // of the package; 0: as many as the machine has
    u64 seed = 1;                       // of RDRAND and RDSEED

    void validate() const;              // throws ConfigError
};

// Everything that the engine has, whatever processor: for tests of single instructions and for tables of what is there.
[[nodiscard]] FeatureParams every_feature();

// Bits of CR4, IA32_EFER and XCR0 that these features define; setting any other one raises #GP(0).
[[nodiscard]] u64 cr4_supported(const FeatureParams& features);
[[nodiscard]] u64 efer_supported(const FeatureParams& features);
// XCR0: 0 without XSAVE.
[[nodiscard]] u64 xcr0_supported(const FeatureParams& features);

// What the other rooms must know of it.
[[nodiscard]] vmx::ProcessorLimits processor_limits(const CoreParams& params);

}  // namespace vtsim::cpu

namespace vtsim::config {
template <>
inline constexpr auto schema<cpu::FeatureParams> = std::tuple{
    Param{"signature", &cpu::FeatureParams::signature, "CPUID.01H:EAX: family, model, stepping"},
    Param{"brand", &cpu::FeatureParams::brand, "brand string of CPUID.80000002H-4H, at most 47 characters"},
    Param{"vmx", &cpu::FeatureParams::vmx, "VMX instructions"},
    Param{"fsgsbase", &cpu::FeatureParams::fsgsbase, "RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE and CR4.FSGSBASE"},
    Param{"smep", &cpu::FeatureParams::smep, "supervisor-mode execution prevention"},
    Param{"smap", &cpu::FeatureParams::smap, "supervisor-mode access prevention, CLAC and STAC"},
    Param{"umip", &cpu::FeatureParams::umip, "user-mode instruction prevention"},
    Param{"pcid", &cpu::FeatureParams::pcid, "process-context identifiers"},
    Param{"invpcid", &cpu::FeatureParams::invpcid, "INVPCID"},
    Param{"pages_1g", &cpu::FeatureParams::pages_1g, "1-GByte pages"},
    Param{"rdtscp", &cpu::FeatureParams::rdtscp, "RDTSCP and IA32_TSC_AUX"},
    Param{"nx", &cpu::FeatureParams::nx, "execute-disable and IA32_EFER.NXE"},
    Param{"bmi1", &cpu::FeatureParams::bmi1, "ANDN, BEXTR, BLSI, BLSMSK, BLSR, TZCNT"},
    Param{"bmi2", &cpu::FeatureParams::bmi2, "BZHI, MULX, PDEP, PEXT, RORX, SARX, SHLX, SHRX"},
    Param{"adx", &cpu::FeatureParams::adx, "ADCX and ADOX"},
    Param{"lzcnt", &cpu::FeatureParams::lzcnt, "LZCNT"},
    Param{"popcnt", &cpu::FeatureParams::popcnt, "POPCNT"},
    Param{"movbe", &cpu::FeatureParams::movbe, "MOVBE"},
    Param{"cmpxchg16b", &cpu::FeatureParams::cmpxchg16b, "CMPXCHG16B"},
    Param{"rdrand", &cpu::FeatureParams::rdrand, "RDRAND, from a seeded generator"},
    Param{"rdseed", &cpu::FeatureParams::rdseed, "RDSEED, from a seeded generator"},
    Param{"x2apic", &cpu::FeatureParams::x2apic, "x2APIC mode of the local APIC"},
    Param{"tsc_deadline", &cpu::FeatureParams::tsc_deadline, "TSC-deadline mode of the local APIC timer"},
    Param{"la57", &cpu::FeatureParams::la57, "5-level paging and 57-bit linear addresses"},
    Param{"monitor", &cpu::FeatureParams::monitor, "MONITOR and MWAIT"},
    Param{"rdpid", &cpu::FeatureParams::rdpid, "RDPID"},
    Param{"prefetchw", &cpu::FeatureParams::prefetchw, "CPUID reports PREFETCHW (which never faults, reported or not)"},
    Param{"clflushopt", &cpu::FeatureParams::clflushopt, "CLFLUSHOPT"},
    Param{"spec_ctrl", &cpu::FeatureParams::spec_ctrl, "IA32_SPEC_CTRL and IA32_PRED_CMD"},
    Param{"mmx", &cpu::FeatureParams::mmx, "MMX"},
    Param{"sse3", &cpu::FeatureParams::sse3, "SSE3, FISTTP among it; SSE and SSE2 are always there"},
    Param{"ssse3", &cpu::FeatureParams::ssse3, "SSSE3"},
    Param{"sse4_1", &cpu::FeatureParams::sse4_1, "SSE4.1"},
    Param{"sse4_2", &cpu::FeatureParams::sse4_2, "SSE4.2: CRC32, PCMPGTQ and the string comparisons"},
    Param{"aes", &cpu::FeatureParams::aes, "AES-NI, VEX-encoded too with avx"},
    Param{"pclmulqdq", &cpu::FeatureParams::pclmulqdq, "PCLMULQDQ, VEX-encoded too with avx"},
    Param{"f16c", &cpu::FeatureParams::f16c, "VCVTPH2PS and VCVTPS2PH; needs avx"},
    Param{"fma", &cpu::FeatureParams::fma, "fused multiply-add; needs avx"},
    Param{"avx2", &cpu::FeatureParams::avx2, "AVX2: 256-bit integers, gathers; needs avx"},
    Param{"vaes", &cpu::FeatureParams::vaes, "AES-NI on 256-bit registers; needs avx"},
    Param{"vpclmulqdq", &cpu::FeatureParams::vpclmulqdq, "PCLMULQDQ on 256-bit registers; needs avx"},
    Param{"sha", &cpu::FeatureParams::sha, "SHA-1 and SHA-256 instructions"},
    Param{"clwb", &cpu::FeatureParams::clwb, "CLWB"},
    Param{"serialize", &cpu::FeatureParams::serialize, "SERIALIZE"},
    Param{"xsave", &cpu::FeatureParams::xsave, "XSAVE, XRSTOR, XGETBV, XSETBV and CR4.OSXSAVE"},
    Param{"xsaveopt", &cpu::FeatureParams::xsaveopt, "XSAVEOPT"},
    Param{"xsavec", &cpu::FeatureParams::xsavec, "XSAVEC, and XRSTOR of the compacted format"},
    Param{"xgetbv1", &cpu::FeatureParams::xgetbv1, "XGETBV with ECX = 1: which state components are in use"},
    Param{"xsaves", &cpu::FeatureParams::xsaves, "XSAVES, XRSTORS and IA32_XSS"},
    Param{"avx", &cpu::FeatureParams::avx, "AVX: 256-bit registers, VEX-encoded SSE, XCR0[2]"},
    Param{"pku", &cpu::FeatureParams::pku, "protection keys for user pages: RDPKRU, WRPKRU, CR4.PKE, XCR0[9]"},
    Param{"highest_leaf", &cpu::FeatureParams::highest_leaf, "CPUID.0:EAX, the highest basic leaf: 0DH to 20H; 15H and 16H tell the TSC and processor frequencies, 1FH the topology as 0BH does"},
    Param{"microcode", &cpu::FeatureParams::microcode, "microcode revision that IA32_BIOS_SIGN_ID shows"},
    Param{"logical_processors", &cpu::FeatureParams::logical_processors, "logical processors that CPUID reports for the package, 1 to 255; 0: machine.cpus"},
    Param{"seed", &cpu::FeatureParams::seed, "seed of RDRAND and RDSEED"},
};
}  // namespace vtsim::config
