// SPDX-License-Identifier: Apache-2.0
// Instructions that vtsim computes without the host's own: published vectors, and the host's instruction as the oracle wherever it has one.
#include <gtest/gtest.h>
#include <immintrin.h>

#include <array>
#include <bit>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/registers.h"
#include "cpu/exec/vector/crypto.h"
#include "cpu/exec/vector/half_float.h"
#include "cpu/exec/vector/lanes.h"
#include "cpu/exec/vector/string_compare.h"

#define VTSIM_NEEDS(feature) \
    if (!__builtin_cpu_supports(feature)) GTEST_SKIP() << "the host has no " feature " to compare with"
#define VTSIM_HOST [[gnu::target("aes,pclmul,sha,sse4.2")]]

namespace vtsim::test {
namespace {

namespace exec = cpu::exec;
using exec::lanes_of, exec::vector_of_lanes;

struct Vector {                                                  // as a template argument, __m128i would lose its alignment
    __m128i value;
    bool operator==(const Vector& other) const { return lanes_of<u64>(value) == lanes_of<u64>(other.value); }
};
void PrintTo(const Vector& vector, std::ostream* out) {          // as the manuals write it, bit 127 first
    constexpr std::string_view digits = "0123456789abcdef";
    const auto lanes = lanes_of<u8>(vector.value);
    for (unsigned i = 16; i-- > 0;) *out << digits[lanes[i] >> 4] << digits[lanes[i] & 15];
}

Vector bytes(std::string_view hex) {                             // the first byte in lane 0
    std::array<u8, 16> lanes{};
    for (unsigned i = 0; i < 16; ++i) lanes[i] = static_cast<u8>(std::stoul(std::string{hex.substr(2 * i, 2)}, nullptr, 16));
    return {vector_of_lanes(lanes)};
}
Vector words(u32 lane3, u32 lane2, u32 lane1, u32 lane0) { return {vector_of_lanes(std::array{lane0, lane1, lane2, lane3})}; }

struct Random {
    std::mt19937_64 engine{20180521};
    u64 next() { return engine(); }
    u64 below(u64 limit) { return next() % limit; }
    Vector vector() {
        const u64 low = next(), high = next();
        return {vector_of_lanes(std::array{low, high})};
    }
};

// Every single bit, the extremes, then random values.
std::vector<Vector> interesting_vectors(unsigned random_count) {
    std::vector<Vector> all{words(0, 0, 0, 0), words(~0u, ~0u, ~0u, ~0u), words(0x80808080, 0x7f7f7f7f, 0x80007fff, 0x01ff00fe)};
    for (unsigned bit = 0; bit < 128; ++bit) {
        std::array<u64, 2> lanes{};
        lanes[bit / 64] = u64{1} << (bit % 64);
        all.push_back({vector_of_lanes(lanes)});
    }
    Random random;
    for (unsigned i = 0; i < random_count; ++i) all.push_back(random.vector());
    return all;
}

// f<0> to f<255> in a table, for instructions whose immediate is a constant of the code.
#define VTSIM_IMMEDIATES(f) []<std::size_t... i>(std::index_sequence<i...>) { return std::array{&f<static_cast<int>(i)>...}; }(std::make_index_sequence<256>{})

using Unary = __m128i (*)(__m128i);
using Binary = __m128i (*)(__m128i, __m128i);

void expect_same(const char* name, Unary ours, Unary host) {
    for (const Vector& a : interesting_vectors(1000)) EXPECT_EQ(Vector{ours(a.value)}, Vector{host(a.value)}) << name << ' ' << testing::PrintToString(a);
}

void expect_same(const char* name, Binary ours, Binary host) {
    const auto all = interesting_vectors(150);
    for (const Vector& a : all) {
        for (const Vector& b : all) {
            ASSERT_EQ(Vector{ours(a.value, b.value)}, Vector{host(a.value, b.value)}) << name << ' ' << testing::PrintToString(a) << ' ' << testing::PrintToString(b);
        }
    }
}

template <class Hosts, class Ours>
void expect_same_for_all_immediates(const char* name, Ours ours, const Hosts& hosts) {
    const auto all = interesting_vectors(100);
    Random random;
    for (unsigned imm = 0; imm < 256; ++imm) {
        for (const Vector& a : all) {
            const Vector b = random.vector();
            ASSERT_EQ(Vector{ours(a.value, b.value, static_cast<u8>(imm))}, Vector{hosts[imm](a.value, b.value)})
                << name << " imm8 " << imm << ' ' << testing::PrintToString(a) << ' ' << testing::PrintToString(b);
        }
    }
}

// ---- AES ----------------------------------------------------------------------------------------------------------------

VTSIM_HOST __m128i host_aesenc(__m128i a, __m128i b) { return _mm_aesenc_si128(a, b); }
VTSIM_HOST __m128i host_aesenclast(__m128i a, __m128i b) { return _mm_aesenclast_si128(a, b); }
VTSIM_HOST __m128i host_aesdec(__m128i a, __m128i b) { return _mm_aesdec_si128(a, b); }
VTSIM_HOST __m128i host_aesdeclast(__m128i a, __m128i b) { return _mm_aesdeclast_si128(a, b); }
VTSIM_HOST __m128i host_aesimc(__m128i a) { return _mm_aesimc_si128(a); }
template <int imm>
VTSIM_HOST __m128i host_aeskeygenassist(__m128i a, __m128i) { return _mm_aeskeygenassist_si128(a, imm); }

TEST(VectorPortable, AesRoundsAreThoseOfTheHost) {
    VTSIM_NEEDS("aes");
    expect_same("AESENC", exec::aesenc, host_aesenc);
    expect_same("AESENCLAST", exec::aesenclast, host_aesenclast);
    expect_same("AESDEC", exec::aesdec, host_aesdec);
    expect_same("AESDECLAST", exec::aesdeclast, host_aesdeclast);
    expect_same("AESIMC", exec::aesimc, host_aesimc);
}

TEST(VectorPortable, AesKeyGenerationIsThatOfTheHostForAllImmediates) {
    VTSIM_NEEDS("aes");
    const auto ours = [](__m128i a, __m128i, u8 imm) { return exec::aeskeygenassist(a, imm); };
    expect_same_for_all_immediates("AESKEYGENASSIST", ours, VTSIM_IMMEDIATES(host_aeskeygenassist));
}

// FIPS 197, "Key Expansion", for a key of 128 bits.
std::array<Vector, 11> expanded(Vector key) {
    std::array<Vector, 11> keys{key};
    u8 constant = 1;
    for (unsigned i = 1; i < 11; ++i) {
        const u32 assist = lanes_of<u32>(exec::aeskeygenassist(keys[i - 1].value, constant))[3];
        auto lanes = lanes_of<u32>(keys[i - 1].value);
        lanes[0] ^= assist;
        for (unsigned k = 1; k < 4; ++k) lanes[k] ^= lanes[k - 1];
        keys[i] = {vector_of_lanes(lanes)};
        constant = static_cast<u8>(constant << 1 ^ (constant >= 0x80 ? 0x1b : 0));
    }
    return keys;
}

TEST(VectorPortable, Aes128ExampleOfFips197) {
    const auto keys = expanded(bytes("000102030405060708090a0b0c0d0e0f"));
    EXPECT_EQ(keys[10], bytes("13111d7fe3944a17f307a78b4d2b30c5"));
    const Vector plain = bytes("00112233445566778899aabbccddeeff"), cipher = bytes("69c4e0d86a7b0430d8cdb78070b4c55a");
    Vector state{_mm_xor_si128(plain.value, keys[0].value)};
    for (unsigned i = 1; i < 10; ++i) state = {exec::aesenc(state.value, keys[i].value)};
    state = {exec::aesenclast(state.value, keys[10].value)};
    EXPECT_EQ(state, cipher);
    state = {_mm_xor_si128(state.value, keys[10].value)};
    for (unsigned i = 9; i > 0; --i) state = {exec::aesdec(state.value, exec::aesimc(keys[i].value))};        // "Equivalent Inverse Cipher"
    state = {exec::aesdeclast(state.value, keys[0].value)};
    EXPECT_EQ(state, plain);
}

// ---- PCLMULQDQ ----------------------------------------------------------------------------------------------------------

template <int imm>
VTSIM_HOST __m128i host_pclmulqdq(__m128i a, __m128i b) { return _mm_clmulepi64_si128(a, b, imm); }

TEST(VectorPortable, CarryLessProductIsThatOfTheHostForAllImmediates) {
    VTSIM_NEEDS("pclmul");
    expect_same_for_all_immediates("PCLMULQDQ", exec::pclmulqdq, VTSIM_IMMEDIATES(host_pclmulqdq));
}

// SP 800-38D, "Multiplication Operation on Blocks": the first bit of a block is the coefficient of x^0, modulo x^128 + x^7 + x^2 + x + 1.
u128 block(std::string_view hex) {
    u128 value = 0;
    for (unsigned i = 0; i < 128; ++i) value |= u128{std::stoul(std::string{hex.substr(i / 4, 1)}, nullptr, 16) >> (3 - i % 4) & 1} << i;
    return value;
}

u128 product(u128 a, u128 b) {
    const auto vector = [](u128 x) { return vector_of_lanes(std::array{static_cast<u64>(x), static_cast<u64>(x >> 64)}); };
    const auto part = [&](u8 imm) {
        const auto lanes = lanes_of<u64>(exec::pclmulqdq(vector(a), vector(b), imm));
        return u128{lanes[1]} << 64 | lanes[0];
    };
    const u128 middle = part(0x01) ^ part(0x10), low = part(0x00) ^ middle << 64;
    u128 high = part(0x11) ^ middle >> 64;
    for (unsigned i = 0; i < 128; ++i) high = high << 1 ^ (high >> 127 != 0 ? 0x87 : 0);         // times x
    return low ^ high;
}

TEST(VectorPortable, GhashBlockOfTheGcmSpecification) {          // test case 2, X1
    const u128 key = block("66e94bd4ef8a2c3b884cfa59ca342b2e"), cipher = block("0388dace60b6a392f328c2b971b2fe78");
    EXPECT_TRUE(product(cipher, key) == block("5e2ec746917062882c85b0685353deb7"));
}

// ---- SHA ----------------------------------------------------------------------------------------------------------------

VTSIM_HOST __m128i host_sha1nexte(__m128i a, __m128i b) { return _mm_sha1nexte_epu32(a, b); }
VTSIM_HOST __m128i host_sha1msg1(__m128i a, __m128i b) { return _mm_sha1msg1_epu32(a, b); }
VTSIM_HOST __m128i host_sha1msg2(__m128i a, __m128i b) { return _mm_sha1msg2_epu32(a, b); }
VTSIM_HOST __m128i host_sha256msg1(__m128i a, __m128i b) { return _mm_sha256msg1_epu32(a, b); }
VTSIM_HOST __m128i host_sha256msg2(__m128i a, __m128i b) { return _mm_sha256msg2_epu32(a, b); }
VTSIM_HOST __m128i host_sha256rnds2(__m128i a, __m128i b, __m128i xmm0) { return _mm_sha256rnds2_epu32(a, b, xmm0); }
template <int imm>
__m128i host_sha1rnds4(__m128i a, __m128i b) {                   // the intrinsic refuses bits that mean nothing
    __asm__("sha1rnds4 %2, %1, %0" : "+x"(a) : "x"(b), "i"(imm));
    return a;
}

TEST(VectorPortable, ShaStepsAreThoseOfTheHost) {
    VTSIM_NEEDS("sha");
    expect_same("SHA1NEXTE", exec::sha1nexte, host_sha1nexte);
    expect_same("SHA1MSG1", exec::sha1msg1, host_sha1msg1);
    expect_same("SHA1MSG2", exec::sha1msg2, host_sha1msg2);
    expect_same("SHA256MSG1", exec::sha256msg1, host_sha256msg1);
    expect_same("SHA256MSG2", exec::sha256msg2, host_sha256msg2);
    expect_same_for_all_immediates("SHA1RNDS4", exec::sha1rnds4, VTSIM_IMMEDIATES(host_sha1rnds4));
}

TEST(VectorPortable, Sha256RoundsAreThoseOfTheHost) {
    VTSIM_NEEDS("sha");
    Random random;
    for (const Vector& a : interesting_vectors(20000)) {
        const Vector b = random.vector(), xmm0 = random.vector();
        EXPECT_EQ(Vector{exec::sha256rnds2(a.value, b.value, xmm0.value)}, Vector{host_sha256rnds2(a.value, b.value, xmm0.value)});
        EXPECT_EQ(Vector{exec::sha256rnds2(b.value, a.value, xmm0.value)}, Vector{host_sha256rnds2(b.value, a.value, xmm0.value)});
        EXPECT_EQ(Vector{exec::sha256rnds2(b.value, xmm0.value, a.value)}, Vector{host_sha256rnds2(b.value, xmm0.value, a.value)});
    }
}

// FIPS 180, "One-Block Message Sample": "abc", padded. Groups of four words in the order of the two families.
constexpr std::array<u32, 16> abc_block{0x61626380, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24};

Vector add(Vector a, Vector b) { return {_mm_add_epi32(a.value, b.value)}; }

TEST(VectorPortable, Sha1OfAbc) {
    const Vector start = words(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476), start_e = words(0xc3d2e1f0, 0, 0, 0);
    std::vector<Vector> w;
    for (unsigned i = 0; i < 16; i += 4) w.push_back(words(abc_block[i], abc_block[i + 1], abc_block[i + 2], abc_block[i + 3]));
    while (w.size() < 20) {
        const std::size_t i = w.size();
        const __m128i partial = _mm_xor_si128(exec::sha1msg1(w[i - 4].value, w[i - 3].value), w[i - 2].value);
        w.push_back({exec::sha1msg2(partial, w[i - 1].value)});
    }
    Vector abcd = start, before = start;
    for (unsigned i = 0; i < 20; ++i) {
        const Vector with_e = i == 0 ? add(w[0], start_e) : Vector{exec::sha1nexte(before.value, w[i].value)};
        before = abcd;
        abcd = {exec::sha1rnds4(abcd.value, with_e.value, static_cast<u8>(i / 5))};
    }
    EXPECT_EQ(add(abcd, start), words(0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c));
    EXPECT_EQ(Vector{exec::sha1nexte(before.value, start_e.value)}, words(0x9cd0d89d, 0, 0, 0));
}

// FIPS 180, "SHA-224 and SHA-256 Constants": the fractions of the cube roots of the first 64 primes, found by bisection in integers.
std::array<u32, 64> sha256_constants() {
    std::array<u32, 64> constants{};
    unsigned found = 0;
    for (unsigned n = 2; found < 64; ++n) {
        bool prime = true;
        for (unsigned d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
        if (!prime) continue;
        u64 root = 0;                                            // the cube root times 2^32
        for (int bit = 34; bit >= 0; --bit) {
            const u128 next = root | u64{1} << bit, limit = u128{n} << 92;
            if (next * next * next >> 4 <= limit) root = static_cast<u64>(next);
        }
        constants[found++] = static_cast<u32>(root);
    }
    return constants;
}

TEST(VectorPortable, Sha256OfAbc) {
    const auto k = sha256_constants();
    ASSERT_EQ(k[0], 0x428a2f98u);
    ASSERT_EQ(k[63], 0xc67178f2u);
    const Vector start_abef = words(0x6a09e667, 0xbb67ae85, 0x510e527f, 0x9b05688c), start_cdgh = words(0x3c6ef372, 0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
    std::vector<Vector> w;
    for (unsigned i = 0; i < 16; i += 4) w.push_back(words(abc_block[i + 3], abc_block[i + 2], abc_block[i + 1], abc_block[i]));
    while (w.size() < 16) {
        const std::size_t i = w.size();
        const auto low = lanes_of<u32>(w[i - 2].value), high = lanes_of<u32>(w[i - 1].value);
        const Vector seven_before = words(high[0], low[3], low[2], low[1]);
        const Vector partial = add({exec::sha256msg1(w[i - 4].value, w[i - 3].value)}, seven_before);
        w.push_back({exec::sha256msg2(partial.value, w[i - 1].value)});
    }
    Vector abef = start_abef, cdgh = start_cdgh;
    for (unsigned i = 0; i < 64; i += 2) {
        const auto lanes = lanes_of<u32>(w[i / 4].value);
        const Vector with_constants = words(0, 0, lanes[i % 4 + 1] + k[i + 1], lanes[i % 4] + k[i]);
        const Vector next{exec::sha256rnds2(cdgh.value, abef.value, with_constants.value)};
        cdgh = abef, abef = next;
    }
    EXPECT_EQ(add(abef, start_abef), words(0xba7816bf, 0x8f01cfea, 0xb00361a3, 0x96177a9c));
    EXPECT_EQ(add(cdgh, start_cdgh), words(0x414140de, 0x5dae2223, 0xb410ff61, 0xf20015ad));
}

// ---- Strings ------------------------------------------------------------------------------------------------------------

struct Compared {
    u64 index_or_mask[2];
    u64 flags;
    bool operator==(const Compared&) const = default;
};
void PrintTo(const Compared& c, std::ostream* out) { *out << std::hex << c.index_or_mask[1] << ':' << c.index_or_mask[0] << " flags " << c.flags; }

Compared with_index(const exec::StringComparison& c) { return {{c.index, 0}, c.flags}; }
Compared with_mask(const exec::StringComparison& c) { return {{lanes_of<u64>(c.mask)[0], lanes_of<u64>(c.mask)[1]}, c.flags}; }

// In assembly: one execution gives the result with all of the flags, and the forms with REX.W have no intrinsics. The flags are CF, ZF, SF, OF, PF; PF must be 0.
#define VTSIM_HOST_COMPARE(name, text, result_type, result_register)                                                                    \
    template <int imm>                                                                                                                  \
    Compared name(__m128i a, __m128i b, [[maybe_unused]] i64 a_length, [[maybe_unused]] i64 b_length) {                                 \
        result_type result;                                                                                                             \
        bool cf, zf, sf, of, pf;                                                                                                        \
        __asm__(text " %[imm], %[b], %[a]"                                                                                              \
                : result_register(result), "=@ccc"(cf), "=@ccz"(zf), "=@ccs"(sf), "=@cco"(of), "=@ccp"(pf)                              \
                : [a] "x"(a), [b] "x"(b), [imm] "i"(imm), "a"(a_length), "d"(b_length));                                                \
        namespace flag = arch::rflags;                                                                                                  \
        Compared compared{{}, (cf ? flag::cf : 0) | (zf ? flag::zf : 0) | (sf ? flag::sf : 0) | (of ? flag::of : 0) | (pf ? flag::pf : 0)}; \
        std::memcpy(compared.index_or_mask, &result, sizeof result);                                                                    \
        return compared;                                                                                                                \
    }
VTSIM_HOST_COMPARE(host_pcmpestri, "pcmpestri", u64, "=c")
VTSIM_HOST_COMPARE(host_pcmpestri_w, "pcmpestriq", u64, "=c")
VTSIM_HOST_COMPARE(host_pcmpestrm, "pcmpestrm", __m128i, "=Yz")
VTSIM_HOST_COMPARE(host_pcmpestrm_w, "pcmpestrmq", __m128i, "=Yz")
VTSIM_HOST_COMPARE(host_pcmpistri, "pcmpistri", u64, "=c")
VTSIM_HOST_COMPARE(host_pcmpistrm, "pcmpistrm", __m128i, "=Yz")

// Elements of a small alphabet, so that they meet, or of all values; zeros end strings at any place or not at all.
Vector string(Random& random) {
    constexpr std::array<u8, 6> alphabet{0x01, 0x02, 0x7f, 0x80, 0x81, 0xff};
    const u64 letters = random.below(8), zeros = random.below(3);
    std::array<u8, 16> lanes;
    for (u8& lane : lanes) {
        lane = static_cast<u8>(letters < 6 ? alphabet[random.below(letters + 1)] : 1 + random.below(255));
        if (zeros != 0 && random.below(zeros == 1 ? 16 : 4) == 0) lane = 0;
    }
    if (random.below(4) == 0) lanes[random.below(8) * 2 + 1] = lanes[random.below(8) * 2] = 0;
    return {vector_of_lanes(lanes)};
}

i64 length(Random& random) {
    constexpr i64 edges[] = {std::numeric_limits<i32>::min(), std::numeric_limits<i32>::max(), std::numeric_limits<i64>::min(), std::numeric_limits<i64>::max(),
                             0x1'0000'0003, -0x1'0000'0000, 0xffff'fffd, 0x8000'0000, 255, -256};
    if (random.below(8) == 0) return edges[random.below(std::size(edges))];
    return static_cast<i64>(random.below(39)) - 19;
}

TEST(VectorPortable, StringComparisonsAreThoseOfTheHostForAllImmediates) {
    VTSIM_NEEDS("sse4.2");
    constexpr auto estri = VTSIM_IMMEDIATES(host_pcmpestri), estri_w = VTSIM_IMMEDIATES(host_pcmpestri_w), istri = VTSIM_IMMEDIATES(host_pcmpistri);
    constexpr auto estrm = VTSIM_IMMEDIATES(host_pcmpestrm), estrm_w = VTSIM_IMMEDIATES(host_pcmpestrm_w), istrm = VTSIM_IMMEDIATES(host_pcmpistrm);
    Random random;
    for (unsigned i = 0; i < 256; ++i) {
        const auto imm = static_cast<u8>(i);
        for (int round = 0; round < 2000; ++round) {
            const __m128i a = string(random).value, b = string(random).value;
            const i64 rax = length(random), rdx = length(random);
            const auto eax = static_cast<i32>(rax), edx = static_cast<i32>(rdx);
            const auto explicit_form = exec::compare_strings(a, exec::explicit_length(eax, imm), b, exec::explicit_length(edx, imm), imm);
            const auto wide_form = exec::compare_strings(a, exec::explicit_length(rax, imm), b, exec::explicit_length(rdx, imm), imm);
            const auto implicit_form = exec::compare_strings(a, exec::implicit_length(a, imm), b, exec::implicit_length(b, imm), imm);
            const auto where = [&] {
                return testing::Message() << "imm8 " << i << " a " << testing::PrintToString(Vector{a}) << " b " << testing::PrintToString(Vector{b}) << " rax " << rax << " rdx " << rdx;
            };
            ASSERT_EQ(with_index(explicit_form), estri[imm](a, b, rax, rdx)) << where();
            ASSERT_EQ(with_mask(explicit_form), estrm[imm](a, b, rax, rdx)) << where();
            ASSERT_EQ(with_index(wide_form), estri_w[imm](a, b, rax, rdx)) << where();
            ASSERT_EQ(with_mask(wide_form), estrm_w[imm](a, b, rax, rdx)) << where();
            ASSERT_EQ(with_index(implicit_form), istri[imm](a, b, rax, rdx)) << where();
            ASSERT_EQ(with_mask(implicit_form), istrm[imm](a, b, rax, rdx)) << where();
        }
    }
}

Vector text(std::string_view characters) {
    std::array<u8, 16> lanes{};
    for (std::size_t i = 0; i < characters.size(); ++i) lanes[i] = static_cast<u8>(characters[i]);
    return {vector_of_lanes(lanes)};
}

TEST(VectorPortable, StringSearchesReadAsTheirNames) {          // by hand, for hosts without SSE4.2
    namespace flag = arch::rflags;
    const auto implicit = [](std::string_view a, std::string_view b, u8 imm) {
        const __m128i x = text(a).value, y = text(b).value;
        return exec::compare_strings(x, exec::implicit_length(x, imm), y, exec::implicit_length(y, imm), imm);
    };
    EXPECT_EQ(implicit("ou", "hello world", 0x00).index, 4u);                     // strpbrk
    EXPECT_EQ(implicit("ou", "hello world", 0x40).index, 7u);                     // the last one
    EXPECT_EQ(implicit("az", "UP and down", 0x04).index, 3u);                     // a range
    EXPECT_EQ(implicit("az", "down", 0x34).index, 16u);                           // nothing outside of it in the string
    EXPECT_EQ(implicit("hello", "help", 0x18).index, 3u);                         // the first difference
    EXPECT_EQ(implicit("wor", "hello world", 0x0c).index, 6u);                    // strstr
    EXPECT_EQ(implicit("xyz", "aaaaaaaaaaaaaaxy", 0x0c).index, 14u);              // may go on in the next register
    EXPECT_EQ(implicit("he", "hehe", 0x0c).flags, flag::cf | flag::zf | flag::sf | flag::of);
    EXPECT_EQ(implicit("x", "0123456789abcdef", 0x00).flags, flag::sf);
    EXPECT_EQ(Vector{implicit("l", "hello", 0x00).mask}, words(0, 0, 0, 0xc));
    EXPECT_EQ(Vector{implicit("l", "hello", 0x40).mask}, words(0, 0, 0, 0xffff0000));
}

template <int imm>
VTSIM_HOST __m128i host_mpsadbw(__m128i a, __m128i b) { return _mm_mpsadbw_epu8(a, b, imm); }
VTSIM_HOST __m128i host_phminposuw(__m128i a) { return _mm_minpos_epu16(a); }

TEST(VectorPortable, SumsOfDifferencesAreThoseOfTheHostForAllImmediates) {
    VTSIM_NEEDS("sse4.1");
    expect_same_for_all_immediates("MPSADBW", exec::mpsadbw, VTSIM_IMMEDIATES(host_mpsadbw));
}

TEST(VectorPortable, SmallestWordIsThatOfTheHost) {
    VTSIM_NEEDS("sse4.1");
    expect_same("PHMINPOSUW", exec::phminposuw, host_phminposuw);
    Random random;
    for (unsigned i = 0; i < 20000; ++i) {                       // few values, so that several lanes hold the smallest
        const __m128i words = _mm_and_si128(random.vector().value, _mm_set1_epi16(static_cast<short>(0x8001)));
        EXPECT_EQ(Vector{exec::phminposuw(words)}, Vector{host_phminposuw(words)});
    }
}

// ---- Half floats --------------------------------------------------------------------------------------------------------

constexpr u32 all_masked = 0x1f80, daz = 0x40, ftz = 0x8000, underflow_and_overflow_unmasked = all_masked & ~0xc00u;
constexpr u32 ie = 1, de = 2, oe = 8, ue = 0x10, pe = 0x20;

template <class T>
struct Converted {
    T bits;
    u32 exceptions;
    bool operator==(const Converted&) const = default;
};
template <class T>
void PrintTo(const Converted<T>& c, std::ostream* out) { *out << std::hex << c.bits << " exceptions " << c.exceptions; }

// In assembly, so that nothing moves across the change of MXCSR. The other lanes are zero and raise nothing.
Converted<u32> host_half_to_single(u16 half, u32 mxcsr) {
    const u32 own = _mm_getcsr();
    u32 status = mxcsr;
    __m128i x = _mm_cvtsi32_si128(half);
    __asm__ volatile("ldmxcsr %1\n vcvtph2ps %0, %0\n stmxcsr %1\n ldmxcsr %2" : "+x"(x), "+m"(status) : "m"(own));
    return {static_cast<u32>(_mm_cvtsi128_si32(x)), status & 0x3f};
}

template <int imm>
Converted<u16> host_single_to_half(u32 single, u32 mxcsr) {
    const u32 own = _mm_getcsr();
    u32 status = mxcsr;
    __m128i x = _mm_cvtsi32_si128(static_cast<int>(single));
    __asm__ volatile("ldmxcsr %1\n vcvtps2ph %3, %0, %0\n stmxcsr %1\n ldmxcsr %2" : "+x"(x), "+m"(status) : "m"(own), "i"(imm));
    return {static_cast<u16>(_mm_cvtsi128_si32(x)), status & 0x3f};
}

Converted<u32> half_to_single(u16 half) {
    const auto result = exec::half_to_single(half);
    return {result.bits, result.exceptions};
}
Converted<u16> single_to_half(u32 single, u8 imm, u32 mxcsr) {
    const auto result = exec::single_to_half(single, imm, mxcsr);
    return {result.bits, result.exceptions};
}

TEST(VectorPortable, EveryHalfFloatConvertsAsOnTheHost) {
    VTSIM_NEEDS("f16c");
    for (unsigned half = 0; half < 0x1'0000; ++half) {
        const auto bits = static_cast<u16>(half);
        ASSERT_EQ(half_to_single(bits), host_half_to_single(bits, all_masked)) << std::hex << half;
        ASSERT_EQ(half_to_single(bits), host_half_to_single(bits, all_masked | daz | ftz)) << std::hex << half;
    }
}

TEST(VectorPortable, EveryHalfFloatSurvivesTheWayThereAndBack) {
    for (unsigned half = 0; half < 0x1'0000; ++half) {
        const bool nan = (half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0;
        const auto back = single_to_half(half_to_single(static_cast<u16>(half)).bits, 0, all_masked);
        ASSERT_EQ(back, (Converted<u16>{static_cast<u16>(nan ? half | 0x200 : half), 0})) << std::hex << half;
    }
}

// For every exponent: single bits, runs of ones and their neighbours, so that each rounding position sees less than, exactly and more than half; and random fractions.
std::vector<u32> interesting_singles(unsigned random_count) {
    std::vector<u32> fractions{0};
    for (unsigned i = 0; i < 23; ++i) {
        const u32 bit = 1u << i, top = 0x80'0000 - bit;
        for (const u32 f : {bit, bit - 1, bit + 1, top, top - 1, top + 1, 0x40'0000 | bit, (3 * bit) & 0x7f'ffff, (3 * bit - 1) & 0x7f'ffff, (3 * bit + 1) & 0x7f'ffff}) fractions.push_back(f);
    }
    Random random;
    std::vector<u32> all;
    for (u32 high = 0; high < 512; ++high) {                     // sign and exponent
        for (const u32 f : fractions) all.push_back(high << 23 | f);
        for (unsigned i = 0; i < random_count; ++i) all.push_back(high << 23 | static_cast<u32>(random.below(0x80'0000)));
    }
    return all;
}

template <int imm>
void compare_single_to_half(const std::vector<u32>& singles, u32 mxcsr) {
    for (const u32 single : singles) {
        ASSERT_EQ(single_to_half(single, imm, mxcsr), host_single_to_half<imm>(single, mxcsr)) << std::hex << "single " << single << " imm8 " << imm << " mxcsr " << mxcsr;
    }
}

TEST(VectorPortable, SinglesConvertToHalfAsOnTheHostWithEveryRounding) {
    VTSIM_NEEDS("f16c");
    const auto singles = interesting_singles(200);
    for (const u32 mode : {0u, daz, ftz, daz | ftz}) {
        for (u32 control = 0; control < 4; ++control) {
            const u32 mxcsr = all_masked | mode | control << 13;
            compare_single_to_half<0>(singles, mxcsr);
            compare_single_to_half<1>(singles, mxcsr);
            compare_single_to_half<2>(singles, mxcsr);
            compare_single_to_half<3>(singles, mxcsr);
            compare_single_to_half<4>(singles, mxcsr);
            compare_single_to_half<7>(singles, mxcsr);
            compare_single_to_half<0xf8>(singles, mxcsr);
        }
    }
}

TEST(VectorPortable, BoundariesOfHalfFloats) {
    constexpr u8 nearest = 0, up = 2, zero = 3;
    const auto half = [](float value, u8 imm, u32 mxcsr = all_masked) { return single_to_half(std::bit_cast<u32>(value), imm, mxcsr); };
    using Half = Converted<u16>;
    EXPECT_EQ(half(1.0f, nearest), (Half{0x3c00, 0}));
    EXPECT_EQ(half(65504.0f, nearest), (Half{0x7bff, 0}));                        // the largest
    EXPECT_EQ(half(65519.0f, nearest), (Half{0x7bff, pe}));
    EXPECT_EQ(half(65520.0f, nearest), (Half{0x7c00, oe | pe}));                  // half a step above it
    EXPECT_EQ(half(65536.0f, zero), (Half{0x7bff, oe | pe}));
    EXPECT_EQ(half(-65536.0f, up), (Half{0xfbff, oe | pe}));
    EXPECT_EQ(half(0x1p-24f, nearest), (Half{0x0001, 0}));                        // the smallest denormal: exact, so no underflow
    EXPECT_EQ(half(0x1p-24f, nearest, underflow_and_overflow_unmasked), (Half{0x0001, ue}));
    EXPECT_EQ(half(0x1p-25f, nearest), (Half{0x0000, ue | pe}));
    EXPECT_EQ(half(0x1.8p-25f, nearest), (Half{0x0001, ue | pe}));
    EXPECT_EQ(half(0x1.ffcp-15f, nearest), (Half{0x0400, ue | pe}));              // rounds to the smallest normal number, but not with all 11 bits
    EXPECT_EQ(half(0x1.fffp-15f, nearest), (Half{0x0400, pe}));                   // with them too: not tiny
    EXPECT_EQ(single_to_half(0x0000'0001, up, all_masked), (Half{0x0001, de | ue | pe}));
    EXPECT_EQ(single_to_half(0x0000'0001, up, all_masked | daz), (Half{0x0000, 0}));
    EXPECT_EQ(single_to_half(0x8000'0001, nearest, all_masked | ftz), (Half{0x8000, de | ue | pe}));
    EXPECT_EQ(single_to_half(0x7f80'0001, nearest, all_masked), (Half{0x7e00, ie}));
    EXPECT_EQ(half_to_single(0xfc01), (Converted<u32>{0xffc0'2000, ie}));
    EXPECT_EQ(half_to_single(0x0001), (Converted<u32>{std::bit_cast<u32>(0x1p-24f), 0}));
}

// Unmasked, overflow and underflow deliver SIGFPE instead of a result: what the host had raised by then is in the context.
sigjmp_buf after_trap;
volatile u32 mxcsr_at_trap;

void on_trap(int, siginfo_t*, void* context) {
    mxcsr_at_trap = static_cast<ucontext_t*>(context)->uc_mcontext.fpregs->mxcsr;
    siglongjmp(after_trap, 1);
}

u32 host_exceptions_unmasked(u32 single, u32 mxcsr) {
    const u32 own = _mm_getcsr();
    if (sigsetjmp(after_trap, 1) == 0) return host_single_to_half<4>(single, mxcsr).exceptions;
    _mm_setcsr(own);
    return mxcsr_at_trap & 0x3f;
}

TEST(VectorPortable, UnmaskedOverflowAndUnderflowRaiseWhatTheHostRaises) {
    VTSIM_NEEDS("f16c");
    struct sigaction action{}, before{};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(SIGFPE, &action, &before), 0);
    for (const u32 single : interesting_singles(0)) {
        const u32 exponent = single >> 23 & 0xff;
        if (exponent > 2 && exponent < 98) continue;             // all alike: tiny and far below the smallest denormal
        const u32 mxcsr = underflow_and_overflow_unmasked | (single >> 13 & 3) << 13;
        EXPECT_EQ(single_to_half(single, 4, mxcsr).exceptions, host_exceptions_unmasked(single, mxcsr)) << std::hex << single;
    }
    sigaction(SIGFPE, &before, nullptr);
}

}  // namespace
}  // namespace vtsim::test
