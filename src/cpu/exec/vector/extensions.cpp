// SPDX-License-Identifier: Apache-2.0
// AES, PCLMULQDQ, SHA, the string comparisons of SSE4.2, sums of differences, half floats: what is computed in software (crypto.h, string_compare.h, half_float.h), as the host may lack it.
#include <utility>

#include "cpu/exec/vector/crypto.h"
#include "cpu/exec/vector/half_float.h"
#include "cpu/exec/vector/mxcsr.h"
#include "cpu/exec/vector/string_compare.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

__m128i aes_invert_columns(__m128i, __m128i b) { return aesimc(b); }
__m128i aes_generate(__m128i, __m128i b, unsigned immediate) { return aeskeygenassist(b, static_cast<u8>(immediate)); }
__m128i multiply_carryless(__m128i a, __m128i b, unsigned immediate) { return pclmulqdq(a, b, static_cast<u8>(immediate)); }
__m128i sha1_rounds(__m128i a, __m128i b, unsigned immediate) { return sha1rnds4(a, b, static_cast<u8>(immediate)); }
__m128i sum_differences(__m128i a, __m128i b, unsigned immediate) { return mpsadbw(a, b, static_cast<u8>(immediate)); }
__m128i smallest_word(__m128i, __m128i b) { return phminposuw(b); }

Event sha256_rounds(Core& core, const MicroOp& op) {
    const auto b = second_source<16, true>(core, op);
    if (b) set_low_half(core, op.dst, sha256rnds2(low_half(core, op.dst), b.value.lo, low_half(core, 0)));
    return b.event;
}
bool build_sha256_rounds(const Decoded& decoded, Built& op) {
    arrange(decoded, op);
    return build_body<sha256_rounds, Flow::next>(decoded, op);
}

// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: memory operands need no alignment.
template <bool explicit_lengths, bool gives_mask>
struct CompareStrings {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        const auto second = second_source<16, false>(core, op);
        if (!second) return second.event;
        const auto immediate = static_cast<u8>(op.imm);
        const __m128i a = low_half(core, op.dst), b = second.value.lo;
        const auto length = [&](u8 number, __m128i string) {
            if constexpr (!explicit_lengths) return implicit_length(string, immediate);
            const u64 value = core.s.gpr[number];
            return explicit_length((op.flags & MicroOp::rex_w) != 0 ? static_cast<i64>(value) : static_cast<i64>(static_cast<i32>(value)), immediate);
        };
        const auto result = compare_strings(a, length(arch::rax, a), b, length(arch::rdx, b), immediate);
        if constexpr (gives_mask) set_result<encoding>(core, 0, result.mask);
        else core.s.gpr[arch::rcx] = result.index;
        core.s.write_rflags((core.s.rflags & ~arch::rflags::status) | result.flags);
        return {};
    }
};

// VCVTPH2PS.
struct HalvesToSingles {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned elements = vector_bytes<encoding> / 4;
        const auto b = second_source<2 * elements, false>(core, op);
        if (!b) return b.event;
        u16 from[8];
        __builtin_memcpy(from, &b.value.lo, 16);
        u32 to[8] = {}, raised = 0;
        for (unsigned i = 0; i < elements; ++i) {
            const auto single = half_to_single(from[i]);
            to[i] = single.bits;
            raised |= single.exceptions;
        }
        if (const auto event = raise_simd(core, raised)) return event;
        Value result;
        __builtin_memcpy(&result, to, 32);
        set_result<encoding>(core, op.dst, result.lo, result.hi);
        return {};
    }
};

// VCVTPS2PH: the destination may be memory, half as wide as the source.
struct SinglesToHalves {
    template <Encoding encoding>
    static Event body(Core& core, const MicroOp& op) {
        constexpr unsigned elements = vector_bytes<encoding> / 4;
        u16 to[8] = {};
        u32 raised = 0;
        for (unsigned i = 0; i < elements; ++i) {
            const auto half = single_to_half(core.s.vector[op.aux].d[i], static_cast<u8>(op.imm), core.s.mxcsr);
            to[i] = half.bits;
            raised |= half.exceptions;
        }
        // What is found before rounding keeps all lanes from rounding.
        if ((raised & ~(core.s.mxcsr >> 7) & mxcsr::before_computing) != 0) raised &= mxcsr::before_computing;
        if (op.memory()) {
            // A page fault comes first: then MXCSR stays as it was.
            const auto linear = core.linear(op, 2 * elements, true);
            if (!linear) return linear.event;
            if (const auto event = core.probe_write(linear.value, 2 * elements)) return event;
            if (const auto event = raise_simd(core, raised)) return event;
            u128 value;
            __builtin_memcpy(&value, to, 16);
            return elements == 8 ? core.write_linear<u128>(linear.value, value) : core.write_linear<u64>(linear.value, static_cast<u64>(value));
        }
        if (const auto event = raise_simd(core, raised)) return event;
        __m128i result;
        __builtin_memcpy(&result, to, 16);
        set_result<encoding>(core, op.dst, result);
        return {};
    }
};

constexpr Row rows[] = {
    VTSIM_VECTOR_ROWS(AESENC, Lanewise<aesenc>), VTSIM_VECTOR_ROWS(AESENCLAST, Lanewise<aesenclast>), VTSIM_VECTOR_ROWS(AESDEC, Lanewise<aesdec>), VTSIM_VECTOR_ROWS(AESDECLAST, Lanewise<aesdeclast>),
    VTSIM_VECTOR_ROWS(AESIMC, Lanewise<aes_invert_columns>), VTSIM_VECTOR_ROWS(AESKEYGENASSIST, LanewiseImmediate<aes_generate>), VTSIM_VECTOR_ROWS(PCLMULQDQ, LanewiseImmediate<multiply_carryless>),
    legacy_row<LanewiseImmediate<sha1_rounds>>(ZYDIS_MNEMONIC_SHA1RNDS4), legacy_row<Lanewise<sha1nexte>>(ZYDIS_MNEMONIC_SHA1NEXTE), legacy_row<Lanewise<sha1msg1>>(ZYDIS_MNEMONIC_SHA1MSG1),
    legacy_row<Lanewise<sha1msg2>>(ZYDIS_MNEMONIC_SHA1MSG2), {ZYDIS_MNEMONIC_SHA256RNDS2, &build_sha256_rounds, Flow::next, Needs::sse},
    legacy_row<Lanewise<sha256msg1>>(ZYDIS_MNEMONIC_SHA256MSG1), legacy_row<Lanewise<sha256msg2>>(ZYDIS_MNEMONIC_SHA256MSG2),
    VTSIM_VECTOR_ROWS(PCMPESTRI, CompareStrings<true, false>), VTSIM_VECTOR_ROWS(PCMPESTRM, CompareStrings<true, true>),
    VTSIM_VECTOR_ROWS(PCMPISTRI, CompareStrings<false, false>), VTSIM_VECTOR_ROWS(PCMPISTRM, CompareStrings<false, true>),
    VTSIM_VECTOR_ROWS(MPSADBW, LanewiseImmediate<sum_differences, 3>), VTSIM_VECTOR_ROWS(PHMINPOSUW, Lanewise<smallest_word>),
    vex_row<HalvesToSingles>(ZYDIS_MNEMONIC_VCVTPH2PS), vex_row<SinglesToHalves>(ZYDIS_MNEMONIC_VCVTPS2PH),
};

}  // namespace

std::span<const Row> vector_extension_rows() { return rows; }

}  // namespace vtsim::cpu::exec
