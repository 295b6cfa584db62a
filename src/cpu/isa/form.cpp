// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa/form.h"

#include <fmt/format.h>

namespace vtsim::cpu::isa {
namespace {

// Registers that the opcode fixes are named, others are their class.
std::string register_text(const ZydisDecodedOperand& operand) {
    const auto reg = operand.reg.value;
    if (operand.encoding == ZYDIS_OPERAND_ENCODING_NONE) return ZydisRegisterGetString(reg);
    switch (ZydisRegisterGetClass(reg)) {
        case ZYDIS_REGCLASS_GPR8: return "r8";
        case ZYDIS_REGCLASS_GPR16: return "r16";
        case ZYDIS_REGCLASS_GPR32: return "r32";
        case ZYDIS_REGCLASS_GPR64: return "r64";
        case ZYDIS_REGCLASS_X87: return "st(i)";
        case ZYDIS_REGCLASS_MMX: return "mm";
        case ZYDIS_REGCLASS_XMM: return "xmm";
        case ZYDIS_REGCLASS_YMM: return "ymm";
        case ZYDIS_REGCLASS_SEGMENT: return "sreg";
        case ZYDIS_REGCLASS_CONTROL: return "cr";
        case ZYDIS_REGCLASS_DEBUG: return "dr";
        default: return ZydisRegisterGetString(reg);
    }
}

std::string memory_text(const ZydisDecodedOperand& operand) {
    const char* const kind = operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB ? "vm" : operand.encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64 ? "moffs" : "m";
    return operand.size == 0 || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN ? kind : fmt::format("{}{}", kind, operand.size);
}

}  // namespace

std::string form_of(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
    std::string text = ZydisMnemonicGetString(instruction.mnemonic);
    unsigned immediates = 0;
    for (unsigned i = 0; i < instruction.operand_count_visible; ++i) {
        const auto& operand = operands[i];
        text += i == 0 ? " " : ", ";
        switch (operand.type) {
            case ZYDIS_OPERAND_TYPE_REGISTER: text += register_text(operand); break;
            case ZYDIS_OPERAND_TYPE_MEMORY: text += memory_text(operand); break;
            case ZYDIS_OPERAND_TYPE_POINTER: text += fmt::format("ptr16:{}", operand.size - 16); break;
            case ZYDIS_OPERAND_TYPE_IMMEDIATE:
                if (operand.encoding == ZYDIS_OPERAND_ENCODING_NONE || immediates == 2) text += fmt::format("{}", operand.imm.value.u);
                else text += fmt::format("{}{}", operand.imm.is_relative ? "rel" : "imm", instruction.raw.imm[immediates++].size);
                break;
            default: text += '?';
        }
    }
    return text;
}

}  // namespace vtsim::cpu::isa
