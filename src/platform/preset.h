// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vtsim::platform {

// "broadwell" or "features:timing".
struct PresetName {
    std::string features;
    std::string timing;
};
[[nodiscard]] PresetName parse_preset_name(std::string_view name);       // throws ConfigError

// The file of one half ("features" or "timing"). Throws ConfigError with the nearest name.
[[nodiscard]] std::filesystem::path find_preset(const std::string& half, const std::string& name);
[[nodiscard]] std::vector<std::string> preset_half_names(const std::string& half);

}  // namespace vtsim::platform
