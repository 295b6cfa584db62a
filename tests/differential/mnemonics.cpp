// SPDX-License-Identifier: Apache-2.0
#include "differential/mnemonics.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "arch/registers.h"

namespace vtsim::differential {
namespace {

using namespace arch::rflags;

#define M(name) ZYDIS_MNEMONIC_##name

// SDM vol. 1, appendix "EFLAGS Cross-Reference": the instructions with flags marked as undefined; shifts and rotates are below. BMI from their pages in vol. 2.
struct Undefined {
    u64 flags;
    std::vector<ZydisMnemonic> mnemonics;
};
const Undefined undefined_table[] = {
    {af, {M(AND), M(OR), M(XOR), M(TEST)}},
    {of | sf | af | pf | cf, {M(BSF), M(BSR)}},
    {of | sf | af | pf, {M(BT), M(BTC), M(BTR), M(BTS), M(LZCNT), M(TZCNT)}},
    {of | sf | zf | af | pf | cf, {M(DIV), M(IDIV)}},
    {sf | zf | af | pf, {M(MUL), M(IMUL)}},
    {af | pf, {M(ANDN), M(BLSI), M(BLSMSK), M(BLSR), M(BZHI)}},
    {sf | af | pf, {M(BEXTR)}},
    {of | sf | zf | pf, {M(AAA), M(AAS)}},
    {of | af | cf, {M(AAM), M(AAD)}},
    {of, {M(DAA), M(DAS)}},
};

const ZydisMnemonic integer_names[] = {
    M(ADC), M(ADCX), M(ADD), M(ADOX), M(AND), M(ANDN), M(BEXTR), M(BLSI), M(BLSMSK), M(BLSR), M(BSF), M(BSR), M(BSWAP), M(BT), M(BTC), M(BTR), M(BTS), M(BZHI),
    M(CALL), M(CBW), M(CDQ), M(CDQE), M(CLC), M(CLD), M(CMC), M(CMOVB), M(CMOVBE), M(CMOVL), M(CMOVLE), M(CMOVNB), M(CMOVNBE), M(CMOVNL), M(CMOVNLE), M(CMOVNO),
    M(CMOVNP), M(CMOVNS), M(CMOVNZ), M(CMOVO), M(CMOVP), M(CMOVS), M(CMOVZ), M(CMP), M(CMPXCHG), M(CMPXCHG16B), M(CMPXCHG8B), M(CQO), M(CRC32), M(CWD), M(CWDE),
    M(DEC), M(DIV), M(ENTER), M(IDIV), M(IMUL), M(INC), M(JB), M(JBE), M(JECXZ), M(JL), M(JLE), M(JMP), M(JNB), M(JNBE), M(JNL), M(JNLE), M(JNO), M(JNP), M(JNS),
    M(JNZ), M(JO), M(JP), M(JRCXZ), M(JS), M(JZ), M(LAHF), M(LEA), M(LEAVE), M(LOOP), M(LOOPE), M(LOOPNE), M(LZCNT), M(MOV), M(MOVBE), M(MOVNTI), M(MOVSX), M(MOVSXD),
    M(MOVZX), M(MUL), M(MULX), M(NEG), M(NOP), M(NOT), M(OR), M(PAUSE), M(PDEP), M(PEXT), M(POP), M(POPCNT), M(PUSH), M(PUSHFQ), M(RCL), M(RCR), M(ROL), M(ROR),
    M(RORX), M(SAHF), M(SAR), M(SARX), M(SBB), M(SETB), M(SETBE), M(SETL), M(SETLE), M(SETNB), M(SETNBE), M(SETNL), M(SETNLE), M(SETNO), M(SETNP), M(SETNS), M(SETNZ),
    M(SETO), M(SETP), M(SETS), M(SETZ), M(SHL), M(SHLD), M(SHLX), M(SHR), M(SHRD), M(SHRX), M(STC), M(STD), M(SUB), M(TEST), M(TZCNT), M(XADD), M(XCHG), M(XLAT), M(XOR),
    M(LFENCE), M(MFENCE), M(SFENCE), M(PREFETCHT0), M(PREFETCHT1), M(PREFETCHT2), M(PREFETCHNTA), M(PREFETCHW), M(CLFLUSH), M(CLFLUSHOPT), M(UD2),
};
const ZydisMnemonic string_names[] = {
    M(MOVSB), M(MOVSW), M(MOVSD), M(MOVSQ), M(STOSB), M(STOSW), M(STOSD), M(STOSQ), M(LODSB), M(LODSW), M(LODSD), M(LODSQ), M(CMPSB), M(CMPSW), M(CMPSD), M(CMPSQ), M(SCASB),
    M(SCASW), M(SCASD), M(SCASQ),
};
// MOVSD and CMPSD are among the strings.
const ZydisMnemonic sse_names[] = {
    M(ADDPD), M(ADDPS), M(ADDSD), M(ADDSS), M(ANDNPD), M(ANDNPS), M(ANDPD), M(ANDPS), M(CMPPD), M(CMPPS), M(CMPSS), M(COMISD), M(COMISS), M(CVTDQ2PD), M(CVTDQ2PS),
    M(CVTPD2DQ), M(CVTPD2PS), M(CVTPS2DQ), M(CVTPS2PD), M(CVTSD2SI), M(CVTSD2SS), M(CVTSI2SD), M(CVTSI2SS), M(CVTSS2SD), M(CVTSS2SI), M(CVTTPD2DQ), M(CVTTPS2DQ),
    M(CVTTSD2SI), M(CVTTSS2SI), M(DIVPD), M(DIVPS), M(DIVSD), M(DIVSS), M(LDMXCSR), M(MASKMOVDQU), M(MAXPD), M(MAXPS), M(MAXSD), M(MAXSS), M(MINPD), M(MINPS), M(MINSD), M(MINSS),
    M(MOVAPD), M(MOVAPS), M(MOVD), M(MOVDQA), M(MOVDQU), M(MOVHLPS), M(MOVHPD), M(MOVHPS), M(MOVLHPS), M(MOVLPD), M(MOVLPS), M(MOVMSKPD), M(MOVMSKPS), M(MOVNTDQ), M(MOVNTPD),
    M(MOVNTPS), M(MOVQ), M(MOVSS), M(MOVUPD), M(MOVUPS), M(MULPD), M(MULPS), M(MULSD), M(MULSS), M(ORPD), M(ORPS), M(PACKSSDW), M(PACKSSWB), M(PACKUSWB), M(PADDB), M(PADDD),
    M(PADDQ), M(PADDSB), M(PADDSW), M(PADDUSB), M(PADDUSW), M(PADDW), M(PAND), M(PANDN), M(PAVGB), M(PAVGW), M(PCMPEQB), M(PCMPEQD), M(PCMPEQW), M(PCMPGTB), M(PCMPGTD),
    M(PCMPGTW), M(PEXTRW), M(PINSRW), M(PMADDWD), M(PMAXSW), M(PMAXUB), M(PMINSW), M(PMINUB), M(PMOVMSKB), M(PMULHUW), M(PMULHW), M(PMULLW), M(PMULUDQ), M(POR), M(PSADBW),
    M(PSHUFD), M(PSHUFHW), M(PSHUFLW), M(PSLLD), M(PSLLDQ), M(PSLLQ), M(PSLLW), M(PSRAD), M(PSRAW), M(PSRLD), M(PSRLDQ), M(PSRLQ), M(PSRLW), M(PSUBB), M(PSUBD), M(PSUBQ),
    M(PSUBSB), M(PSUBSW), M(PSUBUSB), M(PSUBUSW), M(PSUBW), M(PUNPCKHBW), M(PUNPCKHDQ), M(PUNPCKHQDQ), M(PUNPCKHWD), M(PUNPCKLBW), M(PUNPCKLDQ), M(PUNPCKLQDQ), M(PUNPCKLWD),
    M(PXOR), M(SHUFPD), M(SHUFPS), M(SQRTPD), M(SQRTPS), M(SQRTSD), M(SQRTSS), M(STMXCSR), M(SUBPD), M(SUBPS), M(SUBSD), M(SUBSS), M(UCOMISD), M(UCOMISS), M(UNPCKHPD),
    M(UNPCKHPS), M(UNPCKLPD), M(UNPCKLPS), M(XORPD), M(XORPS),
    // SSE3, SSSE3
    M(ADDSUBPD), M(ADDSUBPS), M(HADDPD), M(HADDPS), M(HSUBPD), M(HSUBPS), M(LDDQU), M(MOVDDUP), M(MOVSHDUP), M(MOVSLDUP), M(PABSB), M(PABSD), M(PABSW), M(PALIGNR), M(PHADDD), M(PHADDSW),
    M(PHADDW), M(PHSUBD), M(PHSUBSW), M(PHSUBW), M(PMADDUBSW), M(PMULHRSW), M(PSHUFB), M(PSIGNB), M(PSIGND), M(PSIGNW),
    // SSE4.1, SSE4.2
    M(BLENDPD), M(BLENDPS), M(BLENDVPD), M(BLENDVPS), M(DPPD), M(DPPS), M(EXTRACTPS), M(INSERTPS), M(MOVNTDQA), M(MPSADBW), M(PACKUSDW), M(PBLENDVB), M(PBLENDW), M(PCMPEQQ), M(PCMPESTRI),
    M(PCMPESTRM), M(PCMPGTQ), M(PCMPISTRI), M(PCMPISTRM), M(PEXTRB), M(PEXTRD), M(PEXTRQ), M(PHMINPOSUW), M(PINSRB), M(PINSRD), M(PINSRQ), M(PMAXSB), M(PMAXSD), M(PMAXUD), M(PMAXUW),
    M(PMINSB), M(PMINSD), M(PMINUD), M(PMINUW), M(PMOVSXBD), M(PMOVSXBQ), M(PMOVSXBW), M(PMOVSXDQ), M(PMOVSXWD), M(PMOVSXWQ), M(PMOVZXBD), M(PMOVZXBQ), M(PMOVZXBW), M(PMOVZXDQ),
    M(PMOVZXWD), M(PMOVZXWQ), M(PMULDQ), M(PMULLD), M(PTEST), M(ROUNDPD), M(ROUNDPS), M(ROUNDSD), M(ROUNDSS),
    // AES, PCLMULQDQ, SHA
    M(AESDEC), M(AESDECLAST), M(AESENC), M(AESENCLAST), M(AESIMC), M(AESKEYGENASSIST), M(PCLMULQDQ), M(SHA1MSG1), M(SHA1MSG2), M(SHA1NEXTE), M(SHA1RNDS4), M(SHA256MSG1), M(SHA256MSG2),
    M(SHA256RNDS2),
    // MMX only; the others share their names with SSE2
    M(CVTPD2PI), M(CVTPI2PD), M(CVTPI2PS), M(CVTPS2PI), M(CVTTPD2PI), M(CVTTPS2PI), M(EMMS), M(MASKMOVQ), M(MOVDQ2Q), M(MOVNTQ), M(MOVQ2DQ), M(PSHUFW),
};
// Beside the VEX forms of the ones above.
const ZydisMnemonic avx_names[] = {
    M(VGATHERDPD), M(VGATHERDPS), M(VGATHERQPD), M(VGATHERQPS), M(VPGATHERDD), M(VPGATHERDQ), M(VPGATHERQD), M(VPGATHERQQ),
    M(VBROADCASTF128), M(VBROADCASTI128), M(VBROADCASTSD), M(VBROADCASTSS), M(VCMPSD), M(VCVTPH2PS), M(VCVTPS2PH), M(VEXTRACTF128), M(VEXTRACTI128), M(VINSERTF128), M(VINSERTI128), M(VMASKMOVPD),
    M(VMASKMOVPS), M(VMOVSD), M(VPBLENDD), M(VPBROADCASTB), M(VPBROADCASTD), M(VPBROADCASTQ), M(VPBROADCASTW), M(VPERM2F128), M(VPERM2I128), M(VPERMD), M(VPERMILPD), M(VPERMILPS), M(VPERMPD),
    M(VPERMPS), M(VPERMQ), M(VPMASKMOVD), M(VPMASKMOVQ), M(VPSLLVD), M(VPSLLVQ), M(VPSRAVD), M(VPSRLVD), M(VPSRLVQ), M(VTESTPD), M(VTESTPS), M(VZEROALL), M(VZEROUPPER),
};
const ZydisMnemonic x87_names[] = {
    M(F2XM1), M(FABS), M(FADD), M(FADDP), M(FBLD), M(FBSTP), M(FCHS), M(FCMOVB), M(FCMOVBE), M(FCMOVE), M(FCMOVNB), M(FCMOVNBE), M(FCMOVNE), M(FCMOVNU), M(FCMOVU), M(FCOM),
    M(FCOMI), M(FCOMIP), M(FCOMP), M(FCOMPP), M(FCOS), M(FDECSTP), M(FDIV), M(FDIVP), M(FDIVR), M(FDIVRP), M(FFREE), M(FIADD), M(FICOM), M(FICOMP), M(FIDIV), M(FIDIVR),
    M(FILD), M(FIMUL), M(FINCSTP), M(FIST), M(FISTP), M(FISTTP), M(FISUB), M(FISUBR), M(FLD), M(FLD1), M(FLDCW), M(FLDL2E), M(FLDL2T), M(FLDLG2), M(FLDLN2), M(FLDPI), M(FLDZ), M(FMUL),
    M(FMULP), M(FNCLEX), M(FNINIT), M(FNOP), M(FNSTCW), M(FNSTSW), M(FPATAN), M(FPREM), M(FPREM1), M(FPTAN), M(FRNDINT), M(FSCALE), M(FSIN), M(FSINCOS), M(FSQRT), M(FST),
    M(FSTP), M(FSUB), M(FSUBP), M(FSUBR), M(FSUBRP), M(FTST), M(FUCOM), M(FUCOMI), M(FUCOMIP), M(FUCOMP), M(FUCOMPP), M(FWAIT), M(FXAM), M(FXCH), M(FXTRACT), M(FYL2X),
    M(FYL2XP1),
};
const ZydisMnemonic bases_names[] = {M(RDFSBASE), M(RDGSBASE), M(WRFSBASE), M(WRGSBASE)};
const ZydisMnemonic legacy_names[] = {
    M(AAA), M(AAD), M(AAM), M(AAS), M(BOUND), M(DAA), M(DAS), M(INT), M(INT1), M(INT3), M(INTO), M(IRET), M(IRETD), M(JCXZ), M(LDS), M(LES), M(LFS), M(LGS), M(LSS), M(POPA), M(POPAD),
    M(POPF), M(POPFD), M(PUSHA), M(PUSHAD), M(PUSHF), M(PUSHFD), M(RET), M(SALC),
};
const ZydisMnemonic io_names[] = {M(IN), M(INSB), M(INSD), M(INSW), M(OUT), M(OUTSB), M(OUTSD), M(OUTSW)};
const ZydisMnemonic system_names[] = {
    M(ARPL), M(CLAC), M(CLI), M(CLTS), M(HLT), M(INVLPG), M(IRETQ), M(LAR), M(LGDT), M(LIDT), M(LLDT), M(LMSW), M(LSL), M(LTR), M(POPFQ), M(RDMSR), M(SGDT), M(SIDT), M(SLDT), M(SMSW),
    M(STAC), M(STI), M(STR), M(SWAPGS), M(SYSCALL), M(SYSENTER), M(SYSEXIT), M(SYSRET), M(VERR), M(VERW), M(WBINVD), M(WRMSR),
};

struct Table {
    std::vector<Mnemonic> rows;
    std::array<int, ZYDIS_MNEMONIC_MAX_VALUE + 1> index{};
    Table() {
        index.fill(-1);
        add(integer_names, Class::integer);
        add(string_names, Class::string);
        add(sse_names, Class::sse);
        add(x87_names, Class::x87);
        add(avx_names, Class::avx);
        add(bases_names, Class::bases);
        add(legacy_names, Class::legacy);
        add(io_names, Class::io);
        add(system_names, Class::system);
        // VEX forms by name, FMA by prefix.
        for (unsigned i = 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; ++i) {
            const auto mnemonic = static_cast<ZydisMnemonic>(i);
            const std::string name = ZydisMnemonicGetString(mnemonic);
            const bool fused = (name.starts_with("vfmadd") || name.starts_with("vfmsub") || name.starts_with("vfnmadd") || name.starts_with("vfnmsub")) && name.find_first_of("123") != std::string::npos &&
                               (name.ends_with("ps") || name.ends_with("pd") || name.ends_with("ss") || name.ends_with("sd"));
            const bool form = std::ranges::any_of(sse_names, [&](ZydisMnemonic legacy) { return name == std::string("v") + ZydisMnemonicGetString(legacy); });
            if ((fused || form) && index[mnemonic] < 0) add({&mnemonic, 1}, Class::avx);
        }
        for (const auto& undefined : undefined_table)
            for (const auto mnemonic : undefined.mnemonics) rows[static_cast<std::size_t>(index[mnemonic])].undefined = undefined.flags;
    }
    void add(std::span<const ZydisMnemonic> names, Class kind) {
        for (const auto mnemonic : names) {
            index[mnemonic] = static_cast<int>(rows.size());
            rows.push_back({mnemonic, kind, 0});
        }
    }
};
const Table& table() {
    static const Table instance;
    return instance;
}

// SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD": OF is defined for a count of 1, AF never is; CF of SHL and SHR is not for counts from the operand size on.
u64 undefined_by_count(ZydisMnemonic mnemonic, unsigned bits, unsigned count) {
    if (count == 0) return 0;
    const u64 overflow = count == 1 ? 0 : of;
    switch (mnemonic) {
        case M(RCL): case M(RCR): case M(ROL): case M(ROR): return overflow;
        case M(SAR): return overflow | af;
        case M(SHL): case M(SHR): return overflow | af | (count >= bits ? cf : 0);
        case M(SHLD): case M(SHRD): return overflow | af | (count >= bits ? cf | sf | zf | pf : 0);
        default: return 0;
    }
}

bool counts(ZydisMnemonic mnemonic) {
    switch (mnemonic) {
        case M(RCL): case M(RCR): case M(ROL): case M(ROR): case M(SAR): case M(SHL): case M(SHR): case M(SHLD): case M(SHRD): return true;
        default: return false;
    }
}
#undef M

}  // namespace

std::span<const Mnemonic> mnemonics() { return table().rows; }

const Mnemonic* find_mnemonic(ZydisMnemonic mnemonic) {
    const int at = table().index[mnemonic];
    return at < 0 ? nullptr : &table().rows[static_cast<std::size_t>(at)];
}

u64 undefined_flags(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, const u8* cl) {
    const auto mnemonic = instruction.mnemonic;
    if (!counts(mnemonic)) {
        const auto* row = find_mnemonic(mnemonic);
        return row == nullptr ? 0 : row->undefined;
    }
    const unsigned bits = operands[0].size, mask = bits == 64 ? 63 : 31;
    const auto& last = operands[instruction.operand_count_visible - 1];
    if (last.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return undefined_by_count(mnemonic, bits, static_cast<unsigned>(last.imm.value.u) & mask);
    if (instruction.opcode == 0xd0 || instruction.opcode == 0xd1) return undefined_by_count(mnemonic, bits, 1);
    if (cl != nullptr) return undefined_by_count(mnemonic, bits, *cl & mask);
    return undefined_by_count(mnemonic, bits, 31);
}

}  // namespace vtsim::differential
