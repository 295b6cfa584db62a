// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"
#include "timing/block_timing.h"

namespace vtsim::cpu {

// What the timing model must know of an instruction: registers read and written (hidden ones too), address registers, flags, memory.
[[nodiscard]] timing::InstructionShape timing_shape(const Decoded& decoded, const timing::InstructionCosts& costs, u8 index);

}  // namespace vtsim::cpu
