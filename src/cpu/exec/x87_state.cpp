// SPDX-License-Identifier: Apache-2.0
// Control and status of the x87 unit, its environment in memory, FXSAVE and FXRSTOR.
#include <emmintrin.h>

#include "cpu/exec/vector/move.h"
#include "cpu/exec/x87.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

constexpr u16 initial_control = 0x37f;
constexpr u16 control_reserved = 0xe080, control_set = 0x40;       // bit 6 reads as 1

void set_control(arch::X87State& x87, u16 value) {
    x87.control = static_cast<u16>((value & ~control_reserved) | control_set);
    x87::summarize(x87);
}

void initialize(arch::X87State& x87) {
    x87.control = initial_control;
    x87.status = 0;
    x87.valid = 0;
    x87.opcode = 0;
    x87.instruction_pointer = x87.data_pointer = 0;
}

Event fninit(Core& core, const MicroOp&) {
    initialize(core.s.x87);
    return {};
}

Event fnclex(Core& core, const MicroOp&) {
    core.s.x87.status = static_cast<u16>(core.s.x87.status & ~(x87::exceptions | x87::stack_fault | x87::error_summary | x87::busy));
    return {};
}

Event fwait(Core& core, const MicroOp&) { return x87::pending(core); }

Event fldcw(Core& core, const MicroOp& op) {
    if (const auto event = x87::pending(core)) return event;
    const auto value = core.read<u16>(op);
    if (value) set_control(core.s.x87, value.value);
    return value.event;
}

Event fnstcw(Core& core, const MicroOp& op) { return core.write<u16>(op, core.s.x87.control); }

Event fnstsw(Core& core, const MicroOp& op) {
    if (op.memory()) return core.write<u16>(op, core.s.x87.status);
    core.set_reg<u16>(arch::rax, core.s.x87.status);
    return {};
}

// FENI, FDISI and FSETPM of older coprocessors.
Event nothing(Core&, const MicroOp&) { return {}; }

// ---- environments --------------------------------------------------------------------------------------------------------------

// Tag of a register that is not empty: 0 valid, 1 zero, 2 special. SDM vol. 1, "x87 FPU Tag Word".
unsigned tag_of(const u8 (&reg)[16]) {
    u64 significand;
    u16 exponent;
    std::memcpy(&significand, reg, 8);
    std::memcpy(&exponent, reg + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0) return significand == 0 ? 1 : 2;
    return exponent == 0x7fff || significand >> 63 == 0 ? 2 : 0;
}

u16 tag_word(const arch::X87State& x87) {
    unsigned word = 0;
    for (unsigned i = 0; i < 8; ++i) word |= ((x87.valid >> i & 1) != 0 ? tag_of(x87.reg[i]) : 3U) << (2 * i);
    return static_cast<u16>(word);
}

u8 abridged(u16 word) {
    unsigned valid = 0;
    for (unsigned i = 0; i < 8; ++i) valid |= u32{(word >> (2 * i) & 3) != 3} << i;
    return static_cast<u8>(valid);
}

// The seven fields of an environment, 16 or 32 bits wide. SDM vol. 1, figures "x87 FPU State Image in Memory". Real and virtual-8086 mode pack linear addresses; the
// selectors of protected mode are deprecated (CPUID says so) and zero.
struct Environment {
    u32 field[7];
};

bool packs_addresses(const Core& core) { return !core.s.protected_mode() || core.s.virtual8086(); }

Environment environment_of(const Core& core, bool wide) {
    const auto& x87 = core.s.x87;
    const u32 reserved = wide ? 0xffff'0000 : 0;
    const auto ip = static_cast<u32>(x87.instruction_pointer), dp = static_cast<u32>(x87.data_pointer);
    Environment e{{x87.control | reserved, x87.status | reserved, tag_word(x87) | reserved, ip, 0, dp, wide ? reserved : 0}};
    if (!packs_addresses(core)) {
        e.field[4] = wide ? u32{x87.opcode} << 16 : 0;
    } else if (wide) {
        e.field[3] = (ip & 0xffff) | reserved, e.field[4] = (ip >> 16) << 12 | x87.opcode;
        e.field[5] = (dp & 0xffff) | reserved, e.field[6] = (dp >> 16) << 12;
    } else {
        e.field[4] = (ip >> 16 & 15) << 12 | x87.opcode;
        e.field[6] = (dp >> 16 & 15) << 12;
    }
    return e;
}

