// SPDX-License-Identifier: Apache-2.0
// The host's packed instructions as functions of two operands, under the guest's names: legacy, VEX and MMX forms are made of them. For files that are compiled for SSE4.2.
#pragma once

#include <nmmintrin.h>

namespace vtsim::cpu::exec {

#define VTSIM_SSE(name, intrinsic) \
    inline __m128i name(__m128i a, __m128i b) { return intrinsic(a, b); }
VTSIM_SSE(paddb, _mm_add_epi8) VTSIM_SSE(paddw, _mm_add_epi16) VTSIM_SSE(paddd, _mm_add_epi32) VTSIM_SSE(paddq, _mm_add_epi64)
VTSIM_SSE(psubb, _mm_sub_epi8) VTSIM_SSE(psubw, _mm_sub_epi16) VTSIM_SSE(psubd, _mm_sub_epi32) VTSIM_SSE(psubq, _mm_sub_epi64)
VTSIM_SSE(paddsb, _mm_adds_epi8) VTSIM_SSE(paddsw, _mm_adds_epi16) VTSIM_SSE(paddusb, _mm_adds_epu8) VTSIM_SSE(paddusw, _mm_adds_epu16)
VTSIM_SSE(psubsb, _mm_subs_epi8) VTSIM_SSE(psubsw, _mm_subs_epi16) VTSIM_SSE(psubusb, _mm_subs_epu8) VTSIM_SSE(psubusw, _mm_subs_epu16)
VTSIM_SSE(pmullw, _mm_mullo_epi16) VTSIM_SSE(pmulhw, _mm_mulhi_epi16) VTSIM_SSE(pmulhuw, _mm_mulhi_epu16) VTSIM_SSE(pmuludq, _mm_mul_epu32)
VTSIM_SSE(pmuldq, _mm_mul_epi32) VTSIM_SSE(pmulld, _mm_mullo_epi32) VTSIM_SSE(pmulhrsw, _mm_mulhrs_epi16) VTSIM_SSE(pmaddubsw, _mm_maddubs_epi16)
VTSIM_SSE(pmaddwd, _mm_madd_epi16) VTSIM_SSE(psadbw, _mm_sad_epu8) VTSIM_SSE(pavgb, _mm_avg_epu8) VTSIM_SSE(pavgw, _mm_avg_epu16)
VTSIM_SSE(pmaxsw, _mm_max_epi16) VTSIM_SSE(pminsw, _mm_min_epi16) VTSIM_SSE(pmaxub, _mm_max_epu8) VTSIM_SSE(pminub, _mm_min_epu8)
VTSIM_SSE(pmaxsb, _mm_max_epi8) VTSIM_SSE(pminsb, _mm_min_epi8) VTSIM_SSE(pmaxuw, _mm_max_epu16) VTSIM_SSE(pminuw, _mm_min_epu16)
VTSIM_SSE(pmaxsd, _mm_max_epi32) VTSIM_SSE(pminsd, _mm_min_epi32) VTSIM_SSE(pmaxud, _mm_max_epu32) VTSIM_SSE(pminud, _mm_min_epu32)
VTSIM_SSE(pand, _mm_and_si128) VTSIM_SSE(pandn, _mm_andnot_si128) VTSIM_SSE(por, _mm_or_si128) VTSIM_SSE(pxor, _mm_xor_si128)
VTSIM_SSE(pcmpeqb, _mm_cmpeq_epi8) VTSIM_SSE(pcmpeqw, _mm_cmpeq_epi16) VTSIM_SSE(pcmpeqd, _mm_cmpeq_epi32) VTSIM_SSE(pcmpeqq, _mm_cmpeq_epi64)
VTSIM_SSE(pcmpgtb, _mm_cmpgt_epi8) VTSIM_SSE(pcmpgtw, _mm_cmpgt_epi16) VTSIM_SSE(pcmpgtd, _mm_cmpgt_epi32) VTSIM_SSE(pcmpgtq, _mm_cmpgt_epi64)
VTSIM_SSE(psignb, _mm_sign_epi8) VTSIM_SSE(psignw, _mm_sign_epi16) VTSIM_SSE(psignd, _mm_sign_epi32)
VTSIM_SSE(phaddw, _mm_hadd_epi16) VTSIM_SSE(phaddd, _mm_hadd_epi32) VTSIM_SSE(phaddsw, _mm_hadds_epi16)
VTSIM_SSE(phsubw, _mm_hsub_epi16) VTSIM_SSE(phsubd, _mm_hsub_epi32) VTSIM_SSE(phsubsw, _mm_hsubs_epi16)
VTSIM_SSE(punpcklbw, _mm_unpacklo_epi8) VTSIM_SSE(punpcklwd, _mm_unpacklo_epi16) VTSIM_SSE(punpckldq, _mm_unpacklo_epi32) VTSIM_SSE(punpcklqdq, _mm_unpacklo_epi64)
VTSIM_SSE(punpckhbw, _mm_unpackhi_epi8) VTSIM_SSE(punpckhwd, _mm_unpackhi_epi16) VTSIM_SSE(punpckhdq, _mm_unpackhi_epi32) VTSIM_SSE(punpckhqdq, _mm_unpackhi_epi64)
VTSIM_SSE(packsswb, _mm_packs_epi16) VTSIM_SSE(packssdw, _mm_packs_epi32) VTSIM_SSE(packuswb, _mm_packus_epi16) VTSIM_SSE(packusdw, _mm_packus_epi32)
VTSIM_SSE(pshufb, _mm_shuffle_epi8)
#undef VTSIM_SSE
inline __m128i pabsb(__m128i, __m128i b) { return _mm_abs_epi8(b); }
inline __m128i pabsw(__m128i, __m128i b) { return _mm_abs_epi16(b); }
inline __m128i pabsd(__m128i, __m128i b) { return _mm_abs_epi32(b); }

// By a count of 64 bits.
inline __m128i psllw(__m128i a, __m128i count) { return _mm_sll_epi16(a, count); }
inline __m128i pslld(__m128i a, __m128i count) { return _mm_sll_epi32(a, count); }
inline __m128i psllq(__m128i a, __m128i count) { return _mm_sll_epi64(a, count); }
inline __m128i psrlw(__m128i a, __m128i count) { return _mm_srl_epi16(a, count); }
inline __m128i psrld(__m128i a, __m128i count) { return _mm_srl_epi32(a, count); }
inline __m128i psrlq(__m128i a, __m128i count) { return _mm_srl_epi64(a, count); }
inline __m128i psraw(__m128i a, __m128i count) { return _mm_sra_epi16(a, count); }
inline __m128i psrad(__m128i a, __m128i count) { return _mm_sra_epi32(a, count); }

}  // namespace vtsim::cpu::exec
