// SPDX-License-Identifier: Apache-2.0
// Moves of SSE and AVX, masked moves, gathers, MXCSR.
#include "cpu/exec/vector/move.h"

#include <algorithm>

#include "cpu/exec/vector/operands.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

bool to_memory(const MicroOp& op) { return (op.flags & MicroOp::memory_is_destination) != 0; }

template <Encoding encoding>
Event store_vector(Core& core, u64 linear, u8 number) {
    if constexpr (encoding == Encoding::vex256) {
        Bytes32 value;
        __builtin_memcpy(&value, &core.s.vector[number], 32);
        return core.write_linear<Bytes32>(linear, value);
    } else {
        return core.write_linear<u128>(linear, core.s.vector[number].x[0]);
    }
}

// MOVAPS, MOVUPS and relatives: whole vectors between registers or with memory.
template <bool aligned>
struct Move {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned bytes = vector_bytes<encoding>;
        if (!to_memory(op)) {
            const auto value = second_source<bytes, aligned>(core, op);
            if (value) set_result<encoding>(core, op.dst, value.value.lo, encoding == Encoding::vex256 ? value.value.hi : _mm_setzero_si128());
            return value.event;
        }
        const auto linear = core.linear(op, bytes, true);
        if (!linear) return linear.event;
        if (aligned && (linear.value & (bytes - 1)) != 0) return arch::general_protection();
        return store_vector<encoding>(core, linear.value, op.aux);
    }
};

// MOVSS and MOVSD: a load clears what is above, a register move takes it from the first source.
template <class T>
struct MoveScalar {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        if (to_memory(op)) return core.write<T>(op, static_cast<T>(core.s.vector[op.aux].q[0]));
        if (op.memory()) {
            const auto value = core.read<T>(op);
            if (value) set_result<encoding>(core, op.dst, _mm_cvtsi64_si128(static_cast<i64>(u64{value.value})));
            return value.event;
        }
        __m128i result = low_half(core, op.src);
        __builtin_memcpy(&result, &core.s.vector[op.aux], sizeof(T));
        set_result<encoding>(core, op.dst, result);
        return {};
    }
};

// MOVLPS, MOVLPD, MOVHPS, MOVHPD: eight bytes of memory in one half, the other one is the first source's.
template <unsigned half>
struct MoveHalf {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        if (to_memory(op)) return core.write<u64>(op, core.s.vector[op.aux].q[half]);
        const auto value = core.read<u64>(op);
        if (!value) return value.event;
        u64 halves[2] = {core.s.vector[op.src].q[0], core.s.vector[op.src].q[1]};
        halves[half] = value.value;
        set_result<encoding>(core, op.dst, _mm_set_epi64x(static_cast<i64>(halves[1]), static_cast<i64>(halves[0])));
        return {};
    }
};
__m128i movhlps(__m128i a, __m128i b) { return _mm_unpackhi_epi64(b, a); }
__m128i movlhps(__m128i a, __m128i b) { return _mm_unpacklo_epi64(a, b); }

// MOVD and MOVQ between vector and general registers or memory; MOVQ between vector registers.
template <class T>
struct FromGeneral {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        T value = static_cast<T>(core.s.gpr[op.aux]);
        if (op.memory()) {
            const auto loaded = core.read<T>(op);
            if (!loaded) return loaded.event;
            value = loaded.value;
        }
        set_result<encoding>(core, op.dst, _mm_cvtsi64_si128(static_cast<i64>(u64{value})));
        return {};
    }
};
template <class T>
struct ToGeneral {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto value = static_cast<T>(core.s.vector[op.aux].q[0]);
        if (op.memory()) return core.write<T>(op, value);
        core.set_reg<T>(op.dst, value);
        return {};
    }
};
struct MoveLowQuadword {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        set_result<encoding>(core, op.dst, _mm_move_epi64(low_half(core, op.aux)));
        return {};
    }
};

bool is_vector(const Decoded& decoded, unsigned i) { return decoded.is_register(i) && ZydisRegisterGetClass(decoded.operand(i).reg.value) == ZYDIS_REGCLASS_XMM; }

