// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/exec/x87.h"

namespace vtsim::cpu::exec::x87 {

// Whether D9 `modrm` is one of F2XM1, FYL2X, FPTAN, FPATAN, FYL2XP1, FSINCOS, FSIN and FCOS: approximations, whose last bits the manuals leave to the processor.
[[nodiscard]] bool is_transcendental(unsigned escape, unsigned modrm);

// Makes the result of such an instruction the same on every host. `before` is the state before it, `after` what the host's instruction made of it: where the manuals
// define the result (zeros, infinities, NaNs, exceptions) it stays, elsewhere the correctly rounded value takes its place, with C1 to match. PE is set even when
// the value happens to be exact, as processors do. Arguments of
// the trigonometric ones are reduced by the 66-bit pi of Intel's processors: SDM vol. 1, "Approximation of Pi".
void replace_approximation(unsigned modrm, const FxsaveArea& before, FxsaveArea& after);

}  // namespace vtsim::cpu::exec::x87
