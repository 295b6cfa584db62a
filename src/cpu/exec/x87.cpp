// SPDX-License-Identifier: Apache-2.0
// The x87 unit. Every x86 host has one that computes the same 80-bit results: an instruction is executed there, with the guest's registers, control word and
// condition codes around it. What is not the same everywhere are the last bits of the transcendental instructions (x87_transcendental.h). SDM vol. 1, "Programming
// with the x87 FPU".
#include "cpu/exec/x87.h"

#include <emmintrin.h>

#include "cpu/exec/x87_transcendental.h"

// All instructions of the escape opcodes D8 to DF, four bytes each: the instruction, RET, padding. Register forms by the low three bits of the opcode and the low six
// of ModRM, then memory forms by opcode and ModRM.reg, with the operand at [RCX].
__asm__(R"(
    .pushsection .text
    .p2align 4
vtsim_x87_forms:
    .set opcode, 0xd8
    .rept 8
    .set modrm, 0xc0
    .rept 64
    .byte opcode, modrm, 0xc3, 0x90
    .set modrm, modrm + 1
    .endr
    .set opcode, opcode + 1
    .endr
    .set opcode, 0xd8
    .rept 8
    .set modrm, 1
    .rept 8
    .byte opcode, modrm, 0xc3, 0x90
    .set modrm, modrm + 8
    .endr
    .set opcode, opcode + 1
    .endr

    .p2align 4
    .hidden vtsim_x87_execute
    .globl vtsim_x87_execute
    .type vtsim_x87_execute, @function
vtsim_x87_execute:
    .cfi_startproc
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    fnstcw (%rsp)
    fxrstor (%rdi)
    lea vtsim_x87_forms(%rip), %r8
    lea (%r8, %rsi, 4), %r8
    mov %edx, %eax
    shl $8, %eax
    sahf
    call *%r8
    lahf
    fxsave (%rdi)
    fninit
    fldcw (%rsp)
    movzbl %ah, %eax
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size vtsim_x87_execute, . - vtsim_x87_execute
    .popsection
)");

// Executes form number `form` on the state in `area`, which it replaces. `flags` are the low eight bits of RFLAGS before; returns those after.
extern "C" vtsim::u32 vtsim_x87_execute(vtsim::cpu::exec::FxsaveArea* area, vtsim::u64 form, vtsim::u32 flags, void* operand);

