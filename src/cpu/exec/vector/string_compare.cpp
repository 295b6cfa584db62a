// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/vector/string_compare.h"

#include <algorithm>
#include <bit>

#include "arch/registers.h"
#include "base/bits.h"
#include "cpu/exec/vector/lanes.h"

namespace vtsim::cpu::exec {
namespace {

using Words = Field<0>;                     // elements: bytes or words
using Signed = Field<1>;
using Aggregation = Field<3, 2>;
using Negate = Field<4>;
using NegateValidOnly = Field<5>;           // negated are only elements within the second string
using Last = Field<6>;                      // index of the last element; or mask of elements rather than bits

enum AggregationKind : u8 { equal_any, ranges, equal_each, equal_ordered };

constexpr unsigned element_count(u8 imm) { return Words::test(imm) ? 8 : 16; }

// Sets of elements are bits, element 0 lowest.
constexpr u32 first_elements(unsigned count) { return static_cast<u32>(low_bits(count)); }

// Vectors of elements of one width; each comparison gives the set where it holds.
template <class T>
struct Elements {
    static constexpr unsigned count = 16 / sizeof(T);

    static __m128i broadcast(T value) {
        if constexpr (sizeof(T) == 1) return _mm_set1_epi8(static_cast<char>(value));
        else return _mm_set1_epi16(static_cast<short>(value));
    }
    static u32 set_of(__m128i lanes) {
        if constexpr (sizeof(T) == 1) return static_cast<u32>(_mm_movemask_epi8(lanes));
        else return static_cast<u32>(_mm_movemask_epi8(_mm_packs_epi16(lanes, _mm_setzero_si128())));
    }
    static u32 equal(__m128i x, __m128i y) {
        if constexpr (sizeof(T) == 1) return set_of(_mm_cmpeq_epi8(x, y));
        else return set_of(_mm_cmpeq_epi16(x, y));
    }
    // SSE2 orders signed elements only: unsigned ones become such by their highest bit.
    static u32 greater(__m128i x, __m128i y, bool as_signed) {
        const __m128i shift = as_signed ? _mm_setzero_si128() : broadcast(static_cast<T>(T{1} << (8 * sizeof(T) - 1)));
        x = _mm_xor_si128(x, shift), y = _mm_xor_si128(y, shift);
        if constexpr (sizeof(T) == 1) return set_of(_mm_cmpgt_epi8(x, y));
        else return set_of(_mm_cmpgt_epi16(x, y));
    }
};

// IntRes1 of the SDM. Where an element lies behind the end of its string, the comparison is overridden (table "Comparison Result for Each Element Pair").
template <class T>
u32 aggregate(__m128i a, unsigned a_length, __m128i b, unsigned b_length, u8 imm) {
    using E = Elements<T>;
    constexpr u32 all = first_elements(E::count);
    const u32 a_valid = first_elements(a_length), b_valid = first_elements(b_length);
    const auto elements = lanes_of<T>(a);
    u32 result = 0;
    switch (Aggregation::get(imm)) {
        case equal_any:
            for (unsigned i = 0; i < a_length; ++i) result |= E::equal(b, E::broadcast(elements[i]));
            return result & b_valid;
        case ranges:                                            // pairs of bounds; half a pair holds nothing
            for (unsigned i = 0; i + 1 < a_length; i += 2) {
                const bool as_signed = Signed::test(imm);
                result |= ~E::greater(E::broadcast(elements[i]), b, as_signed) & ~E::greater(b, E::broadcast(elements[i + 1]), as_signed);
            }
            return result & b_valid;
        case equal_each:                                        // behind both ends is equal
            return (E::equal(a, b) & a_valid & b_valid) | (all & ~a_valid & ~b_valid);
        default:                                                // equal_ordered: a needle that does not fit is compared as far as the register goes
            result = all;
            for (unsigned i = 0; i < a_length; ++i) {
                const u32 matches = E::equal(b, E::broadcast(elements[i])) & b_valid;
                result &= matches >> i | ~(all >> i);
            }
            return result & all;
    }
}

// IntRes2: imm8[5:4] of 01 negates everything, 11 only what is within b.
u32 with_polarity(u32 result, unsigned b_length, u8 imm) {
    if (!Negate::test(imm)) return result;
    return result ^ first_elements(NegateValidOnly::test(imm) ? b_length : element_count(imm));
}

__m128i mask_of(u32 result, u8 imm) {
    if (!Last::test(imm)) return _mm_cvtsi32_si128(static_cast<int>(result));
    std::array<u8, 16> bytes;
    const unsigned element_size = 16 / element_count(imm);
    for (unsigned i = 0; i < 16; ++i) bytes[i] = (result >> (i / element_size) & 1) != 0 ? 0xff : 0;
    return vector_of_lanes(bytes);
}

u32 index_of(u32 result, u8 imm) {
    if (result == 0) return element_count(imm);
    return static_cast<u32>(Last::test(imm) ? std::bit_width(result) - 1 : std::countr_zero(result));
}

}  // namespace

StringComparison compare_strings(__m128i a, unsigned a_length, __m128i b, unsigned b_length, u8 imm) {
    namespace flag = arch::rflags;
    const u32 compared = Words::test(imm) ? aggregate<u16>(a, a_length, b, b_length, imm) : aggregate<u8>(a, a_length, b, b_length, imm);
    const u32 result = with_polarity(compared, b_length, imm);
    const unsigned count = element_count(imm);
    const u64 flags = (result != 0 ? flag::cf : 0) | (b_length < count ? flag::zf : 0) | (a_length < count ? flag::sf : 0) | ((result & 1) != 0 ? flag::of : 0);
    return {index_of(result, imm), mask_of(result, imm), flags};
}

unsigned explicit_length(i64 value, u8 imm) {
    const u64 magnitude = value < 0 ? u64{0} - static_cast<u64>(value) : static_cast<u64>(value);
    return static_cast<unsigned>(std::min<u64>(magnitude, element_count(imm)));
}

unsigned implicit_length(__m128i string, u8 imm) {
    const __m128i zero = _mm_setzero_si128();
    const u32 zeros = Words::test(imm) ? Elements<u16>::equal(string, zero) : Elements<u8>::equal(string, zero);
    return std::min(static_cast<unsigned>(std::countr_zero(zeros)), element_count(imm));
}

__m128i mpsadbw(__m128i a, __m128i b, u8 imm) {
    const auto x = lanes_of<u8>(a), y = lanes_of<u8>(b);
    const unsigned x_first = 4 * (imm >> 2 & 1), y_first = 4 * (imm & 3);
    std::array<u16, 8> sums{};
    for (unsigned i = 0; i < 8; ++i) {
        for (unsigned k = 0; k < 4; ++k) {
            const u8 p = x[x_first + i + k], q = y[y_first + k];
            sums[i] = static_cast<u16>(sums[i] + (p > q ? p - q : q - p));
        }
    }
    return vector_of_lanes(sums);
}

__m128i phminposuw(__m128i words) {
    const auto lanes = lanes_of<u16>(words);
    const auto smallest = std::ranges::min_element(lanes);
    return vector_of_lanes(std::array<u16, 8>{*smallest, static_cast<u16>(smallest - lanes.begin())});
}

}  // namespace vtsim::cpu::exec
