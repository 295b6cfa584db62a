// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

// The commands of `vtsim`. Each takes its own arguments, returns the status of the process and throws vtsim::InputError for bad input.
namespace vtsim::cli {

using Arguments = std::vector<std::string>;

inline constexpr int bad_input = 2;

int run(const Arguments& arguments);
int config(const Arguments& arguments);
int presets(const Arguments& arguments);
int isa(const Arguments& arguments);

}  // namespace vtsim::cli
