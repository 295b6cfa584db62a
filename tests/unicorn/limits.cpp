// SPDX-License-Identifier: Apache-2.0
#include "unicorn/limits.h"

#include <algorithm>

namespace vtsim::unicorn {
namespace {

struct Access {
    Place place;
    unsigned bytes;
    bool write, certain = true;
};

// SDM vol. 3, "Limit Checking": the last byte must not lie beyond the limit; of an expand-down segment the offsets up to the limit are the forbidden ones, and those from 64 KByte on
// (4 GByte with B set).
bool violates(const arch::State& s, const Access& access) {
    const auto& segment = s.segment[access.place.segment];
    const bool real = !s.protected_mode() || s.virtual8086();
    if (s.code64()) return false;
    if (!real) {
        if (segment.unusable()) return true;
        if (access.write ? !segment.writable() : !segment.readable()) return true;
    }
    const u64 last = access.place.offset + access.bytes - 1;
    if (!real && segment.expands_down()) return access.place.offset <= segment.limit || last > (segment.default_big() ? low_bits(32) : low_bits(16));
    return last > segment.limit || last > low_bits(32);
}

unsigned bytes_of(const Case& c) { return c.instruction.operand_width / 8U; }

// Accesses of the stack: `count` slots are pushed, or popped from where the stack pointer is.
void add_stack(const Case& c, std::vector<Access>& all, unsigned pushed, unsigned popped, unsigned bytes, bool certain = true) {
    const u64 mask = stack_mask(c.start), pointer = c.start.gpr[arch::rsp];
    for (unsigned i = 1; i <= pushed; ++i) all.push_back({{arch::ss, (pointer - u64{i} * bytes) & mask}, bytes, true, certain});
    for (unsigned i = 0; i < popped; ++i) all.push_back({{arch::ss, (pointer + u64{i} * bytes) & mask}, bytes, false, certain});
}

void add_implicit(const Case& c, std::vector<Access>& all) {
    const bool real = !c.start.protected_mode() || c.start.virtual8086();
    const unsigned bytes = bytes_of(c);
    switch (c.mnemonic()) {
        case ZYDIS_MNEMONIC_PUSH: case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: case ZYDIS_MNEMONIC_PUSHFQ: return add_stack(c, all, 1, 0, bytes);
        case ZYDIS_MNEMONIC_POP: case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ: return add_stack(c, all, 0, 1, bytes);
        case ZYDIS_MNEMONIC_PUSHA: case ZYDIS_MNEMONIC_PUSHAD: return add_stack(c, all, 8, 0, bytes);
        case ZYDIS_MNEMONIC_POPA: case ZYDIS_MNEMONIC_POPAD: return add_stack(c, all, 0, 8, bytes);
        case ZYDIS_MNEMONIC_CALL: return add_stack(c, all, c.far() ? 2 : 1, 0, bytes, real || !c.far());
        case ZYDIS_MNEMONIC_RET: {
            add_stack(c, all, 0, c.far() ? 4 : 1, bytes, !c.far());
            const u64 released = c.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? c.operands[0].imm.value.u & 0xffff : 0;
            for (u64 i = 2; c.far() && i < 4; ++i) all.push_back({{arch::ss, (c.start.gpr[arch::rsp] + i * bytes + released) & stack_mask(c.start)}, bytes, false, false});
            return;
        }
        case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ: return add_stack(c, all, 0, 9, bytes, false);
        case ZYDIS_MNEMONIC_LEAVE: all.push_back({{arch::ss, c.start.gpr[arch::rbp] & stack_mask(c.start)}, bytes, false}); return;
        case ZYDIS_MNEMONIC_ENTER: {
            const u64 levels = c.operands[1].imm.value.u & 31, frame = c.start.gpr[arch::rbp];
            add_stack(c, all, static_cast<unsigned>(levels + 1), 0, bytes);
            for (u64 i = 1; i < levels; ++i) all.push_back({{arch::ss, (frame - i * bytes) & stack_mask(c.start)}, bytes, false});
            // SDM vol. 2, "ENTER": the last byte that the new stack pointer leads to must be writable.
            const u64 end = c.start.gpr[arch::rsp] - (levels + 1) * bytes - (c.operands[0].imm.value.u & 0xffff);
            all.push_back({{arch::ss, end & stack_mask(c.start)}, bytes, true, false});
            all.push_back({{arch::ss, end & stack_mask(c.start)}, 1, true, false});
            return;
        }
        default: return;
    }
}

bool on_stack(const Case& c, const ZydisDecodedOperand& operand) {
    return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && (operand.mem.base == ZYDIS_REGISTER_SP || operand.mem.base == ZYDIS_REGISTER_ESP || operand.mem.base == ZYDIS_REGISTER_RSP ||
                                                                     c.mnemonic() == ZYDIS_MNEMONIC_LEAVE || c.mnemonic() == ZYDIS_MNEMONIC_ENTER);
}

bool string_source(const Case& c) { return c.instruction.meta.category == ZYDIS_CATEGORY_STRINGOP || c.instruction.meta.category == ZYDIS_CATEGORY_IOSTRINGOP; }

u64 count_of(const Case& c) { return c.repeated() && string_source(c) ? c.start.gpr[arch::rcx] & low_bits(c.instruction.address_width) : 1; }

// Of a bit string in memory, the element that the bit number leads to. SDM vol. 2, "BT".
u64 bit_offset(const Case& c) {
    const auto& number = c.operands[1];
    if (c.instruction.meta.category != ZYDIS_CATEGORY_BITBYTE || number.type != ZYDIS_OPERAND_TYPE_REGISTER || gpr_number(number.reg.value) < 0) return 0;
    switch (c.mnemonic()) {
        case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTC: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTS: break;
        default: return 0;
    }
    const unsigned width = c.instruction.operand_width;
    const u64 bits = sign_extend(c.start.gpr[static_cast<unsigned>(gpr_number(number.reg.value))], width);
    return static_cast<u64>(static_cast<i64>(bits) >> (width == 16 ? 4 : width == 32 ? 5 : 6)) * (width / 8);
}

void add_operand(const Case& c, const ZydisDecodedOperand& operand, std::vector<Access>& all) {
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN && c.mnemonic() != ZYDIS_MNEMONIC_BOUND) return;
    unsigned bytes = operand.size / 8U;
    auto place = place_of(c, operand);
    place.offset = (place.offset + bit_offset(c)) & low_bits(c.instruction.address_width);
    // ARPL may or may not write what it does not change.
    const bool write = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0, certain = c.mnemonic() != ZYDIS_MNEMONIC_ARPL;
    if (c.mnemonic() == ZYDIS_MNEMONIC_BOUND) bytes = bytes_of(c) * 2;
    const u64 count = count_of(c);
    const u64 step = (c.start.read_rflags() & arch::rflags::df) != 0 ? u64{0} - bytes : bytes;
    for (u64 i = 0; i < count; ++i) all.push_back({{place.segment, (place.offset + i * step) & low_bits(c.instruction.address_width)}, bytes, write, i == 0 && certain});
}

}  // namespace

