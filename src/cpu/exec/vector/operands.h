// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include <optional>

#include "cpu/decode/opcode_table.h"

// Operands of SSE and AVX instructions, which differ in what they do to the rest of the destination only. SDM vol. 1, "Programming with Intel AVX", "Instruction Syntax".
namespace vtsim::cpu::exec {

// A legacy SSE instruction leaves the upper half of the register alone and wants 16-byte memory operands aligned; a VEX-encoded one clears what lies above its result.
enum class Encoding : u8 { legacy, vex128, vex256 };

// Nothing for EVEX and XOP, which are not there.
inline std::optional<Encoding> encoding_of(const Decoded& decoded) {
    switch (decoded.instruction.encoding) {
        case ZYDIS_INSTRUCTION_ENCODING_LEGACY: return Encoding::legacy;
        case ZYDIS_INSTRUCTION_ENCODING_VEX: return decoded.instruction.raw.vex.L != 0 ? Encoding::vex256 : Encoding::vex128;
        default: return std::nullopt;
    }
}

// A vector in two halves: the host need not have AVX.
struct Value {
    __m128i lo, hi;
};

inline __m128i vector_of(u128 value) {
    __m128i result;
    __builtin_memcpy(&result, &value, sizeof result);
    return result;
}

inline __m128i low_half(const Core& core, u8 number) {
    __m128i value;
    __builtin_memcpy(&value, &core.s.vector[number].x[0], sizeof value);
    return value;
}
inline __m128i high_half(const Core& core, u8 number) {
    __m128i value;
    __builtin_memcpy(&value, &core.s.vector[number].x[1], sizeof value);
    return value;
}
inline void set_low_half(Core& core, u8 number, __m128i value) { __builtin_memcpy(&core.s.vector[number].x[0], &value, sizeof value); }

// The result of 16 bytes, or of 32 for vex256.
template <Encoding encoding>
inline void set_result(Core& core, u8 number, __m128i lo, __m128i hi) {
    set_low_half(core, number, lo);
    if constexpr (encoding != Encoding::legacy) __builtin_memcpy(&core.s.vector[number].x[1], &hi, sizeof hi);
}
template <Encoding encoding>
inline void set_result(Core& core, u8 number, __m128i lo) { set_result<encoding>(core, number, lo, _mm_setzero_si128()); }

// Puts the operands where the bodies of this room expect them: the first source in `src` (legacy: the destination), the second in `aux` or in memory, the register of a fourth operand in `imm`.
// An instruction with one source has it as the second.
inline void arrange(const Decoded& decoded, MicroOp& op) {
    const auto number = [&](unsigned i) { return decoded.is_register(i) ? static_cast<u8>(ZydisRegisterGetId(decoded.operand(i).reg.value)) : u8{0}; };
    const auto source = [&](unsigned i) { return decoded.is_register(i) || decoded.is_memory(i); };
    op.dst = number(0);
    if (decoded.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY || !source(2)) {
        op.src = op.dst;
        op.aux = number(1);
        return;
    }
    op.src = number(1);
    op.aux = number(2);
    if (decoded.is_register(3)) op.imm = number(3);
}

struct alignas(16) Bytes32 {
    u64 q[4];
};

// The second source: a register, or `bytes` of memory with zeros above.
template <unsigned bytes, bool aligned>
inline arch::Outcome<Value> second_source(Core& core, const MicroOp& op) {
    if (!op.memory()) return Value{low_half(core, op.aux), high_half(core, op.aux)};
    if constexpr (bytes == 32 || bytes == 16) {
        const auto linear = core.linear(op, bytes, false);
        if (!linear) return linear.event;
        if (aligned && (linear.value & (bytes - 1)) != 0) return arch::general_protection();
        Value result{_mm_setzero_si128(), _mm_setzero_si128()};
        if constexpr (bytes == 32) {
            const auto value = core.read_linear<Bytes32>(linear.value);
            if (!value) return value.event;
            __builtin_memcpy(&result, &value.value, sizeof result);
        } else {
            const auto value = core.read_linear<u128>(linear.value);
            if (!value) return value.event;
            result.lo = vector_of(value.value);
        }
        return result;
    } else {
        using Word = std::conditional_t<bytes == 8, u64, std::conditional_t<bytes == 4, u32, std::conditional_t<bytes == 2, u16, u8>>>;
        const auto value = core.read<Word>(op);
        if (!value) return value.event;
        return Value{_mm_cvtsi64_si128(static_cast<i64>(u64{value.value})), _mm_setzero_si128()};
    }
}

// Bytes of a memory operand as wide as the vector.
// The second source of one element: a general register's low bits, or memory.
template <class T>
inline arch::Outcome<T> element_source(Core& core, const MicroOp& op) {
    if (op.memory()) return core.read<T>(op);
    return static_cast<T>(core.s.gpr[op.aux]);
}

template <Encoding encoding>
inline constexpr unsigned vector_bytes = encoding == Encoding::vex256 ? 32 : 16;

using Binary = __m128i (*)(__m128i, __m128i);
using Immediate = __m128i (*)(__m128i, __m128i, unsigned);

// dst = f(first, second), 16 bytes at a time.
template <Binary f, Encoding encoding>
arch::Event lanewise(Core& core, const MicroOp& op) {
    const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
    if (!b) return b.event;
    const __m128i lo = f(low_half(core, op.src), b.value.lo);
    if constexpr (encoding == Encoding::vex256) set_result<encoding>(core, op.dst, lo, f(high_half(core, op.src), b.value.hi));
    else set_result<encoding>(core, op.dst, lo);
    return {};
}

// The same with an immediate; the upper half sees it shifted right by `high_shift`.
template <Immediate f, unsigned high_shift, Encoding encoding>
arch::Event lanewise_immediate(Core& core, const MicroOp& op) {
    const auto b = second_source<vector_bytes<encoding>, encoding == Encoding::legacy>(core, op);
    if (!b) return b.event;
    const auto immediate = static_cast<unsigned>(op.imm & 0xff);
    const __m128i lo = f(low_half(core, op.src), b.value.lo, immediate);
    if constexpr (encoding == Encoding::vex256) set_result<encoding>(core, op.dst, lo, f(high_half(core, op.src), b.value.hi, immediate >> high_shift));
    else set_result<encoding>(core, op.dst, lo);
    return {};
}

// Chooses the instance for the encoding; `Make` has template <Encoding> static constexpr Body body().
template <class Make>
bool build_vector(const Decoded& decoded, Built& op) {
    const auto encoding = encoding_of(decoded);
    if (!encoding) return false;
    arrange(decoded, op);
    switch (*encoding) {
        case Encoding::legacy: return build_body<Make::template body<Encoding::legacy>, Flow::next>(decoded, op);
        case Encoding::vex128: return build_body<Make::template body<Encoding::vex128>, Flow::next>(decoded, op);
        default: return build_body<Make::template body<Encoding::vex256>, Flow::next>(decoded, op);
    }
}

template <Binary f>
struct Lanewise {
    template <Encoding encoding>
    static arch::Event body(Core& core, const MicroOp& op) { return lanewise<f, encoding>(core, op); }
};
template <Immediate f, unsigned high_shift = 0>
struct LanewiseImmediate {
    template <Encoding encoding>
    static arch::Event body(Core& core, const MicroOp& op) { return lanewise_immediate<f, high_shift, encoding>(core, op); }
};

// Rows of a legacy mnemonic and of its VEX form.
template <class Make>
constexpr Row legacy_row(ZydisMnemonic mnemonic) { return {mnemonic, &build_vector<Make>, Flow::next, Needs::sse}; }
template <class Make>
constexpr Row vex_row(ZydisMnemonic mnemonic) { return {mnemonic, &build_vector<Make>, Flow::next, Needs::avx}; }
#define VTSIM_VECTOR_ROWS(name, ...) legacy_row<__VA_ARGS__>(ZYDIS_MNEMONIC_##name), vex_row<__VA_ARGS__>(ZYDIS_MNEMONIC_V##name)

std::span<const Row> vector_move_rows();            // move.cpp
std::span<const Row> vector_integer_rows();         // integer.cpp
std::span<const Row> vector_shuffle_rows();         // shuffle.cpp
std::span<const Row> vector_arithmetic_rows();      // arithmetic.cpp
std::span<const Row> vector_conversion_rows();      // conversion.cpp
std::span<const Row> vector_extension_rows();       // extensions.cpp
std::span<const Row> vector_fma_rows();             // fma.cpp

}  // namespace vtsim::cpu::exec
