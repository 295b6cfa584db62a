// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/pairs.h"

namespace vtsim::cpu::exec {

Handler pair_handler32(const Built& first, bool first_live, const Built& second, bool second_live) { return pairs::find<u32>(first, first_live, second, second_live); }

}  // namespace vtsim::cpu::exec
