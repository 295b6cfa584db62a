// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/operands.h"

#include <bit>
#include <utility>

namespace vtsim::cpu {

u8 register_number(ZydisRegister reg) {
    switch (ZydisRegisterGetClass(reg)) {
        case ZYDIS_REGCLASS_GPR8:
            // AH, CH, DH, BH are byte 1 of the first four registers.
            if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) return static_cast<u8>((reg - ZYDIS_REGISTER_AH) * 8 + 1);
            return static_cast<u8>(ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) * 8);
        case ZYDIS_REGCLASS_INVALID: return arch::State::zero_register;
        default: {
            const auto id = ZydisRegisterGetId(reg);
            return id < 0 ? arch::State::zero_register : static_cast<u8>(id);
        }
    }
}

namespace {

unsigned log2_bytes(unsigned bits) {
    return bits <= 8 ? 0U : static_cast<unsigned>(std::bit_width((bits + 7) / 8 - 1));
}

// A SIB byte without a base, which 32-bit addresses with REX.B have in Zydis 4.0 as R13D. SDM vol. 2, table "32-Bit Addressing Forms with the SIB Byte".
bool lacks_base(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand& operand) {
    const auto& raw = instruction.raw;
    return operand.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM && instruction.address_width != 16 && raw.modrm.mod == 0 && raw.modrm.rm == 4 && raw.sib.base == 5;
}

void fill_memory(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand& operand, MicroOp& op) {
    auto memory = operand.mem;
    if (lacks_base(instruction, operand)) {
        memory.base = ZYDIS_REGISTER_NONE;
        memory.disp = {true, instruction.raw.disp.value};
    }
    op.flags |= MicroOp::has_memory;
    i64 displacement = memory.disp.has_displacement ? memory.disp.value : 0;
    if (memory.base == ZYDIS_REGISTER_RIP || memory.base == ZYDIS_REGISTER_EIP) {
        op.base = arch::State::code_page_register;
        displacement += op.offset + op.length;
    } else {
        op.base = register_number(memory.base);
    }
    op.index = register_number(memory.index);
    op.disp = static_cast<i32>(displacement);
    const unsigned scale = memory.index == ZYDIS_REGISTER_NONE || memory.scale == 0 ? 0 : static_cast<unsigned>(std::countr_zero(memory.scale));
    const u8 segment = memory.segment == ZYDIS_REGISTER_NONE ? u8{arch::ds} : register_number(memory.segment);
    u64 shape = 0;
    shape = MicroOp::Scale::set(shape, scale);
    shape = MicroOp::Segment::set(shape, segment);
    op.shape = static_cast<u8>(op.shape | shape);
}

// The segment override of an instruction whose memory operand is not visible: XLAT, MASKMOVDQU, OUTS.
void fill_override(const ZydisDecodedInstruction& instruction, MicroOp& op) {
    constexpr std::pair<u64, arch::SegmentRegister> overrides[] = {{ZYDIS_ATTRIB_HAS_SEGMENT_CS, arch::cs}, {ZYDIS_ATTRIB_HAS_SEGMENT_SS, arch::ss}, {ZYDIS_ATTRIB_HAS_SEGMENT_DS, arch::ds},
                                                                   {ZYDIS_ATTRIB_HAS_SEGMENT_ES, arch::es}, {ZYDIS_ATTRIB_HAS_SEGMENT_FS, arch::fs}, {ZYDIS_ATTRIB_HAS_SEGMENT_GS, arch::gs}};
    for (const auto& [attribute, number] : overrides)
        if ((instruction.attributes & attribute) != 0) op.shape = static_cast<u8>(MicroOp::Segment::set(op.shape, number));
}

}  // namespace

void fill_operands(const Decoded& decoded, MicroOp& op) {
    const auto& instruction = decoded.instruction;
    op.dst = op.src = op.aux = op.base = op.index = arch::State::zero_register;
    op.shape = static_cast<u8>(MicroOp::AddressWidth::set(MicroOp::Segment::set(0, arch::ds), instruction.address_width == 64 ? 2 : instruction.address_width == 32 ? 1 : 0));
    op.flags = 0;
    op.imm = 0;
    op.disp = 0;
    op.width = static_cast<u8>(log2_bytes(instruction.operand_width));
    bool first_immediate = true, shaped = false;
    for (unsigned i = 0; i < decoded.visible(); ++i) {
        const auto& operand = decoded.operand(i);
        if (i == 0 && operand.type != ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.size != 0) op.width = static_cast<u8>(log2_bytes(operand.size));
        switch (operand.type) {
            case ZYDIS_OPERAND_TYPE_REGISTER: {
                u8& number = i == 0 ? op.dst : i == 1 ? op.src : op.aux;
                number = register_number(operand.reg.value);
                break;
            }
            case ZYDIS_OPERAND_TYPE_MEMORY:
                if (!shaped) {
                    if (operand.mem.segment != ZYDIS_REGISTER_NONE) op.shape = static_cast<u8>(op.shape & ~MicroOp::Segment::mask);
                    fill_memory(instruction, operand, op);
                    if (i == 0) op.flags |= MicroOp::memory_is_destination;
                    shaped = true;
                }
                break;
            case ZYDIS_OPERAND_TYPE_IMMEDIATE:
                if (first_immediate) {
                    op.imm = operand.imm.value.u;
                    op.flags |= MicroOp::has_immediate;
                    first_immediate = false;
                }
                break;
            default: break;
        }
    }
    if (!shaped) fill_override(instruction, op);
    // TEST r/m, r and CMP-like instructions whose memory operand is only read still have it as operand 0: the bit says where it stands.
    if ((instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0) op.flags |= MicroOp::lock;
    if ((instruction.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) != 0) op.flags |= MicroOp::rep;
    if ((instruction.attributes & ZYDIS_ATTRIB_HAS_REPNE) != 0) op.flags |= MicroOp::repne;
    if ((instruction.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0) op.flags |= MicroOp::operand16;
    // Zydis leaves the REX fields of other encodings as they happen to be.
    const bool w = instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX ? instruction.raw.vex.W != 0 : instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && instruction.raw.rex.W != 0;
    if (w) op.flags |= MicroOp::rex_w;
}

}  // namespace vtsim::cpu
