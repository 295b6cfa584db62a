// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "unicorn/judge.h"
#include "unicorn/limits.h"

namespace vtsim::unicorn {
namespace {

using Verdict = Deviation::Verdict;
using arch::Vector;

// What the manual wants is a fault: nothing has happened.
void want_fault(Judged& j, Vector vector, u32 error_code = 0) {
    j.expected.state = j.c.start;
    j.expected.end = End::exception;
    j.expected.vector = static_cast<int>(vector);
    j.expected.error_code = error_code;
    j.expected.software = false;
    j.expected.io.clear();
}

// Unicorn went on where vtsim faults: what its memory has more is forgotten. vtsim's own must not have changed, but nothing remembers what it was; the general registers tell.
Verdict accept_fault(Judged& j, Vector vector, u32 error_code = 0) {
    want_fault(j, vector, error_code);
    j.ignore_memory = true;
    return Verdict::mended;
}

// Complete, whether a single-step trap follows or not.
bool done(const Judged& j) { return j.expected.end == End::done || (j.expected.vector == static_cast<int>(Vector::db) && !j.expected.software); }
bool is(const Judged& j, ZydisMnemonic mnemonic) { return !j.c.interrupt && j.c.mnemonic() == mnemonic; }
bool real_or_v86(const arch::State& s) { return !s.protected_mode() || s.virtual8086(); }

Verdict want_undefined(Judged& j) {
    want_fault(j, Vector::ud);
    return Verdict::mended;
}

constexpr Deviation rows[] = {
    {"TEST, second encoding", "F6 and F7 /1 are undefined opcodes", "SDM vol. 2, \"Opcode Extensions for One- and Two-byte Opcodes by Group Number\", gives only /0; processors execute /1 as /0",
     "not here: the comparison with the host executes it", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_TEST) && j.c.instruction.raw.modrm.reg == 1 ? Verdict::accepted : Verdict::none; }},
    {"INT1", "is an undefined opcode", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #DB", "vector 1, RIP behind the instruction",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_INT1)) return Verdict::none;
         want_fault(j, Vector::db);
         j.expected.software = true;
         j.expected.state.rip += j.c.code.size();
         return Verdict::mended;
     }},
    {"BSWAP of 16 bits", "swaps 32 bits", "SDM vol. 2, \"BSWAP\": undefined", "not compared", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_BSWAP) && j.c.instruction.operand_width == 16 ? Verdict::accepted : Verdict::none; }},
    {"CRC32 in 16-bit code", "takes 66H for 16 bits, whatever the size of the code", "SDM vol. 2, \"CRC32\"; vol. 1, \"Operand-Size and Address-Size Attributes\"",
     "not here: the comparison with the host executes it", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_CRC32) && j.c.size != CodeSize::protected32 && j.c.size != CodeSize::long64 ? Verdict::accepted : Verdict::none; }},
    {"SMSW to a register", "writes 16 bits outside 64-bit mode", "SDM vol. 2, \"SMSW\": bits 31:16 of a 32-bit register are undefined", "the low 16 bits",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SMSW) || j.c.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER || j.c.instruction.operand_width != 32) return Verdict::none;
         auto& value = j.expected.state.gpr[static_cast<unsigned>(gpr_number(j.c.operands[0].reg.value))];
         value = (value & 0xffff) | (j.actual.state.gpr[static_cast<unsigned>(gpr_number(j.c.operands[0].reg.value))] & ~u64{0xffff});
         return Verdict::mended;
     }},
    {"IA32_SYSENTER_CS", "keeps 16 bits", "SDM vol. 4, \"IA-32 Architectural MSRs\": bits 15:0 are the selector, the others are not used", "the low 16 bits",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_WRMSR)) return Verdict::none;
         auto& value = j.expected.state.sysenter_cs;
         if (value == j.actual.state.sysenter_cs || ((value ^ j.actual.state.sysenter_cs) & 0xffff) != 0) return Verdict::none;
         value = j.actual.state.sysenter_cs;
         return Verdict::mended;
     }},
    {"ENTER of 32 bits on a 16-bit stack", "writes BP", "SDM vol. 2, \"ENTER\": EBP gets a frame pointer that was read from SP", "the low 16 bits of EBP",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ENTER) || j.c.instruction.operand_width != 32 || stack_mask(j.c.start) != 0xffff || !done(j)) return Verdict::none;
         j.ignore_memory = (j.c.operands[1].imm.value.u & 31) != 0;           // the same pointer, pushed
         auto& value = j.expected.state.gpr[arch::rbp];
         value = (value & 0xffff) | (j.actual.state.gpr[arch::rbp] & ~u64{0xffff});
         return Verdict::mended;
     }},
    {"IA32_EFER", "has neither SCE nor NXE and lets LME change while paging is on", "SDM vol. 3, \"IA32_EFER\"", "not compared",
     [](Judged& j) { return is(j, ZYDIS_MNEMONIC_WRMSR) && j.c.start.gpr[arch::rcx] == 0xc000'0080 ? Verdict::accepted : Verdict::none; }},
    {"WRMSR", "takes any value", "SDM vol. 2, \"WRMSR\": #GP(0) for addresses that are not canonical and for reserved bits", "#GP(0) where the value is so",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_WRMSR) || !done(j)) return Verdict::none;
         const u64 value = (j.c.start.gpr[arch::rdx] << 32) | static_cast<u32>(j.c.start.gpr[arch::rax]);
         const u64 msr = j.c.start.gpr[arch::rcx];
         const bool mask = msr == 0xc000'0084, address = msr != 0x174 && msr != 0xc000'0080 && msr != 0xc000'0081 && !mask;
         if (!(mask && value >> 32 != 0) && !(address && !canonical(value))) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"prefetches of registers", "0F 0D and 0F 18 with a register are undefined opcodes", "SDM vol. 2, \"PREFETCHh\", \"NOP\": reserved NOPs", "completes and changes nothing",
     [](Judged& j) {
         if (j.c.interrupt || !(is(j, ZYDIS_MNEMONIC_NOP) || j.c.instruction.meta.category == ZYDIS_CATEGORY_PREFETCH) || j.c.instruction.raw.modrm.mod != 3 || done(j)) return Verdict::none;
         j.expected.state = j.c.start;
         j.expected.state.rip += j.c.code.size();
         j.expected.end = j.actual.end, j.expected.vector = j.actual.vector == static_cast<int>(Vector::db) ? j.actual.vector : no_vector;
         return Verdict::mended;
     }},
    {"PAUSE, HLT and single-stepping", "forgets the trap", "SDM vol. 3, \"Single-Step Exception Condition\"", "not compared",
     [](Judged& j) { return (is(j, ZYDIS_MNEMONIC_PAUSE) || is(j, ZYDIS_MNEMONIC_HLT)) && (j.c.start.rflags & arch::rflags::tf) != 0 ? Verdict::accepted : Verdict::none; }},
    {"SYSCALL", "does nothing but leave it to a hook", "SDM vol. 2, \"SYSCALL\"", "the manual's operation, written down here",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSCALL)) return Verdict::none;
         const auto& s = j.c.start;
         if (!s.code64() || (s.efer & arch::efer::sce) == 0) return want_undefined(j);
         auto& e = j.expected.state;
         e = s;
         j.expected.end = End::done, j.expected.vector = no_vector;
         e.gpr[arch::rcx] = s.rip + j.c.code.size();
         e.gpr[arch::r11] = s.read_rflags() & ~arch::rflags::rf;
         e.rip = s.lstar;
         e.write_rflags(s.read_rflags() & ~s.sfmask & ~arch::rflags::rf);
         e.cpl = 0;
         e.segment[arch::cs] = {0, ~u32{0}, 0xa09b, static_cast<u16>(s.star >> 32 & 0xfffc)};
         e.segment[arch::ss] = {0, ~u32{0}, 0xc093, static_cast<u16>((s.star >> 32 & 0xffff) + 8)};
         return Verdict::mended;
     }},
    {"targets beyond the limit", "jumps anywhere, near and in real-address mode far", "SDM vol. 2, \"JMP\", \"CALL\", \"RET\", \"Jcc\", \"LOOP\", \"IRET\": #GP(0) when the target is not within the code segment limit",
     "#GP(0) when Unicorn's new EIP lies beyond the limit; registers must be as before",
     [](Judged& j) {
         const auto& cs = j.expected.state.segment[arch::cs];
         if (!j.c.branches() || !done(j) || j.expected.state.code64() || j.expected.state.rip <= cs.limit || j.c.mnemonic() == ZYDIS_MNEMONIC_SYSRET || j.c.mnemonic() == ZYDIS_MNEMONIC_SYSEXIT) return Verdict::none;
         if (j.c.far() && !real_or_v86(j.c.start)) return Verdict::none;
         return accept_fault(j, Vector::gp);
     }},
    {"segment limits and types", "checks neither limit nor type of a segment when an instruction accesses it", "SDM vol. 3, \"Limit Checking\", \"Type Checking\": #SS(0) or #GP(0)",
     "limits.cpp says which instruction must fault; registers must be as before",
     [](Judged& j) {
         const auto prediction = predict_segment_faults(j.c);
         if (!prediction.any() || (j.expected.end == End::exception && j.expected.vector == j.actual.vector)) return Verdict::none;
         if (j.actual.error_code == 0 && prediction.allows(j.actual.vector)) {
             if (!j.c.interrupt && j.c.repeated()) return Verdict::accepted;
             return accept_fault(j, static_cast<Vector>(j.actual.vector));
         }
         if (!prediction.certain || j.expected.end == End::exception) return Verdict::none;
         want_fault(j, prediction.stack_fault ? Vector::ss : Vector::gp);
         return Verdict::mended;
     }},
};

}  // namespace

std::span<const Deviation> deviations() { return rows; }

}  // namespace vtsim::unicorn