void load_environment(Core& core, const Environment& e, bool wide) {
    auto& x87 = core.s.x87;
    x87.status = static_cast<u16>(e.field[1]);
    x87.valid = abridged(static_cast<u16>(e.field[2]));
    u32 ip = e.field[3], dp = e.field[5], opcode = wide ? e.field[4] >> 16 : 0;
    if (packs_addresses(core)) {
        opcode = e.field[4];
        ip = (ip & 0xffff) | (e.field[4] >> 12) << 16;
        dp = (dp & 0xffff) | (e.field[6] >> 12) << 16;
    }
    x87.instruction_pointer = ip;
    x87.data_pointer = dp;
    x87.opcode = static_cast<u16>(opcode & 0x7ff);
    set_control(x87, static_cast<u16>(e.field[0]));
}

constexpr unsigned stack_bytes = 80;
constexpr unsigned environment_bytes(bool wide) { return wide ? 28 : 14; }

void put(const Environment& e, bool wide, u8* to) {
    for (const u32 field : e.field) {
        std::memcpy(to, &field, wide ? 4 : 2);
        to += wide ? 4 : 2;
    }
}

Environment get(bool wide, const u8* from) {
    Environment e{};
    for (u32& field : e.field) {
        std::memcpy(&field, from, wide ? 4 : 2);
        from += wide ? 4 : 2;
    }
    return e;
}

// FNSTENV and FNSAVE. Afterwards all exceptions are masked, or the unit is initialized.
template <bool wide, bool registers>
Event store_environment(Core& core, const MicroOp& op) {
    constexpr unsigned bytes = environment_bytes(wide) + (registers ? stack_bytes : 0);
    u8 image[bytes];
    put(environment_of(core, wide), wide, image);
    auto& x87 = core.s.x87;
    if constexpr (registers)
        for (unsigned i = 0; i < 8; ++i) std::memcpy(image + environment_bytes(wide) + i * 10, x87.reg[(x87::top(x87) + i) & 7], 10);
    const auto linear = core.linear(op, bytes, true);
    if (!linear) return linear.event;
    if (const auto event = core.write_bytes(linear.value, image, bytes, core.access(arch::AccessKind::store))) return event;
    if constexpr (registers) initialize(x87);
    else set_control(x87, x87.control | x87::exceptions);
    return {};
}

template <bool wide, bool registers>
Event load_environment_body(Core& core, const MicroOp& op) {
    constexpr unsigned bytes = environment_bytes(wide) + (registers ? stack_bytes : 0);
    if (const auto event = x87::pending(core)) return event;
    u8 image[bytes];
    const auto linear = core.linear(op, bytes, false);
    if (!linear) return linear.event;
    if (const auto event = core.read_bytes(linear.value, image, bytes, core.access(arch::AccessKind::load))) return event;
    load_environment(core, get(wide, image), wide);
    auto& x87 = core.s.x87;
    if constexpr (registers)
        for (unsigned i = 0; i < 8; ++i) std::memcpy(x87.reg[(x87::top(x87) + i) & 7], image + environment_bytes(wide) + i * 10, 10);
    return {};
}

template <bool loads, bool registers>
bool build_environment(const Decoded& decoded, Built& op) {
    const bool wide = decoded.instruction.operand_width != 16;
    if constexpr (loads) {
        return wide ? build_body<load_environment_body<true, registers>, Flow::next>(decoded, op) : build_body<load_environment_body<false, registers>, Flow::next>(decoded, op);
    } else {
        return wide ? build_body<store_environment<true, registers>, Flow::next>(decoded, op) : build_body<store_environment<false, registers>, Flow::next>(decoded, op);
    }
}

// ---- FXSAVE ---------------------------------------------------------------------------------------------------------------------

constexpr unsigned untouched_from = 416;          // FXSAVE leaves the last bytes of the area to software

// XMM registers that FXSAVE and FXRSTOR move: none while CR4.OSFXSR is clear, eight outside 64-bit mode.
unsigned moved_xmm_registers(const Core& core) {
    if ((core.s.cr4 & arch::cr4::osfxsr) == 0) return 0;
    return core.code64() ? 16 : 8;
}

arch::Outcome<u64> area_address(Core& core, const MicroOp& op, bool write) {
    const auto linear = core.linear(op, sizeof(FxsaveArea), write);
    if (linear && (linear.value & 15) != 0) return arch::general_protection();
    return linear;
}