namespace vtsim::cpu::exec {

namespace x87 {

void store_stack(const arch::X87State& x87, FxsaveArea& area) {
    const unsigned first = top(x87);
    for (unsigned i = 0; i < 8; ++i) std::memcpy(area.st[i], x87.reg[(first + i) & 7], 16);
}

void load_stack(arch::X87State& x87, const FxsaveArea& area) {
    const unsigned first = top(x87);
    for (unsigned i = 0; i < 8; ++i) {
        u8* reg = x87.reg[(first + i) & 7];
        std::memcpy(reg, area.st[i], 10);
        std::memset(reg + 10, 0, 6);
    }
}

}  // namespace x87

namespace {

using arch::Event;

constexpr u16 invalid = 1, overflow = 8, underflow = 16;
constexpr u16 memory_forms = 512;
enum class Operand : u8 { none, source, destination };

using Opcode = Field<10, 0>;              // as FXSAVE stores it: low bits of the first byte, ModRM
using Form = Field<31, 16>;

void fill_area(const arch::X87State& x87, FxsaveArea& area) {
    area.control = x87.control;
    area.status = static_cast<u16>(x87.status & ~(x87::exceptions | x87::stack_fault | x87::error_summary | x87::busy));
    area.tags = x87.valid;
    area.reserved0 = 0;
    area.opcode = 0;
    area.instruction_pointer = area.data_pointer = 0;
    area.mxcsr = _mm_getcsr();
    x87::store_stack(x87, area);
}

// The state after an instruction: its own exceptions join those that were there.
arch::X87State after(const Core& core, const MicroOp& op, const FxsaveArea& area) {
    auto x87 = core.s.x87;
    const u16 sticky = x87.status & (x87::exceptions | x87::stack_fault);
    x87.status = static_cast<u16>((area.status & ~(x87::error_summary | x87::busy)) | sticky);
    x87.valid = area.tags;
    x87::load_stack(x87, area);
    x87::summarize(x87);
    x87.opcode = static_cast<u16>(Opcode::get(op.imm));
    x87.instruction_pointer = core.truncate_rip(core.rip_of(op));
    return x87;
}

// FCMOVcc reads flags, FCOMI and its relatives write them; the others leave them alone. FCOMI clears OF, SF and AF.
template <bool writes_flags>
void commit_flags(Core& core, u64 before, u32 low) {
    namespace flag = arch::rflags;
    constexpr u64 compared = flag::zf | flag::pf | flag::cf;
    if constexpr (writes_flags) core.s.write_rflags((before & ~flag::status) | (low & compared));
}

template <bool writes_flags, bool transcendental = false>
Event on_registers(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    FxsaveArea area;
    fill_area(core.s.x87, area);
    const u64 flags = core.s.read_rflags();
    u32 low;
    if constexpr (transcendental) {
        const FxsaveArea before = area;
        low = vtsim_x87_execute(&area, Form::get(op.imm), static_cast<u32>(flags & 0xff), nullptr);
        x87::replace_approximation(static_cast<unsigned>(Opcode::get(op.imm) & 0xff), before, area);
    } else {
        low = vtsim_x87_execute(&area, Form::get(op.imm), static_cast<u32>(flags & 0xff), nullptr);
    }
    core.s.x87 = after(core, op, area);
    // SDM vol. 2, "FCOMI": an unmasked invalid operand leaves the flags as they were.
    if ((area.status & ~core.s.x87.control & invalid) == 0) commit_flags<writes_flags>(core, flags, low);
    return {};
}

template <Operand direction>
Event with_memory(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    const auto linear = core.linear(op, op.aux, direction == Operand::destination);
    if (!linear) return linear.event;
    u8 operand[16] = {};
    if constexpr (direction == Operand::source)
        if (const auto event = core.read_bytes(linear.value, operand, op.aux, core.access(arch::AccessKind::load))) return event;
    FxsaveArea area;
    fill_area(core.s.x87, area);
    vtsim_x87_execute(&area, Form::get(op.imm), 0, operand);
    if constexpr (direction == Operand::destination) {
        // Unmasked, these exceptions leave memory and the stack alone. Page faults come before them.
        const bool stored = (area.status & ~core.s.x87.control & (invalid | overflow | underflow)) == 0;
        const auto event = stored ? core.write_bytes(linear.value, operand, op.aux, core.access(arch::AccessKind::store)) : core.probe_write(linear.value, op.aux);
        if (event) return event;
    }
    auto x87 = after(core, op, area);
    x87.data_pointer = core.effective_address(op);
    core.s.x87 = x87;
    return {};
}

bool writes_status_flags(ZydisMnemonic mnemonic) {
    return mnemonic == ZYDIS_MNEMONIC_FCOMI || mnemonic == ZYDIS_MNEMONIC_FCOMIP || mnemonic == ZYDIS_MNEMONIC_FUCOMI || mnemonic == ZYDIS_MNEMONIC_FUCOMIP;
}

bool build_x87(const Decoded& decoded, Built& op) {
    const auto& raw = decoded.instruction.raw;
    const unsigned escape = decoded.instruction.opcode & 7;
    const unsigned modrm = raw.modrm.mod << 6 | raw.modrm.reg << 3 | raw.modrm.rm;
    const unsigned form = modrm >= 0xc0 ? escape * 64 + (modrm & 0x3f) : memory_forms + escape * 8 + raw.modrm.reg;
    op.imm = Form::set(escape << 8 | modrm, form);
    if (!op.memory()) {
        if (x87::is_transcendental(escape, modrm)) return build_body<on_registers<false, true>, Flow::next>(decoded, op);
        return writes_status_flags(decoded.instruction.mnemonic) ? build_body<on_registers<true>, Flow::next>(decoded, op) : build_body<on_registers<false>, Flow::next>(decoded, op);
    }
    op.aux = static_cast<u8>(decoded.operand(0).size / 8);
    if ((decoded.operand(0).actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) return build_body<with_memory<Operand::destination>, Flow::next>(decoded, op);
    return build_body<with_memory<Operand::source>, Flow::next>(decoded, op);
}

constexpr Row x87_row(ZydisMnemonic mnemonic) { return {mnemonic, &build_x87, Flow::next, Needs::x87}; }

constexpr Row rows[] = {
    // Data transfer.
    x87_row(ZYDIS_MNEMONIC_FLD), x87_row(ZYDIS_MNEMONIC_FST), x87_row(ZYDIS_MNEMONIC_FSTP), x87_row(ZYDIS_MNEMONIC_FSTPNCE), x87_row(ZYDIS_MNEMONIC_FILD), x87_row(ZYDIS_MNEMONIC_FIST),
    x87_row(ZYDIS_MNEMONIC_FISTP), x87_row(ZYDIS_MNEMONIC_FISTTP), x87_row(ZYDIS_MNEMONIC_FBLD), x87_row(ZYDIS_MNEMONIC_FBSTP), x87_row(ZYDIS_MNEMONIC_FXCH),
    x87_row(ZYDIS_MNEMONIC_FCMOVB), x87_row(ZYDIS_MNEMONIC_FCMOVE), x87_row(ZYDIS_MNEMONIC_FCMOVBE), x87_row(ZYDIS_MNEMONIC_FCMOVU),
    x87_row(ZYDIS_MNEMONIC_FCMOVNB), x87_row(ZYDIS_MNEMONIC_FCMOVNE), x87_row(ZYDIS_MNEMONIC_FCMOVNBE), x87_row(ZYDIS_MNEMONIC_FCMOVNU),
    // Constants.
    x87_row(ZYDIS_MNEMONIC_FLD1), x87_row(ZYDIS_MNEMONIC_FLDL2T), x87_row(ZYDIS_MNEMONIC_FLDL2E), x87_row(ZYDIS_MNEMONIC_FLDPI), x87_row(ZYDIS_MNEMONIC_FLDLG2),
    x87_row(ZYDIS_MNEMONIC_FLDLN2), x87_row(ZYDIS_MNEMONIC_FLDZ),
    // Basic arithmetic.
    x87_row(ZYDIS_MNEMONIC_FADD), x87_row(ZYDIS_MNEMONIC_FADDP), x87_row(ZYDIS_MNEMONIC_FIADD), x87_row(ZYDIS_MNEMONIC_FSUB), x87_row(ZYDIS_MNEMONIC_FSUBP),
    x87_row(ZYDIS_MNEMONIC_FISUB), x87_row(ZYDIS_MNEMONIC_FSUBR), x87_row(ZYDIS_MNEMONIC_FSUBRP), x87_row(ZYDIS_MNEMONIC_FISUBR), x87_row(ZYDIS_MNEMONIC_FMUL),
    x87_row(ZYDIS_MNEMONIC_FMULP), x87_row(ZYDIS_MNEMONIC_FIMUL), x87_row(ZYDIS_MNEMONIC_FDIV), x87_row(ZYDIS_MNEMONIC_FDIVP), x87_row(ZYDIS_MNEMONIC_FIDIV),
    x87_row(ZYDIS_MNEMONIC_FDIVR), x87_row(ZYDIS_MNEMONIC_FDIVRP), x87_row(ZYDIS_MNEMONIC_FIDIVR), x87_row(ZYDIS_MNEMONIC_FABS), x87_row(ZYDIS_MNEMONIC_FCHS),
    x87_row(ZYDIS_MNEMONIC_FSQRT), x87_row(ZYDIS_MNEMONIC_FPREM), x87_row(ZYDIS_MNEMONIC_FPREM1), x87_row(ZYDIS_MNEMONIC_FRNDINT), x87_row(ZYDIS_MNEMONIC_FSCALE),
    x87_row(ZYDIS_MNEMONIC_FXTRACT),
    // Comparison.
    x87_row(ZYDIS_MNEMONIC_FCOM), x87_row(ZYDIS_MNEMONIC_FCOMP), x87_row(ZYDIS_MNEMONIC_FCOMPP), x87_row(ZYDIS_MNEMONIC_FUCOM), x87_row(ZYDIS_MNEMONIC_FUCOMP),
    x87_row(ZYDIS_MNEMONIC_FUCOMPP), x87_row(ZYDIS_MNEMONIC_FICOM), x87_row(ZYDIS_MNEMONIC_FICOMP), x87_row(ZYDIS_MNEMONIC_FCOMI), x87_row(ZYDIS_MNEMONIC_FUCOMI),
    x87_row(ZYDIS_MNEMONIC_FCOMIP), x87_row(ZYDIS_MNEMONIC_FUCOMIP), x87_row(ZYDIS_MNEMONIC_FTST), x87_row(ZYDIS_MNEMONIC_FXAM),
    // Transcendental.
    x87_row(ZYDIS_MNEMONIC_FSIN), x87_row(ZYDIS_MNEMONIC_FCOS), x87_row(ZYDIS_MNEMONIC_FSINCOS), x87_row(ZYDIS_MNEMONIC_FPTAN), x87_row(ZYDIS_MNEMONIC_FPATAN),
    x87_row(ZYDIS_MNEMONIC_F2XM1), x87_row(ZYDIS_MNEMONIC_FYL2X), x87_row(ZYDIS_MNEMONIC_FYL2XP1),
    // The stack.
    x87_row(ZYDIS_MNEMONIC_FINCSTP), x87_row(ZYDIS_MNEMONIC_FDECSTP), x87_row(ZYDIS_MNEMONIC_FFREE), x87_row(ZYDIS_MNEMONIC_FFREEP), x87_row(ZYDIS_MNEMONIC_FNOP),
};

}  // namespace

std::span<const Row> x87_rows() { return rows; }

}  // namespace vtsim::cpu::exec
