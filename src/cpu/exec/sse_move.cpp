// SPDX-License-Identifier: Apache-2.0
// Moves of SSE and SSE2, shuffles of floating-point lanes, MXCSR.
#include <algorithm>

#include "cpu/exec/sse.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// MOVAPS, MOVUPS and relatives: 16 bytes between registers or with memory.
template <bool aligned>
Event move(Core& core, const MicroOp& op) {
    if (!op.memory()) {
        set_xmm(core, op.dst, xmm(core, op.src));
        return {};
    }
    if ((op.flags & MicroOp::memory_is_destination) == 0) {
        const auto value = read_xmm_memory<aligned>(core, op);
        if (value) set_xmm(core, op.dst, vector_of(value.value));
        return value.event;
    }
    const auto linear = core.linear(op, 16, true);
    if (!linear) return linear.event;
    if (aligned && (linear.value & 15) != 0) return arch::general_protection();
    u128 value;
    __builtin_memcpy(&value, &core.s.vector[op.src], sizeof value);
    return core.write_linear<u128>(linear.value, value);
}

// MOVSS and MOVSD: a load clears the lanes above, a register move keeps them.
template <class T>
Event move_scalar(Core& core, const MicroOp& op) {
    if ((op.flags & MicroOp::memory_is_destination) != 0) return core.write<T>(op, static_cast<T>(core.s.vector[op.src].q[0]));
    if (op.memory()) {
        const auto value = core.read<T>(op);
        if (!value) return value.event;
        core.s.vector[op.dst].q[0] = value.value;
        core.s.vector[op.dst].q[1] = 0;
        return {};
    }
    if constexpr (sizeof(T) == 8) core.s.vector[op.dst].q[0] = core.s.vector[op.src].q[0];
    else core.s.vector[op.dst].d[0] = core.s.vector[op.src].d[0];
    return {};
}

// MOVLPS, MOVLPD, MOVHPS, MOVHPD: one half with memory.
template <unsigned half>
Event move_half(Core& core, const MicroOp& op) {
    if ((op.flags & MicroOp::memory_is_destination) != 0) return core.write<u64>(op, core.s.vector[op.src].q[half]);
    const auto value = core.read<u64>(op);
    if (value) core.s.vector[op.dst].q[half] = value.value;
    return value.event;
}
Event movhlps(Core& core, const MicroOp& op) {
    core.s.vector[op.dst].q[0] = core.s.vector[op.src].q[1];
    return {};
}
Event movlhps(Core& core, const MicroOp& op) {
    core.s.vector[op.dst].q[1] = core.s.vector[op.src].q[0];
    return {};
}

// MOVD and MOVQ between XMM and general registers or memory; MOVQ xmm, xmm/m64.
template <class T>
Event to_xmm_from_gpr(Core& core, const MicroOp& op) {
    T value;
    if (op.memory()) {
        const auto loaded = core.read<T>(op);
        if (!loaded) return loaded.event;
        value = loaded.value;
    } else {
        value = core.reg<T>(op.src);
    }
    core.s.vector[op.dst].q[0] = value;
    core.s.vector[op.dst].q[1] = 0;
    return {};
}
template <class T>
Event from_xmm_to_gpr(Core& core, const MicroOp& op) {
    const auto value = static_cast<T>(core.s.vector[op.src].q[0]);
    if (op.memory()) return core.write<T>(op, value);
    core.set_reg<T>(op.dst, value);
    return {};
}
Event movq_registers(Core& core, const MicroOp& op) {
    core.s.vector[op.dst].q[0] = core.s.vector[op.src].q[0];
    core.s.vector[op.dst].q[1] = 0;
    return {};
}

bool is_xmm(const Decoded& decoded, unsigned i) { return decoded.is_register(i) && ZydisRegisterGetClass(decoded.operand(i).reg.value) == ZYDIS_REGCLASS_XMM; }

bool build_movd_movq(const Decoded& decoded, Built& op) {
    const bool wide = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_MOVQ;
    if (is_xmm(decoded, 0) && is_xmm(decoded, 1)) return build_body<movq_registers, Flow::next>(decoded, op);
    if (is_xmm(decoded, 0)) return wide ? build_body<to_xmm_from_gpr<u64>, Flow::next>(decoded, op) : build_body<to_xmm_from_gpr<u32>, Flow::next>(decoded, op);
    if (is_xmm(decoded, 1)) return wide ? build_body<from_xmm_to_gpr<u64>, Flow::next>(decoded, op) : build_body<from_xmm_to_gpr<u32>, Flow::next>(decoded, op);
    return false;
}

// MOVNTI: a general register to memory.
template <class T>
struct StoreNonTemporal {
    static Event run(Core& core, const MicroOp& op) { return core.write<T>(op, core.reg<T>(op.src)); }
};

// Bytes whose mask has its top bit set go to DS:rDI (or another segment). SDM vol. 2, "MASKMOVDQU". A mask of zeros may fault or not; here it does.
Event maskmovdqu(Core& core, const MicroOp& op) {
    const auto linear = core.linear(op, 16, true);
    if (!linear) return linear.event;
    if (const auto event = core.probe_write(linear.value, 16)) return event;
    const auto &data = core.s.vector[op.dst], &mask = core.s.vector[op.src];
    for (unsigned i = 0; i < 16; ++i)
        if (mask.b[i] >> 7 != 0)
            if (const auto event = core.write_linear<u8>(linear.value + i, data.b[i])) return event;
    return {};
}

