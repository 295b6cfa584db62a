// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/timing_shape.h"

#include <optional>

namespace vtsim::cpu {
namespace {

namespace dependency = timing::dependency;

// The dependency model's number of a register; nothing for those it does not follow (segments, control registers, RIP).
std::optional<u8> dependency_of(ZydisRegister reg) {
    const auto enclosing = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    const auto id = ZydisRegisterGetId(enclosing);
    switch (ZydisRegisterGetClass(enclosing)) {
        case ZYDIS_REGCLASS_GPR64: return static_cast<u8>(dependency::gpr + id);
        case ZYDIS_REGCLASS_XMM: case ZYDIS_REGCLASS_YMM: case ZYDIS_REGCLASS_ZMM:
            if (id < 16) return static_cast<u8>(dependency::vector + id);
            return std::nullopt;
        default: return std::nullopt;
    }
}

// XOR r, r and the like: the result does not depend on the register. Intel optimization manual, "Zero-Latency Instructions and Zero Idioms".
bool zero_idiom(const Decoded& decoded) {
    if (!decoded.is_register(0) || !decoded.is_register(1) || decoded.operand(0).reg.value != decoded.operand(1).reg.value) return false;
    switch (decoded.instruction.mnemonic) {
        case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_SUB: return decoded.operand(0).size >= 32;
        case ZYDIS_MNEMONIC_PXOR: case ZYDIS_MNEMONIC_XORPS: case ZYDIS_MNEMONIC_XORPD: return true;
        default: return false;
    }
}

timing::OperandForm form_of(const Decoded& decoded, bool memory) {
    using timing::OperandForm;
    const auto system = [&](unsigned operand) {
        if (!decoded.is_register(operand)) return false;
        const auto kind = ZydisRegisterGetClass(decoded.operand(operand).reg.value);
        return kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG;
    };
    if (memory) return OperandForm::memory;
    if (decoded.instruction.mnemonic != ZYDIS_MNEMONIC_MOV) return OperandForm::reg;
    return system(0) ? OperandForm::to_control : system(1) ? OperandForm::from_control : OperandForm::reg;
}

}  // namespace

timing::InstructionShape timing_shape(const Decoded& decoded, const timing::InstructionCosts& costs, u8 index) {
    const auto& instruction = decoded.instruction;
    timing::InstructionShape shape;
    shape.index = index;
    bool memory = false;
    const bool zeroes = zero_idiom(decoded);
    for (unsigned i = 0; i < instruction.operand_count; ++i) {
        const auto& operand = decoded.operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
            for (const auto reg : {operand.mem.base, operand.mem.index})
                if (const auto id = dependency_of(reg)) shape.add_source(*id, true);
            if (operand.mem.type != ZYDIS_MEMOP_TYPE_MEM) continue;                  // LEA computes an address only
            memory = true;
            if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) shape.load = true;
            if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) shape.store = true;
        } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
            const auto id = dependency_of(operand.reg.value);
            if (!id) continue;
            const bool writes = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
            // An 8- or 16-bit result is merged into the register.
            const bool merges = writes && operand.size < 32 && *id < dependency::flags;
            if (((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 || merges) && !zeroes) shape.add_source(*id);
            if (writes) shape.add_destination(*id);
        }
    }
    if (const auto* flags = instruction.cpu_flags; flags != nullptr) {
        if ((flags->tested & (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF | ZYDIS_CPUFLAG_PF)) != 0) shape.add_source(dependency::flags);
        if (((flags->modified | flags->set_0 | flags->set_1) & (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_ZF)) != 0) shape.add_destination(dependency::flags);
    }
    shape.cost_class = costs.class_of(static_cast<u16>(instruction.mnemonic), form_of(decoded, memory), instruction.operand_count_visible > 0 && decoded.operand(0).size != 0 ? decoded.operand(0).size : instruction.operand_width);
    return shape;
}

}  // namespace vtsim::cpu
