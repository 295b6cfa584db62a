// SPDX-License-Identifier: Apache-2.0
#include "shadow/write_emulation.h"

#include "vcpu.h"

namespace guest {
namespace {

constexpr u64 status_flags = 0x8d5;  // CF, PF, AF, ZF, SF, OF

struct Instruction {
    bool wide = false;      // 64 bits
    bool two_byte = false;
    u8 opcode = 0;
    unsigned reg = 0;       // of ModRM, with REX.R
    u64 immediate = 0;
    unsigned length = 0;
};

bool decode(const u8* code, unsigned available, Instruction& out) {
    unsigned at = 0;
    u8 rex = 0;
    const auto fetch = [&] { return at < available ? code[at++] : u8(0); };
    u8 byte = fetch();
    while (byte == 0xf0 || byte == 0x2e || byte == 0x3e || byte == 0x26 || byte == 0x36 || byte == 0x64 || byte == 0x65) byte = fetch();
    if ((byte & 0xf0) == 0x40) rex = byte, byte = fetch();
    out.two_byte = byte == 0x0f;
    out.opcode = out.two_byte ? fetch() : byte;
    out.wide = rex & 8;
    const u8 modrm = fetch();
    const unsigned mode = modrm >> 6, base = modrm & 7;
    if (mode == 3) return false;
    out.reg = (modrm >> 3 & 7) | (rex & 4 ? 8 : 0);
    unsigned displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0;
    if (base == 4) {
        if ((fetch() & 7) == 5 && mode == 0) displacement = 4;
    } else if (base == 5 && mode == 0) {
        displacement = 4;
    }
    at += displacement;
    const auto immediate = [&](unsigned bytes) {
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{fetch()} << 8 * i;
        const unsigned unused = 64 - 8 * bytes;
        return u64(std::int64_t(value << unused) >> unused);
    };
    if (!out.two_byte && (out.opcode == 0xc7 || out.opcode == 0x81)) out.immediate = immediate(4);
    else if ((!out.two_byte && out.opcode == 0x83) || (out.two_byte && out.opcode == 0xba)) out.immediate = immediate(1);
    out.length = at;
    return at <= available;
}

// The processor's own arithmetic on a copy: result and flags are exactly its own.
template <class T>
bool operate(unsigned operation, T& value, T source, u64& flags) {
    switch (operation) {
        case 0: asm volatile("add %2, %0; pushfq; popq %1" : "+r"(value), "=r"(flags) : "r"(source) : "cc"); return true;
        case 1: asm volatile("or %2, %0; pushfq; popq %1" : "+r"(value), "=r"(flags) : "r"(source) : "cc"); return true;
        case 4: asm volatile("and %2, %0; pushfq; popq %1" : "+r"(value), "=r"(flags) : "r"(source) : "cc"); return true;
        case 5: asm volatile("sub %2, %0; pushfq; popq %1" : "+r"(value), "=r"(flags) : "r"(source) : "cc"); return true;
        case 6: asm volatile("xor %2, %0; pushfq; popq %1" : "+r"(value), "=r"(flags) : "r"(source) : "cc"); return true;
        default: return false;
    }
}

void set_flags(u64 flags, u64 which) { vmwrite(Field::guest_rflags, (vmread(Field::guest_rflags) & ~which) | (flags & which)); }

u64 read_register(Vcpu& vcpu, unsigned number) {
    constexpr unsigned rsp = 4;
    return number == rsp ? vmread(Field::guest_rsp) : vcpu.gpr(number);
}

void write_register(Vcpu& vcpu, unsigned number, u64 value) {
    constexpr unsigned rsp = 4;
    if (number == rsp) vmwrite(Field::guest_rsp, value);
    else vcpu.gpr(number) = value;
}

template <class T>
bool execute(Vcpu& vcpu, const Instruction& instruction, T& memory) {
    const T old = memory, source = T(read_register(vcpu, instruction.reg));
    const unsigned operation = instruction.reg & 7;
    u64 flags = 0;
    T value = old;
    constexpr u64 carry = 1;
    if (instruction.two_byte) {
        switch (instruction.opcode) {
            case 0xb1: {  // CMPXCHG
                T accumulator = T(vcpu.registers.rax);
                operate<T>(5, accumulator, old, flags);
                const bool equal = accumulator == 0;
                if (equal) memory = source;
                else write_register(vcpu, 0, old);
                set_flags(flags, status_flags);
                return true;
            }
            case 0xba: {  // BTS, BTR by an immediate
                const unsigned bit = unsigned(instruction.immediate) & (8 * sizeof(T) - 1);
                if (operation != 5 && operation != 6) return false;
                memory = operation == 5 ? old | T{1} << bit : old & ~(T{1} << bit);
                set_flags(old >> bit & 1, carry);
                return true;
            }
            default: return false;
        }
    }
    switch (instruction.opcode) {
        case 0x89: memory = source; return true;
        case 0xc7:
            if (operation != 0) return false;
            memory = T(instruction.immediate);
            return true;
        case 0x87:
            memory = source;
            write_register(vcpu, instruction.reg, old);
            return true;
        case 0x01: case 0x09: case 0x21: case 0x29: case 0x31:
            operate<T>(instruction.opcode >> 3, value, source, flags);
            break;
        case 0x81: case 0x83:
            if (!operate<T>(operation, value, T(instruction.immediate), flags)) return false;
            break;
        default: return false;
    }
    memory = value;
    set_flags(flags, status_flags);
    return true;
}

}  // namespace

TableWrite emulate_table_write(Vcpu& vcpu, const u8* code, unsigned available, u8* operand) {
    Instruction instruction;
    TableWrite result;
    if (!decode(code, available, instruction)) return result;
    result.bytes = instruction.wide ? 8 : 4;
    if (reinterpret_cast<u64>(operand) & (result.bytes - 1)) return result;
    result.known = instruction.wide ? execute(vcpu, instruction, *reinterpret_cast<u64*>(operand)) : execute(vcpu, instruction, *reinterpret_cast<u32*>(operand));
    result.length = instruction.length;
    return result;
}

}  // namespace guest