template <bool wide>
Event fxsave(Core& core, const MicroOp& op) {
    const auto linear = area_address(core, op, true);
    if (!linear) return linear.event;
    const unsigned registers = moved_xmm_registers(core);
    FxsaveArea area{};
    x87::save(core.s.x87, area, wide);
    area.mxcsr = core.s.mxcsr;
    area.mxcsr_mask = mxcsr_mask;
    for (unsigned i = 0; i < registers; ++i) std::memcpy(area.xmm[i], &core.s.vector[i], 16);
    // What is not moved keeps its place in memory.
    const unsigned bytes = registers == 16 ? untouched_from : static_cast<unsigned>(offsetof(FxsaveArea, xmm)) + 16 * registers;
    return core.write_bytes(linear.value, &area, bytes, core.access(arch::AccessKind::store));
}

template <bool wide>
Event fxrstor(Core& core, const MicroOp& op) {
    const auto linear = area_address(core, op, false);
    if (!linear) return linear.event;
    FxsaveArea area;
    if (const auto event = core.read_bytes(linear.value, &area, sizeof area, core.access(arch::AccessKind::load))) return event;
    const unsigned registers = moved_xmm_registers(core);
    if ((area.mxcsr & ~mxcsr_mask) != 0 && registers != 0) return arch::general_protection();
    x87::restore(core.s.x87, area, wide);
    if (registers != 0) core.s.mxcsr = area.mxcsr;
    for (unsigned i = 0; i < registers; ++i) std::memcpy(&core.s.vector[i], area.xmm[i], 16);
    return {};
}

template <Body body>
constexpr Row x87_row(ZydisMnemonic mnemonic) {
    return row<body, Flow::next, Needs::x87>(mnemonic);
}

constexpr Row rows[] = {
    x87_row<fninit>(ZYDIS_MNEMONIC_FNINIT), x87_row<fnclex>(ZYDIS_MNEMONIC_FNCLEX), x87_row<fldcw>(ZYDIS_MNEMONIC_FLDCW), x87_row<fnstcw>(ZYDIS_MNEMONIC_FNSTCW),
    x87_row<fnstsw>(ZYDIS_MNEMONIC_FNSTSW), x87_row<nothing>(ZYDIS_MNEMONIC_FENI8087_NOP), x87_row<nothing>(ZYDIS_MNEMONIC_FDISI8087_NOP), x87_row<nothing>(ZYDIS_MNEMONIC_FSETPM287_NOP),
    row<fwait, Flow::next, Needs::wait>(ZYDIS_MNEMONIC_FWAIT),
    {ZYDIS_MNEMONIC_FNSTENV, &build_environment<false, false>, Flow::next, Needs::x87}, {ZYDIS_MNEMONIC_FLDENV, &build_environment<true, false>, Flow::next, Needs::x87},
    {ZYDIS_MNEMONIC_FNSAVE, &build_environment<false, true>, Flow::next, Needs::x87}, {ZYDIS_MNEMONIC_FRSTOR, &build_environment<true, true>, Flow::next, Needs::x87},
    x87_row<fxsave<false>>(ZYDIS_MNEMONIC_FXSAVE), x87_row<fxsave<true>>(ZYDIS_MNEMONIC_FXSAVE64),
    x87_row<fxrstor<false>>(ZYDIS_MNEMONIC_FXRSTOR), x87_row<fxrstor<true>>(ZYDIS_MNEMONIC_FXRSTOR64),
};

}  // namespace

namespace x87 {

void save(const arch::X87State& x87, FxsaveArea& area, bool wide) {
    area.control = x87.control;
    area.status = x87.status;
    area.tags = x87.valid;
    area.opcode = x87.opcode;
    area.instruction_pointer = wide ? x87.instruction_pointer : static_cast<u32>(x87.instruction_pointer);
    area.data_pointer = wide ? x87.data_pointer : static_cast<u32>(x87.data_pointer);
    store_stack(x87, area);
}

void restore(arch::X87State& x87, const FxsaveArea& area, bool wide) {
    x87.status = area.status;
    x87.valid = area.tags;
    x87.opcode = area.opcode & 0x7ff;
    x87.instruction_pointer = wide ? area.instruction_pointer : static_cast<u32>(area.instruction_pointer);
    x87.data_pointer = wide ? area.data_pointer : static_cast<u32>(area.data_pointer);
    load_stack(x87, area);
    set_control(x87, area.control);
}

}  // namespace x87

std::span<const Row> x87_state_rows() { return rows; }

}  // namespace vtsim::cpu::exec
