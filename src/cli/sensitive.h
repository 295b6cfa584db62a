// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/config.h>

#include <string>

namespace vtsim::cli {

// Which instructions are privileged, control-sensitive or behaviour-sensitive, and what they do at rings 0, 1 and 3 and in VMX non-root operation: a table of what a
// guest program (guests/sensitive) observes on the machine of `config`, and the verdict. As text for a terminal, or as docs/sensitive.md.
// InputError: the program is missing, or does not come to its end on this machine.
[[nodiscard]] std::string sensitive_instructions(Config config, bool markdown);

}  // namespace vtsim::cli
