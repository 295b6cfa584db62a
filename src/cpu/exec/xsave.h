// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu::exec {

std::span<const Row> xsave_rows();      // xsave.cpp: XSAVE to XRSTORS, XGETBV, XSETBV, RDPKRU, WRPKRU

// State components that are not in their initial configuration, as in XCR0. SDM vol. 1, "Processor Tracking of XSAVE-Managed State": XINUSE. It is computed, not
// tracked: a component that software has brought back to its initial values is not in use.
[[nodiscard]] u64 state_in_use(const Core& core);

}  // namespace vtsim::cpu::exec
