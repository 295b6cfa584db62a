// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "cpu/exec/dispatch.h"

namespace vtsim::cpu {

// An instruction as Zydis sees it, with the operands that are written in assembly (no hidden ones).
struct Decoded {
    const ZydisDecodedInstruction& instruction;
    const ZydisDecodedOperand* operands;      // visible ones first; hidden ones follow
    const DecodeMode& mode;
    [[nodiscard]] unsigned visible() const { return instruction.operand_count_visible; }
    [[nodiscard]] const ZydisDecodedOperand& operand(unsigned i) const { return operands[i]; }
    [[nodiscard]] bool is_register(unsigned i) const { return i < visible() && operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER; }
    [[nodiscard]] bool is_memory(unsigned i) const { return i < visible() && operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY; }
    [[nodiscard]] bool is_immediate(unsigned i) const { return i < visible() && operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }
};

enum class Flow : u8 {
    next,      // the block goes on
    ends,      // ends the block; the successor is looked up (changes RIP, mode, translation or interrupts)
    branch,    // a direct handler that ends the block itself through links
};

enum class Needs : u8 {
    nothing,
    sse,       // #UD when CR0.EM or not CR4.OSFXSR, #NM when CR0.TS
    x87,       // #NM when CR0.EM or CR0.TS
    mmx,       // #UD when CR0.EM, #NM when CR0.TS
    wait,      // #NM when CR0.MP and CR0.TS
    avx,       // #UD when not CR4.OSXSAVE, XCR0[2:1] is not 11b or not in protected mode, #NM when CR0.TS
};

// Instructions on 32- and 64-bit registers that can be executed together with a neighbour (exec/pairs.h).
enum class Simple : u8 {
    none, mov_immediate, imul_immediate,
    carry_mask,                           // SBB r, r
    mov_register,                         // from here to xor_register: those with a source register that their result depends on
    add_register, sub_register, and_register, or_register, xor_register,
    add_immediate, sub_immediate, and_immediate, or_immediate, xor_immediate,
    shl_immediate, shr_immediate, sar_immediate, rol_immediate, ror_immediate, lea_base, lea_indexed,
    count,
};

// What decode knows of a micro-op beside the micro-op itself.
struct Built : MicroOp {
    Flow flow = Flow::next;               // of the row; a builder may change it
    Handler without_flags = nullptr;      // the same without computing flags: taken when nobody can see them
    bool overwrites_flags = false;        // computes all six of them and reads none
    bool writes_flags = true;             // some of them, if without_flags was not taken
    Simple simple = Simple::none;
    bool may_leave = true;                // may fault or exit: then the flags before it must be right
    Handler (*fuse)(const Built& self, const Built& jcc, bool timed) = nullptr;    // handler of this op and a following Jcc as one, or nullptr
};

// What a row makes of a decoded instruction: the handler goes into `op`, whose generic fields (registers, memory form, immediate, width, flags) are
// filled already. Returns false when this form is not there: the instruction then raises #UD and is reported by name.
using Build = bool (*)(const Decoded& decoded, Built& op);

// One instruction family. The opcode table is the concatenation of the rows of exec/*.cpp; a mnemonic stands in it once.
struct Row {
    ZydisMnemonic mnemonic;
    Build build;
    Flow flow = Flow::next;
    Needs needs = Needs::nothing;
};

template <Body body, Flow flow>
bool build_body(const Decoded& /*decoded*/, Built& op) {
    op.handler = flow == Flow::next ? &complex<body> : &complex_end<body>;
    return true;
}

// A row whose forms are all executed by one body.
template <Body body, Flow flow = Flow::next, Needs needs = Needs::nothing>
constexpr Row row(ZydisMnemonic mnemonic) {
    return {mnemonic, &build_body<body, flow>, flow, needs};
}

// A row with a body per operand size: Family<T>::run for T = u8, u16, u32, u64, chosen by MicroOp::width.
template <template <class> class Family, Flow flow>
bool build_sized(const Decoded& decoded, Built& op) {
    switch (op.width) {
        case 0: return build_body<&Family<u8>::run, flow>(decoded, op);
        case 1: return build_body<&Family<u16>::run, flow>(decoded, op);
        case 2: return build_body<&Family<u32>::run, flow>(decoded, op);
        case 3: return build_body<&Family<u64>::run, flow>(decoded, op);
        default: return false;
    }
}
template <template <class> class Family, Flow flow = Flow::next>
constexpr Row sized_row(ZydisMnemonic mnemonic) {
    return {mnemonic, &build_sized<Family, flow>, flow, Needs::nothing};
}

// The row of a mnemonic, or nullptr. Built once from all the rows.
[[nodiscard]] const Row* find_row(ZydisMnemonic mnemonic);

// The rooms of exec/: each file exports its rows.
namespace exec {
std::span<const Row> integer_rows();      // exec/integer.cpp: ALU, moves, shifts, multiplication, bit operations
std::span<const Row> branch_rows();       // exec/branch.cpp: near jumps, calls, returns, Jcc, SETcc, CMOVcc, LOOP
std::span<const Row> string_rows();       // exec/string.cpp
std::span<const Row> system_rows();       // exec/system.cpp, msr.cpp, io.cpp: control registers, MSRs, descriptor tables, CPUID, I/O
std::span<const Row> vmx_rows();          // exec/vmx.cpp
// The far forms of JMP, CALL and RET (exec/far.cpp), which share their mnemonics with the near ones. Sets op.flow.
bool build_far_transfer(const Decoded& decoded, Built& op);
}  // namespace exec

}  // namespace vtsim::cpu
