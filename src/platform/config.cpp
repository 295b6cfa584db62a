// SPDX-License-Identifier: Apache-2.0
#include <vtsim/config.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/config/nearest.h"
#include "base/config/parameters.h"
#include "platform/config_access.h"
#include "platform/preset.h"

namespace vtsim {
namespace {

// The table of instruction costs is read by timing::InstructionCosts from the file that has it.
const std::string cost_table = "core.instructions";

config::Parameters parameters_of(platform::MachineParams& params) {
    config::Parameters parameters{params};
    parameters.alias("tlb.stale", {"mmu.stale"});
    parameters.alias("core.filters", {"mmu.filters", "cache.filters"});
    return parameters;
}

// Returns whether the file brought a table of instruction costs.
bool load(platform::MachineParams& params, const std::filesystem::path& path) {
    return !parameters_of(params).load_file(path, {cost_table}).empty();
}

}  // namespace

struct Config::Implementation {
    platform::MachineParams params;
    std::string preset;

    static std::unique_ptr<Implementation> of_preset(std::string_view name) {
        auto made = std::make_unique<Implementation>();
        const auto [features, timing] = platform::parse_preset_name(name);
        made->preset = features == timing ? features : features + ':' + timing;
        load(made->params, platform::find_preset("features", features));
        const bool costs = load(made->params, platform::find_preset("timing", timing));
        made->params.machine.instruction_costs = costs ? timing : "none";
        return made;
    }
};

Config::Config(std::unique_ptr<Implementation> implementation) : implementation_{std::move(implementation)} {}
Config::Config() : Config{Implementation::of_preset("broadwell")} {}
Config Config::preset(std::string_view name) { return Config{Implementation::of_preset(name)}; }
Config::~Config() = default;
Config::Config(const Config& other) : implementation_{std::make_unique<Implementation>(*other.implementation_)} {}
Config::Config(Config&& other) noexcept = default;
Config& Config::operator=(const Config& other) {
    *this = Config{other};
    return *this;
}
Config& Config::operator=(Config&& other) noexcept {
    std::swap(implementation_, other.implementation_);
    return *this;
}

void Config::load_file(const std::filesystem::path& path) {
    if (load(implementation_->params, path)) implementation_->params.machine.instruction_costs = std::filesystem::absolute(path).string();
}

void Config::set(std::string_view setting) {
    const auto equals = setting.find('=');
    if (equals == std::string_view::npos || equals == 0) throw ConfigError(fmt::format("setting '{}': expected key=value", setting));
    set(setting.substr(0, equals), setting.substr(equals + 1));
}

void Config::set(std::string_view key, std::string_view value) { parameters_of(implementation_->params).set(key, value); }

void Config::validate() const { implementation_->params.validate(); }

boost::json::object Config::json() const { return parameters_of(implementation_->params).json(); }

std::string Config::listing() const { return parameters_of(implementation_->params).listing(); }

boost::json::value Config::get(std::string_view key) const {
    const auto parameters = parameters_of(implementation_->params);
    const auto* parameter = parameters.find(key);
    if (parameter == nullptr) throw ConfigError(fmt::format("unknown configuration key '{}'{}", key, config::suggestion(key, parameters.names())));
    return parameter->json();
}

const std::string& Config::preset_name() const { return implementation_->preset; }

namespace platform {

const MachineParams& ConfigAccess::params(const Config& config) { return config.implementation_->params; }

}  // namespace platform
}  // namespace vtsim
