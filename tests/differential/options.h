// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "cpu/core.h"
#include "differential/mnemonics.h"

// What the command lines of the comparisons share. Errors are std::runtime_error.
namespace vtsim::differential {

[[nodiscard]] ZydisMnemonic mnemonic_of(const std::string& name);            // --only
[[nodiscard]] cpu::Mode mode_of(const std::string& name);                    // --mode
// --forms: one a line. No file name, no file.
void write_forms(const std::string& file, const std::set<std::string>& forms);

}  // namespace vtsim::differential
