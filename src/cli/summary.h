// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <vtsim/machine.h>
#include <vtsim/stats.h>

namespace vtsim::cli {

// A few lines for people: what ended the run, instructions, speed, VM exits by reason, page walks. Only figures that the run modelled.
[[nodiscard]] std::string summary(const RunResult& result, const Statistics& statistics);

// One line while it runs.
[[nodiscard]] std::string progress_line(const Progress& progress);

}  // namespace vtsim::cli