bool build_maskmovdqu(const Decoded& decoded, Built& op) {
    const auto segment = std::ranges::find_if(std::span{decoded.operands, decoded.instruction.operand_count}, [](const auto& operand) { return operand.type == ZYDIS_OPERAND_TYPE_MEMORY; })->mem.segment;
    op.shape = static_cast<u8>((op.shape & ~MicroOp::Segment::mask) | MicroOp::Segment::set(0, static_cast<u64>(ZydisRegisterGetId(segment))));
    op.base = arch::rdi;
    return build_body<maskmovdqu, Flow::next>(decoded, op);
}

Event shufps(Core& core, const MicroOp& op) {
    const auto b = second_operand<16>(core, op);
    if (!b) return b.event;
    arch::VectorRegister from{}, result{};
    from.x[0] = b.value;
    const auto& a = core.s.vector[op.dst];
    for (unsigned i = 0; i < 4; ++i) result.d[i] = (i < 2 ? a : from).d[op.imm >> (2 * i) & 3];
    set_xmm(core, op.dst, vector_of(result.x[0]));
    return {};
}
Event shufpd(Core& core, const MicroOp& op) {
    const auto b = second_operand<16>(core, op);
    if (!b) return b.event;
    arch::VectorRegister from{}, result{};
    from.x[0] = b.value;
    result.q[0] = core.s.vector[op.dst].q[op.imm & 1];
    result.q[1] = from.q[op.imm >> 1 & 1];
    set_xmm(core, op.dst, vector_of(result.x[0]));
    return {};
}
Event movmskps(Core& core, const MicroOp& op) {
    core.set_reg<u32>(op.dst, static_cast<u32>(_mm_movemask_ps(_mm_castsi128_ps(xmm(core, op.src)))));
    return {};
}
Event movmskpd(Core& core, const MicroOp& op) {
    core.set_reg<u32>(op.dst, static_cast<u32>(_mm_movemask_pd(_mm_castsi128_pd(xmm(core, op.src)))));
    return {};
}

Event ldmxcsr(Core& core, const MicroOp& op) {
    const auto value = core.read<u32>(op);
    if (!value) return value.event;
    if ((value.value & ~mxcsr_mask) != 0) return arch::general_protection();
    core.s.mxcsr = value.value;
    return {};
}
Event stmxcsr(Core& core, const MicroOp& op) { return core.write<u32>(op, core.s.mxcsr); }

template <Body body>
constexpr Row sse_row(ZydisMnemonic mnemonic) {
    return row<body, Flow::next, Needs::sse>(mnemonic);
}

bool build_movnti(const Decoded& decoded, Built& op) { return op.width == 3 ? build_body<StoreNonTemporal<u64>::run, Flow::next>(decoded, op) : build_body<StoreNonTemporal<u32>::run, Flow::next>(decoded, op); }

constexpr Row rows[] = {
    sse_row<move<true>>(ZYDIS_MNEMONIC_MOVAPS), sse_row<move<true>>(ZYDIS_MNEMONIC_MOVAPD), sse_row<move<true>>(ZYDIS_MNEMONIC_MOVDQA),
    sse_row<move<false>>(ZYDIS_MNEMONIC_MOVUPS), sse_row<move<false>>(ZYDIS_MNEMONIC_MOVUPD), sse_row<move<false>>(ZYDIS_MNEMONIC_MOVDQU),
    sse_row<move<true>>(ZYDIS_MNEMONIC_MOVNTPS), sse_row<move<true>>(ZYDIS_MNEMONIC_MOVNTPD), sse_row<move<true>>(ZYDIS_MNEMONIC_MOVNTDQ),
    sse_row<move_scalar<u32>>(ZYDIS_MNEMONIC_MOVSS),
    sse_row<move_half<0>>(ZYDIS_MNEMONIC_MOVLPS), sse_row<move_half<0>>(ZYDIS_MNEMONIC_MOVLPD), sse_row<move_half<1>>(ZYDIS_MNEMONIC_MOVHPS), sse_row<move_half<1>>(ZYDIS_MNEMONIC_MOVHPD),
    sse_row<movhlps>(ZYDIS_MNEMONIC_MOVHLPS), sse_row<movlhps>(ZYDIS_MNEMONIC_MOVLHPS),
    {ZYDIS_MNEMONIC_MOVD, &build_movd_movq, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_MOVQ, &build_movd_movq, Flow::next, Needs::sse},
    {ZYDIS_MNEMONIC_MOVNTI, &build_movnti}, {ZYDIS_MNEMONIC_MASKMOVDQU, &build_maskmovdqu, Flow::next, Needs::sse},
    sse_row<shufps>(ZYDIS_MNEMONIC_SHUFPS), sse_row<shufpd>(ZYDIS_MNEMONIC_SHUFPD), sse_row<movmskps>(ZYDIS_MNEMONIC_MOVMSKPS), sse_row<movmskpd>(ZYDIS_MNEMONIC_MOVMSKPD),
    sse_row<ldmxcsr>(ZYDIS_MNEMONIC_LDMXCSR), sse_row<stmxcsr>(ZYDIS_MNEMONIC_STMXCSR),
};

}  // namespace

bool build_sse_scalar_double(const Decoded& decoded, Built& op) {
    if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_CMPSD) return build_cmpsd(decoded, op);
    // The row belongs to the string instruction and says nothing of what SSE needs.
    if (decoded.mode.sse_disabled || decoded.mode.task_switched) return false;
    return build_body<move_scalar<u64>, Flow::next>(decoded, op);
}

std::span<const Row> sse_move_rows() { return rows; }

}  // namespace vtsim::cpu::exec
