// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/nearest.h>

namespace vtsim::config {

// Number of insertions, deletions and replacements that turn one word into the other (Levenshtein).
[[nodiscard]] unsigned edit_distance(std::string_view left, std::string_view right);

}  // namespace vtsim::config