template <class T>
bool build_movd_movq(const Decoded& decoded, Built& op) {
    if (is_vector(decoded, 0) && is_vector(decoded, 1)) return build_vector<MoveLowQuadword>(decoded, op);
    if (is_vector(decoded, 0)) return build_vector<FromGeneral<T>>(decoded, op);
    return is_vector(decoded, 1) && build_vector<ToGeneral<T>>(decoded, op);
}

// ---- stores of some bytes -------------------------------------------------------------------------------------------------------

// MOVNTI: a general register to memory.
template <class T>
struct StoreNonTemporal {
    static Event run(Core& core, const MicroOp& op) { return core.write<T>(op, core.reg<T>(op.src)); }
};
bool build_movnti(const Decoded& decoded, Built& op) { return op.width == 3 ? build_body<StoreNonTemporal<u64>::run, Flow::next>(decoded, op) : build_body<StoreNonTemporal<u32>::run, Flow::next>(decoded, op); }

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
    if (encoding_of(decoded).value_or(Encoding::vex256) == Encoding::vex256) return false;
    const auto segment = std::ranges::find_if(std::span{decoded.operands, decoded.instruction.operand_count}, [](const auto& operand) { return operand.type == ZYDIS_OPERAND_TYPE_MEMORY; })->mem.segment;
    op.shape = static_cast<u8>((op.shape & ~MicroOp::Segment::mask) | MicroOp::Segment::set(0, static_cast<u64>(ZydisRegisterGetId(segment))));
    op.base = arch::rdi;
    return build_body<maskmovdqu, Flow::next>(decoded, op);
}

// VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ: elements whose mask (the first source) has its top bit set; the others are not accessed and cannot fault.
template <class T>
struct MaskedMove {
    static bool chosen(const Core& core, const MicroOp& op, unsigned i) {
        T mask;
        __builtin_memcpy(&mask, &core.s.vector[op.src].b[i * sizeof(T)], sizeof(T));
        return mask >> (8 * sizeof(T) - 1) != 0;
    }
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned elements = vector_bytes<encoding> / sizeof(T);
        const u64 first = core.effective_address(op);
        T values[32 / sizeof(T)] = {};
        if (to_memory(op)) __builtin_memcpy(values, &core.s.vector[op.aux], 32);
        // Nothing is written when an element faults.
        if (to_memory(op))
            for (unsigned i = 0; i < elements; ++i) {
                if (!chosen(core, op, i)) continue;
                const auto linear = core.linear(op.segment(), first + i * sizeof(T), sizeof(T), true);
                if (!linear) return linear.event;
                if (const auto event = core.probe_write(linear.value, sizeof(T))) return event;
            }
        for (unsigned i = 0; i < elements; ++i) {
            if (!chosen(core, op, i)) continue;
            if (to_memory(op)) {
                if (const auto event = core.write<T>(op.segment(), first + i * sizeof(T), values[i])) return event;
                continue;
            }
            const auto value = core.read<T>(op.segment(), first + i * sizeof(T));
            if (!value) return value.event;
            values[i] = value.value;
        }
        if (to_memory(op)) return {};
        Value result;
        __builtin_memcpy(&result, values, 32);
        set_result<encoding>(core, op.dst, result.lo, encoding == Encoding::vex256 ? result.hi : _mm_setzero_si128());
        return {};
    }
};

