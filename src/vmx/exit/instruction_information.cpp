// SPDX-License-Identifier: Apache-2.0
#include "vmx/exit/exit_details.h"

namespace vtsim::vmx {

namespace {

// Scaling, address size, segment, index and base: what the formats with a memory operand share.
u32 memory_operand(const OperandInfo& operands) {
    return u32{operands.scaling} | u32{operands.address_size} << 7 | static_cast<u32>(operands.segment) << 15 | u32{operands.index} << 18 | u32{!operands.index_valid} << 22 |
           u32{operands.base} << 23 | u32{!operands.base_valid} << 27;
}

u32 register_or_memory(const OperandInfo& operands) {
    return operands.is_register ? 1U << 10 | u32{operands.reg1} << 3 : memory_operand(operands);
}

}  // namespace

u32 instruction_information(InformationFormat format, const OperandInfo& operands) {
    switch (format) {
        case InformationFormat::none: return 0;
        case InformationFormat::a: return u32{operands.address_size} << 7 | static_cast<u32>(operands.segment) << 15;
        case InformationFormat::b: return memory_operand(operands) | u32{operands.reg2} << 28;
        case InformationFormat::c: return memory_operand(operands) | u32{operands.operand_size != 0} << 11 | u32{operands.identity} << 28;
        case InformationFormat::d: return memory_operand(operands);
        case InformationFormat::e: return register_or_memory(operands) | u32{operands.reg2} << 28;
        case InformationFormat::f: return register_or_memory(operands) | u32{operands.identity} << 28;
        case InformationFormat::g: return u32{operands.reg1} << 3 | u32{operands.operand_size} << 11;
        case InformationFormat::h: return u32{operands.reg1} << 3;
        case InformationFormat::i: return u32{operands.reg1} << 3 | u32{operands.reg2} << 28;
    }
    return 0;
}

}  // namespace vtsim::vmx
