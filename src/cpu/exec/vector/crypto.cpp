// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/vector/crypto.h"

#include <bit>

#include "cpu/exec/vector/lanes.h"

namespace vtsim::cpu::exec {
namespace {

using Bytes = std::array<u8, 16>;
using Words = std::array<u32, 4>;

// ---- AES ----------------------------------------------------------------------------------------------------------------

constexpr u8 doubled(u8 x) { return static_cast<u8>(x << 1 ^ ((x & 0x80) != 0 ? 0x1b : 0)); }      // in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1

using Box = std::array<u8, 256>;

// FIPS 197, "SubBytes": the multiplicative inverse, then an affine map. 3 generates the field: its powers and those of its inverse, taken together, pair every
// element with its inverse.
constexpr Box substitution_box() {
    Box box{};
    u8 element = 1, inverse = 1;
    do {
        element = static_cast<u8>(element ^ doubled(element));              // times 3
        inverse = static_cast<u8>(inverse ^ inverse << 1);                  // divided by 3, that is times 0xf6
        inverse = static_cast<u8>(inverse ^ inverse << 2);
        inverse = static_cast<u8>(inverse ^ inverse << 4);
        if ((inverse & 0x80) != 0) inverse ^= 0x09;
        box[element] = static_cast<u8>(inverse ^ std::rotl(inverse, 1) ^ std::rotl(inverse, 2) ^ std::rotl(inverse, 3) ^ std::rotl(inverse, 4) ^ 0x63);
    } while (element != 1);
    box[0] = 0x63;
    return box;
}

constexpr Box inverted(const Box& box) {
    Box result{};
    for (unsigned i = 0; i < 256; ++i) result[box[i]] = static_cast<u8>(i);
    return result;
}

constexpr Box sbox = substitution_box(), inverse_sbox = inverted(sbox);
static_assert(sbox[0x53] == 0xed && inverse_sbox[0xed] == 0x53);            // the example of FIPS 197

// Row r of the state is bytes r, r + 4, ...: ShiftRows moves it r columns to the left, its inverse to the right. Substitution commutes with both.
__m128i substitute_and_shift(__m128i state) {
    const Bytes in = lanes_of<u8>(state);
    Bytes out;
    for (unsigned i = 0; i < 16; ++i) out[i] = sbox[in[(i + 4 * (i % 4)) % 16]];
    return vector_of_lanes(out);
}

__m128i inverse_substitute_and_shift(__m128i state) {
    const Bytes in = lanes_of<u8>(state);
    Bytes out;
    for (unsigned i = 0; i < 16; ++i) out[i] = inverse_sbox[in[(i + 16 - 4 * (i % 4)) % 16]];
    return vector_of_lanes(out);
}

__m128i doubled(__m128i x) {
    const __m128i reduce = _mm_and_si128(_mm_cmplt_epi8(x, _mm_setzero_si128()), _mm_set1_epi8(0x1b));
    return _mm_xor_si128(_mm_add_epi8(x, x), reduce);
}

// Each column turned up by a number of rows.
template <int rows>
__m128i turned(__m128i x) { return _mm_or_si128(_mm_srli_epi32(x, 8 * rows), _mm_slli_epi32(x, 32 - 8 * rows)); }

// Each byte: 2 of itself, 3 of the next row, 1 of the two after it.
__m128i mix_columns(__m128i x) {
    const __m128i next = turned<1>(x);
    const __m128i pair = _mm_xor_si128(x, next);
    return _mm_xor_si128(_mm_xor_si128(doubled(pair), next), turned<2>(pair));
}

// The inverse matrix (14, 11, 13, 9) is that of mix_columns times (5, 0, 4, 0).
__m128i inverse_mix_columns(__m128i x) {
    const __m128i four = doubled(doubled(_mm_xor_si128(x, turned<2>(x))));
    return mix_columns(_mm_xor_si128(x, four));
}

u32 substituted(u32 word) {
    return static_cast<u32>(sbox[word & 0xff]) | static_cast<u32>(sbox[word >> 8 & 0xff]) << 8 | static_cast<u32>(sbox[word >> 16 & 0xff]) << 16 |
           static_cast<u32>(sbox[word >> 24]) << 24;
}

// ---- SHA ----------------------------------------------------------------------------------------------------------------

// FIPS 180, "SHA-1 Functions", "SHA-256 Functions".
constexpr u32 choose(u32 x, u32 y, u32 z) { return (x & y) ^ (~x & z); }
constexpr u32 majority(u32 x, u32 y, u32 z) { return (x & y) ^ (x & z) ^ (y & z); }
constexpr u32 big_sigma0(u32 x) { return std::rotr(x, 2) ^ std::rotr(x, 13) ^ std::rotr(x, 22); }
constexpr u32 big_sigma1(u32 x) { return std::rotr(x, 6) ^ std::rotr(x, 11) ^ std::rotr(x, 25); }
constexpr u32 small_sigma0(u32 x) { return std::rotr(x, 7) ^ std::rotr(x, 18) ^ x >> 3; }
constexpr u32 small_sigma1(u32 x) { return std::rotr(x, 17) ^ std::rotr(x, 19) ^ x >> 10; }

constexpr u32 sha1_constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

u32 sha1_mix(unsigned group, u32 b, u32 c, u32 d) {
    switch (group) {
        case 0: return choose(b, c, d);
        case 2: return majority(b, c, d);
        default: return b ^ c ^ d;
    }
}

}  // namespace

__m128i aesenc(__m128i state, __m128i round_key) { return _mm_xor_si128(mix_columns(substitute_and_shift(state)), round_key); }
__m128i aesenclast(__m128i state, __m128i round_key) { return _mm_xor_si128(substitute_and_shift(state), round_key); }
__m128i aesdec(__m128i state, __m128i round_key) { return _mm_xor_si128(inverse_mix_columns(inverse_substitute_and_shift(state)), round_key); }
__m128i aesdeclast(__m128i state, __m128i round_key) { return _mm_xor_si128(inverse_substitute_and_shift(state), round_key); }
__m128i aesimc(__m128i round_key) { return inverse_mix_columns(round_key); }

// RotWord moves the low byte to the top: a word holds its first byte lowest.
__m128i aeskeygenassist(__m128i key, u8 round_constant) {
    const Words x = lanes_of<u32>(key);
    const u32 low = substituted(x[1]), high = substituted(x[3]);
    return vector_of_lanes(Words{low, std::rotr(low, 8) ^ round_constant, high, std::rotr(high, 8) ^ round_constant});
}

__m128i pclmulqdq(__m128i a, __m128i b, u8 imm) {
    const u64 x = lanes_of<u64>(a)[imm & 1], y = lanes_of<u64>(b)[imm >> 4 & 1];
    std::array<u128, 16> multiples{0, x};                        // by four coefficients at a time
    for (unsigned i = 2; i < 16; ++i) multiples[i] = multiples[i / 2] << 1 ^ multiples[i & 1];
    u128 product = 0;
    for (unsigned i = 64; i > 0; i -= 4) product = product << 4 ^ multiples[y >> (i - 4) & 15];
    return vector_of_lanes(std::array{static_cast<u64>(product), static_cast<u64>(product >> 64)});
}

// SHA-1 keeps A and the first word in the highest lane. The highest word comes with E added (SHA1NEXTE), the others get the E of their round here.
__m128i sha1rnds4(__m128i abcd, __m128i words, u8 imm) {
    const unsigned group = imm & 3;
    const Words w = lanes_of<u32>(words);
    auto [d, c, b, a] = lanes_of<u32>(abcd);
    u32 e = 0;
    for (unsigned i = 4; i-- > 0;) {
        const u32 next = sha1_mix(group, b, c, d) + std::rotl(a, 5) + w[i] + e + sha1_constants[group];
        e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    }
    return vector_of_lanes(Words{d, c, b, a});
}

__m128i sha1nexte(__m128i abcd, __m128i words) {
    Words result = lanes_of<u32>(words);
    result[3] += std::rotl(lanes_of<u32>(abcd)[3], 30);
    return vector_of_lanes(result);
}

__m128i sha1msg1(__m128i a, __m128i b) {
    const auto [w3, w2, w1, w0] = lanes_of<u32>(a);
    const Words after = lanes_of<u32>(b);
    const u32 w4 = after[3], w5 = after[2];
    return vector_of_lanes(Words{w5 ^ w3, w4 ^ w2, w3 ^ w1, w2 ^ w0});
}

__m128i sha1msg2(__m128i a, __m128i b) {
    const Words x = lanes_of<u32>(a), before = lanes_of<u32>(b);
    const u32 w13 = before[2], w14 = before[1], w15 = before[0];
    const u32 w16 = std::rotl(x[3] ^ w13, 1), w17 = std::rotl(x[2] ^ w14, 1), w18 = std::rotl(x[1] ^ w15, 1);
    return vector_of_lanes(Words{std::rotl(x[0] ^ w16, 1), w18, w17, w16});
}

// SHA-256 keeps its words the other way round, the first one in the lowest lane.
__m128i sha256rnds2(__m128i cdgh, __m128i abef, __m128i xmm0) {
    auto [h, g, d, c] = lanes_of<u32>(cdgh);
    auto [f, e, b, a] = lanes_of<u32>(abef);
    const Words words = lanes_of<u32>(xmm0);
    for (unsigned i = 0; i < 2; ++i) {
        const u32 t1 = h + big_sigma1(e) + choose(e, f, g) + words[i];
        const u32 t2 = big_sigma0(a) + majority(a, b, c);
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    return vector_of_lanes(Words{f, e, b, a});
}

__m128i sha256msg1(__m128i a, __m128i b) {
    const Words w = lanes_of<u32>(a);
    const u32 w4 = lanes_of<u32>(b)[0];
    return vector_of_lanes(Words{w[0] + small_sigma0(w[1]), w[1] + small_sigma0(w[2]), w[2] + small_sigma0(w[3]), w[3] + small_sigma0(w4)});
}

__m128i sha256msg2(__m128i a, __m128i b) {
    const Words x = lanes_of<u32>(a), before = lanes_of<u32>(b);
    const u32 w14 = before[2], w15 = before[3];
    const u32 w16 = x[0] + small_sigma1(w14), w17 = x[1] + small_sigma1(w15);
    return vector_of_lanes(Words{w16, w17, x[2] + small_sigma1(w16), x[3] + small_sigma1(w17)});
}

}  // namespace vtsim::cpu::exec
