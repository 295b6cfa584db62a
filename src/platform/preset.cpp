// SPDX-License-Identifier: Apache-2.0
#include "platform/preset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vtsim/config.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/config/nearest.h"
#include "base/error.h"

namespace vtsim::platform {
namespace {

std::vector<std::filesystem::path> preset_directories() {
    std::vector<std::filesystem::path> directories;
    const char* variable = std::getenv("VTSIM_PRESETS");
    std::string_view list = variable != nullptr ? variable : "";
    while (!list.empty()) {
        const auto colon = std::min(list.find(':'), list.size());
        if (colon != 0) directories.emplace_back(list.substr(0, colon));
        list.remove_prefix(std::min(colon + 1, list.size()));
    }
    directories.emplace_back(VTSIM_PRESET_DIR);
    return directories;
}

// A name is no path: nothing outside the preset directories is read.
bool is_name(std::string_view name) { return !name.empty() && name.front() != '.' && name.find_first_of("/:\\") == std::string_view::npos; }

}  // namespace

PresetName parse_preset_name(std::string_view name) {
    const auto colon = name.find(':');
    const PresetName parsed{std::string(name.substr(0, colon)), std::string(colon == std::string_view::npos ? name : name.substr(colon + 1))};
    if (!is_name(parsed.features) || !is_name(parsed.timing))
        throw ConfigError(fmt::format("preset '{}': expected a name, or features:timing with two names", name));
    return parsed;
}

std::filesystem::path find_preset(const std::string& half, const std::string& name) {
    std::error_code ignored;
    if (is_name(name)) {
        for (const auto& directory : preset_directories()) {
            auto path = directory / half / (name + ".toml");
            if (std::filesystem::is_regular_file(path, ignored)) return path;
        }
    }
    const auto known = preset_half_names(half);
    throw ConfigError(fmt::format("unknown {} preset '{}': expected one of {}{}", half, name, fmt::join(known, ", "), config::suggestion(name, known)));
}

std::vector<std::string> preset_half_names(const std::string& half) {
    std::set<std::string> names;
    std::error_code ignored;
    for (const auto& directory : preset_directories())
        for (const auto& entry : std::filesystem::directory_iterator(directory / half, ignored))
            if (entry.path().extension() == ".toml") names.insert(entry.path().stem().string());
    return {names.begin(), names.end()};
}

}  // namespace vtsim::platform

namespace vtsim {

PresetNames preset_names() { return {platform::preset_half_names("features"), platform::preset_half_names("timing")}; }

}  // namespace vtsim
