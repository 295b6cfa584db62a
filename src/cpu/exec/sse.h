// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include "cpu/decode/opcode_table.h"

// SSE and SSE2 on the host's own vector unit. One body per operation; operands come from the micro-op.
namespace vtsim::cpu::exec {

std::span<const Row> sse_move_rows();          // sse_move.cpp
std::span<const Row> sse_integer_rows();       // sse_integer.cpp
std::span<const Row> sse_float_rows();         // sse_float.cpp
inline constexpr u32 mxcsr_mask = 0xffff;      // bits of MXCSR that there are: DAZ is one of them

// MOVSD and CMPSD with XMM operands share their mnemonics with the string instructions.
bool build_sse_scalar_double(const Decoded& decoded, Built& op);
bool build_cmpsd(const Decoded& decoded, Built& op);

inline __m128i xmm(const Core& core, u8 number) {
    __m128i value;
    __builtin_memcpy(&value, &core.s.vector[number], sizeof value);
    return value;
}

// The upper half of a 256-bit register stays as it is: legacy SSE instructions do not touch it.
inline void set_xmm(Core& core, u8 number, __m128i value) { __builtin_memcpy(&core.s.vector[number], &value, sizeof value); }

// Memory operands of 16 bytes must be aligned, except those of the MOVU family. SDM vol. 2, "Exceptions Type 4".
template <bool aligned>
inline arch::Outcome<u128> read_xmm_memory(Core& core, const MicroOp& op) {
    const auto linear = core.linear(op, 16, false);
    if (!linear) return linear.event;
    if (aligned && (linear.value & 15) != 0) return arch::general_protection();
    return core.read_linear<u128>(linear.value);
}

inline __m128i vector_of(u128 value) {
    __m128i result;
    __builtin_memcpy(&result, &value, sizeof result);
    return result;
}

// The second operand: a register, or memory of 16, 8 or 4 bytes in the low lanes with zeros above.
template <unsigned bytes>
inline arch::Outcome<u128> second_operand(Core& core, const MicroOp& op) {
    if (!op.memory()) {
        u128 value;
        __builtin_memcpy(&value, &core.s.vector[op.src], sizeof value);
        return value;
    }
    if constexpr (bytes == 16) return read_xmm_memory<true>(core, op);
    else if constexpr (bytes == 8) {
        const auto value = core.read<u64>(op);
        return value ? arch::Outcome<u128>{u128{value.value}} : arch::Outcome<u128>{value.event};
    } else {
        const auto value = core.read<u32>(op);
        return value ? arch::Outcome<u128>{u128{value.value}} : arch::Outcome<u128>{value.event};
    }
}

using Binary = __m128i (*)(__m128i, __m128i);

// dst = f(dst, src).
template <Binary f>
arch::Event sse_binary(Core& core, const MicroOp& op) {
    const auto b = second_operand<16>(core, op);
    if (!b) return b.event;
    set_xmm(core, op.dst, f(xmm(core, op.dst), vector_of(b.value)));
    return {};
}

}  // namespace vtsim::cpu::exec
