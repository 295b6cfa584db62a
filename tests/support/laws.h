// SPDX-License-Identifier: Apache-2.0
// Conservation laws: what must hold between the figures of any run that stayed in one mode, whatever the guest did. docs/statistics.md says what each figure counts.
#pragma once

#include <string>
#include <vector>
#include <vtsim/machine.h>
#include <vtsim/stats.h>

namespace vtsim::test {

// The laws that are broken, each with its figures; empty when all hold. Laws of structures and cycles are asked of modes that model them.
std::vector<std::string> broken_laws(const Statistics& figures, Mode mode);

}  // namespace vtsim::test