// VPGATHERxx, VGATHERxxx: elements at base + index * scale where the mask says so; each one that is done clears its mask, so that a fault restarts behind it.
// `op.index` is the vector of indices, `op.aux` the mask.
template <class T, class Index>
struct Gather {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned widest = sizeof(T) > sizeof(Index) ? sizeof(T) : sizeof(Index), elements = vector_bytes<encoding> / widest;
        auto &to = core.s.vector[op.dst], &mask = core.s.vector[op.aux];
        const auto& indices = core.s.vector[op.index];
        for (unsigned i = 0; i < elements; ++i) {
            T bit;
            __builtin_memcpy(&bit, &mask.b[i * sizeof(T)], sizeof(T));
            bit = bit >> (8 * sizeof(T) - 1) != 0 ? static_cast<T>(~T{0}) : T{0};
            __builtin_memcpy(&mask.b[i * sizeof(T)], &bit, sizeof(T));
        }
        for (unsigned i = 0; i < elements; ++i) {
            if (mask.b[(i + 1) * sizeof(T) - 1] == 0) continue;
            Index index;
            __builtin_memcpy(&index, &indices.b[i * sizeof(Index)], sizeof(Index));
            u64 offset = core.s.gpr[op.base] + (static_cast<u64>(static_cast<i64>(index)) << op.scale()) + static_cast<u64>(static_cast<i64>(op.disp));
            if (op.address_size() == AddressSize::a32) offset = static_cast<u32>(offset);
            const auto value = core.read<T>(op.segment(), offset);
            if (!value) return value.event;
            __builtin_memcpy(&to.b[i * sizeof(T)], &value.value, sizeof(T));
            __builtin_memset(&mask.b[i * sizeof(T)], 0, sizeof(T));
        }
        constexpr unsigned end = elements * sizeof(T);
        __builtin_memset(&to.b[end], 0, 32 - end);
        __builtin_memset(&mask.b[0], 0, 32);
        return {};
    }
};

Event same_registers(Core&, const MicroOp&) { return arch::undefined_opcode; }

// SDM vol. 2, "VPGATHERDD": #UD when two of the three registers are the same.
template <class T, class Index>
bool build_gather(const Decoded& decoded, Built& op) {
    const auto encoding = encoding_of(decoded);
    if (!encoding || *encoding == Encoding::legacy || !decoded.is_register(2)) return false;
    op.dst = static_cast<u8>(ZydisRegisterGetId(decoded.operand(0).reg.value));
    op.aux = static_cast<u8>(ZydisRegisterGetId(decoded.operand(2).reg.value));
    op.index = static_cast<u8>(ZydisRegisterGetId(decoded.operand(1).mem.index));
    if (op.dst == op.aux || op.dst == op.index || op.aux == op.index) return build_body<same_registers, Flow::ends>(decoded, op);
    return *encoding == Encoding::vex256 ? build_body<Gather<T, Index>::template body<Encoding::vex256>, Flow::next>(decoded, op)
                                         : build_body<Gather<T, Index>::template body<Encoding::vex128>, Flow::next>(decoded, op);
}
template <class T, class Index>
constexpr Row gather_row(ZydisMnemonic mnemonic) { return {mnemonic, &build_gather<T, Index>, Flow::next, Needs::avx}; }

// ---- state ----------------------------------------------------------------------------------------------------------------------

template <bool all>
Event vzero(Core& core, const MicroOp&) {
    // Outside 64-bit mode there are eight.
    const unsigned count = core.s.code64() ? 16 : 8;
    for (unsigned i = 0; i < count; ++i) {
        core.s.vector[i].x[1] = 0;
        if constexpr (all) core.s.vector[i].x[0] = 0;
    }
    return {};
}
bool build_vzeroupper(const Decoded& decoded, Built& op) { return build_body<vzero<false>, Flow::next>(decoded, op); }
bool build_vzeroall(const Decoded& decoded, Built& op) { return build_body<vzero<true>, Flow::next>(decoded, op); }

struct LoadMxcsr {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto value = core.read<u32>(op);
        if (!value) return value.event;
        if ((value.value & ~mxcsr_mask) != 0) return arch::general_protection();
        core.s.mxcsr = value.value;
        return {};
    }
};
struct StoreMxcsr {
    template <Encoding>
    static Event body(Core& core, const MicroOp& op) { return core.write<u32>(op, core.s.mxcsr); }
};

