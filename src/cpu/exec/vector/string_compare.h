// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include "base/types.h"

// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM, and the other two searches of SSE4.1 over a whole register, as pure functions: the result does not depend on what the
// host CPU has.
namespace vtsim::cpu::exec {

// What the four instructions compute; the ...I forms keep the index, the ...M forms the mask.
struct StringComparison {
    u32 index;          // for ECX: the lowest (imm8[6] = 0) or highest element of the result that is set; the number of elements if none is
    __m128i mask;       // for XMM0: the result as bits (imm8[6] = 0), or each element all ones or all zeros
    u64 flags;          // CF, ZF, SF, OF where RFLAGS has them; the instructions clear AF and PF
};

// a is the first operand (the set, the ranges or the needle), b the second one (xmm2/m128). Lengths are in elements and at most the number of elements, as the two
// functions below give them. imm8[7] means nothing. SDM vol. 2, "Imm8 Control Byte Operation for PCMPESTRI/PCMPESTRM/PCMPISTRI/PCMPISTRM".
StringComparison compare_strings(__m128i a, unsigned a_length, __m128i b, unsigned b_length, u8 imm);

// Length of an explicit string: the absolute value of EAX or EDX (sign-extended) or, with REX.W, of RAX or RDX; at most the 16 bytes or 8 words of a register.
unsigned explicit_length(i64 value, u8 imm);

// Length of an implicit string: the elements before the first that is zero.
unsigned implicit_length(__m128i string, u8 imm);

// Eight sums of four absolute differences: four bytes of b, chosen by imm8[1:0], against those of a from each of eight neighbouring bytes, the first one chosen by
// imm8[2]. Other bits mean nothing. SDM vol. 2, "MPSADBW".
__m128i mpsadbw(__m128i a, __m128i b, u8 imm);

// The smallest unsigned word in lane 0, the number of the first lane that holds it in lane 1, zeros above. SDM vol. 2, "PHMINPOSUW".
__m128i phminposuw(__m128i words);

}  // namespace vtsim::cpu::exec