// A frame of an event in real-address mode; the others are pushed by the processor through what it finds in tables.
Prediction predict_frame_faults(const Case& c) {
    std::vector<Access> all;
    if (!c.start.protected_mode()) add_stack(c, all, 3, 0, 2);
    return {.stack_fault = std::ranges::any_of(all, [&](const Access& access) { return violates(c.start, access); })};
}

Prediction predict_segment_faults(const Case& c) {
    if (c.interrupt) return predict_frame_faults(c);
    std::vector<Access> all;
    if (c.mnemonic() != ZYDIS_MNEMONIC_NOP && c.mnemonic() != ZYDIS_MNEMONIC_INVLPG && c.instruction.meta.category != ZYDIS_CATEGORY_PREFETCH)
        for (unsigned i = 0; i < c.instruction.operand_count; ++i)
            if (is_memory(c.operands[i]) && !on_stack(c, c.operands[i])) add_operand(c, c.operands[i], all);
    add_implicit(c, all);
    Prediction prediction;
    prediction.certain = false;
    for (const auto& access : all) {
        if (!violates(c.start, access)) continue;
        (access.place.segment == arch::ss ? prediction.stack_fault : prediction.protection_fault) = true;
        prediction.certain |= access.certain;
    }
    const auto& cs = c.start.segment[arch::cs];
    if (!c.start.code64() && c.start.rip + c.code.size() - 1 > cs.limit) return {.protection_fault = true};
    return prediction;
}

bool frame_violates(const arch::State& after, unsigned slots, unsigned bytes) {
    for (unsigned i = 0; i < slots; ++i)
        if (violates(after, {{arch::ss, (after.gpr[arch::rsp] + u64{i} * bytes) & stack_mask(after)}, bytes, true})) return true;
    return false;
}

bool port_denied(const Case& c, Memories& memories) {
    const auto& s = c.start;
    const u64 iopl = s.read_rflags() >> 12 & 3;
    if (!s.protected_mode() || (!s.virtual8086() && s.cpl <= iopl)) return false;
    const auto& task = s.segment[arch::tr];
    if (task.type() != 11 || task.limit < 103) return true;
    const u64 map = u64{memories.read(task.base + 102)} | u64{memories.read(task.base + 103)} << 8;
    unsigned bytes = 1;
    for (unsigned i = 0; i < c.instruction.operand_count; ++i) {
        const auto& operand = c.operands[i];
        const bool port = operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_DX;
        if (!port && operand.type != ZYDIS_OPERAND_TYPE_IMMEDIATE && (operand.type == ZYDIS_OPERAND_TYPE_MEMORY || gpr_number(operand.reg.value) == arch::rax)) bytes = std::max(1U, operand.size / 8U);
    }
    const u64 first = map + c.port.number / 8;
    if (first + 1 > task.limit) return true;
    const u64 bits = u64{memories.read(task.base + first)} | u64{memories.read(task.base + first + 1)} << 8;
    return (bits >> (c.port.number & 7) & low_bits(bytes)) != 0;
}

}  // namespace vtsim::unicorn