constexpr Row rows[] = {
    VTSIM_VECTOR_ROWS(MOVAPS, Move<true>), VTSIM_VECTOR_ROWS(MOVAPD, Move<true>), VTSIM_VECTOR_ROWS(MOVDQA, Move<true>),
    VTSIM_VECTOR_ROWS(MOVUPS, Move<false>), VTSIM_VECTOR_ROWS(MOVUPD, Move<false>), VTSIM_VECTOR_ROWS(MOVDQU, Move<false>), VTSIM_VECTOR_ROWS(LDDQU, Move<false>),
    VTSIM_VECTOR_ROWS(MOVNTPS, Move<true>), VTSIM_VECTOR_ROWS(MOVNTPD, Move<true>), VTSIM_VECTOR_ROWS(MOVNTDQ, Move<true>), VTSIM_VECTOR_ROWS(MOVNTDQA, Move<true>),
    VTSIM_VECTOR_ROWS(MOVSS, MoveScalar<u32>), vex_row<MoveScalar<u64>>(ZYDIS_MNEMONIC_VMOVSD),
    VTSIM_VECTOR_ROWS(MOVLPS, MoveHalf<0>), VTSIM_VECTOR_ROWS(MOVLPD, MoveHalf<0>), VTSIM_VECTOR_ROWS(MOVHPS, MoveHalf<1>), VTSIM_VECTOR_ROWS(MOVHPD, MoveHalf<1>),
    VTSIM_VECTOR_ROWS(MOVHLPS, Lanewise<movhlps>), VTSIM_VECTOR_ROWS(MOVLHPS, Lanewise<movlhps>),
    {ZYDIS_MNEMONIC_MOVD, &build_movd_movq<u32>, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_VMOVD, &build_movd_movq<u32>, Flow::next, Needs::avx},
    {ZYDIS_MNEMONIC_MOVQ, &build_movd_movq<u64>, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_VMOVQ, &build_movd_movq<u64>, Flow::next, Needs::avx},
    {ZYDIS_MNEMONIC_MOVNTI, &build_movnti}, {ZYDIS_MNEMONIC_MASKMOVDQU, &build_maskmovdqu, Flow::next, Needs::sse}, {ZYDIS_MNEMONIC_VMASKMOVDQU, &build_maskmovdqu, Flow::next, Needs::avx},
    vex_row<MaskedMove<u32>>(ZYDIS_MNEMONIC_VMASKMOVPS), vex_row<MaskedMove<u64>>(ZYDIS_MNEMONIC_VMASKMOVPD), vex_row<MaskedMove<u32>>(ZYDIS_MNEMONIC_VPMASKMOVD), vex_row<MaskedMove<u64>>(ZYDIS_MNEMONIC_VPMASKMOVQ),
    gather_row<u32, i32>(ZYDIS_MNEMONIC_VPGATHERDD), gather_row<u32, i64>(ZYDIS_MNEMONIC_VPGATHERQD), gather_row<u64, i32>(ZYDIS_MNEMONIC_VPGATHERDQ), gather_row<u64, i64>(ZYDIS_MNEMONIC_VPGATHERQQ),
    gather_row<u32, i32>(ZYDIS_MNEMONIC_VGATHERDPS), gather_row<u32, i64>(ZYDIS_MNEMONIC_VGATHERQPS), gather_row<u64, i32>(ZYDIS_MNEMONIC_VGATHERDPD), gather_row<u64, i64>(ZYDIS_MNEMONIC_VGATHERQPD),
    {ZYDIS_MNEMONIC_VZEROUPPER, &build_vzeroupper, Flow::next, Needs::avx}, {ZYDIS_MNEMONIC_VZEROALL, &build_vzeroall, Flow::next, Needs::avx},
    VTSIM_VECTOR_ROWS(LDMXCSR, LoadMxcsr), VTSIM_VECTOR_ROWS(STMXCSR, StoreMxcsr),
};

}  // namespace

bool build_movsd(const Decoded& decoded, Built& op) { return build_vector<MoveScalar<u64>>(decoded, op); }

std::span<const Row> vector_move_rows() { return rows; }

}  // namespace vtsim::cpu::exec
