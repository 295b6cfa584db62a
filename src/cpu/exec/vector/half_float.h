// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

// Conversions of F16C, one lane: bits in, bits out, with integer arithmetic only, so that neither the host's CPU nor its MXCSR matters.
namespace vtsim::cpu::exec {

// `exceptions` are those of MXCSR[5:0] that the lane raises; the caller ORs its lanes. The result is the masked response. Denormal and invalid are found before
// computing: if one of them is raised unmasked, the caller drops overflow, underflow and precision of all lanes (SDM vol. 1, "Response to Multiple SIMD Floating-Point
// Exceptions").
struct SingleResult { u32 bits; u32 exceptions; };
struct HalfResult { u16 bits; u32 exceptions; };

// VCVTPH2PS: always exact; a signalling NaN becomes quiet and raises IE. Denormals are normalized whatever DAZ says and raise nothing.
SingleResult half_to_single(u16 half);

// VCVTPS2PH: rounds by imm8[1:0], or with imm8[2] by MXCSR.RC. DAZ counts, FTZ does not. Underflow means tiny after rounding and inexact; where MXCSR.UM or OM is clear,
// the exceptions are those of the unmasked response. SDM vol. 2, "VCVTPS2PH".
HalfResult single_to_half(u32 single, u8 imm, u32 mxcsr);

}  // namespace vtsim::cpu::exec
