// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include "base/types.h"

// AES-NI, PCLMULQDQ and the SHA extensions as pure functions: the result does not depend on what the host CPU has. Operands are in the order of the SDM's legacy
// forms, the destination first; the VEX forms call the same functions. None of these instructions touches RFLAGS or MXCSR. SDM vol. 2, under each mnemonic.
namespace vtsim::cpu::exec {

// One round on the state; FIPS 197 names the steps. SDM vol. 1, "AES State Operation".
__m128i aesenc(__m128i state, __m128i round_key);
__m128i aesenclast(__m128i state, __m128i round_key);
__m128i aesdec(__m128i state, __m128i round_key);
__m128i aesdeclast(__m128i state, __m128i round_key);
__m128i aesimc(__m128i round_key);
__m128i aeskeygenassist(__m128i key, u8 round_constant);

// Carry-less product of one quadword of each; imm8[0] chooses that of a, imm8[4] that of b, other bits mean nothing.
__m128i pclmulqdq(__m128i a, __m128i b, u8 imm);

__m128i sha1rnds4(__m128i abcd, __m128i words, u8 imm);        // imm8[1:0]: which of the four groups of 20 rounds
__m128i sha1nexte(__m128i abcd, __m128i words);
__m128i sha1msg1(__m128i a, __m128i b);
__m128i sha1msg2(__m128i a, __m128i b);
__m128i sha256rnds2(__m128i cdgh, __m128i abef, __m128i xmm0); // xmm0: the implicit operand, two words with their constants added
__m128i sha256msg1(__m128i a, __m128i b);
__m128i sha256msg2(__m128i a, __m128i b);

}  // namespace vtsim::cpu::exec
