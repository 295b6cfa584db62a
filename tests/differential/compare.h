// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "differential/generator.h"

namespace vtsim::differential {

// What differs between the two processors after a case: one line each, empty when nothing does.
[[nodiscard]] std::vector<std::string> differences(const Case& c, const Outcome& native, const Outcome& simulated, const Data& native_data, const Data& simulated_data);

// The instructions with their addresses and the registers that matter, for people.
[[nodiscard]] std::string describe(const Case& c);

}  // namespace vtsim::differential
