// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// The help in messages about names that do not exist, for programs that take names from people.
namespace vtsim::config {

// The known name that was probably meant, or "" when none is near. A dotted name that `word` is the end of counts as near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean 'x'?" or "".
[[nodiscard]] std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace vtsim::config
