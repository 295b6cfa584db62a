// SPDX-License-Identifier: Apache-2.0
// The precision exception beside unmasked overflow or underflow. Then no result is delivered, and MXCSR.PE says whether the result would be inexact if its exponent had no bounds:
// SDM vol. 1, "Numeric Overflow Exception (#O)", "Numeric Underflow Exception (#U)" of the chapters on SSE. The host computes with all exceptions masked and tells something else:
// a result that overflows is always inexact, a tiny one after its low bits are gone.
#pragma once

#include <emmintrin.h>

#include "base/types.h"

namespace vtsim::cpu::exec {

using Ternary = __m128i (*)(__m128i, __m128i, __m128i);

// Lanes of the result that can be tiny: those of instructions that round.
enum class Tiny : u8 { never, singles, doubles, first_single, first_double };

// How operands are scaled to move the exponent of a result, and nothing else of it.
enum class Scaling : u8 {
    sum,                                     // by the same power of two; tiny sums are exact
    pairs,                                   // sums of neighbours: of the first operand below, of the second above
    product,                                 // and quotient: each by its own
    narrowing,                               // of the second operand, doubles to singles
    fused132, fused213, fused231,            // factors each by its own, the addend by both
};

struct Computation {
    Ternary f;                               // 16 bytes at a time
    Scaling scaling;
    Tiny lanes;                              // of the result
};

// MXCSR.PE of the computation on these operands under the `rules` of an MXCSR, as it is seen when the exceptions `unmasked` (OE, UE) are: PE or 0. Slow: for the rare case that one of
// them is raised.
[[nodiscard]] u32 precision_when_unmasked(const Computation& computation, __m128i a, __m128i b, __m128i c, u32 rules, u32 unmasked);

}  // namespace vtsim::cpu::exec
