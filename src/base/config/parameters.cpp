// SPDX-License-Identifier: Apache-2.0
#include "base/config/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/config/nearest.h"
#include "base/error.h"

namespace vtsim::config {
namespace {

std::vector<Scalar> split(std::string_view list) {
    std::vector<Scalar> words;
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        words.push_back({Scalar::Kind::word, std::string(list.substr(0, comma))});
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return words;
}

// The object in which the last name of a dotted key stands; makes the objects on the way.
boost::json::object& object_of(boost::json::object& root, std::string_view key) {
    auto* object = &root;
    for (auto dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.')) {
        auto& inner = (*object)[key.substr(0, dot)];
        if (!inner.is_object()) inner = boost::json::object{};
        object = &inner.get_object();
        key.remove_prefix(dot + 1);
    }
    return *object;
}

}  // namespace

const Parameter* Parameters::find(std::string_view key) const {
    const auto found = resolve(key);
    return found.empty() ? nullptr : found.front();
}

std::vector<const Parameter*> Parameters::resolve(std::string_view key) const {
    const auto found = std::ranges::find(parameters_, key, &Parameter::key);
    if (found != parameters_.end()) return {&*found};
    std::vector<const Parameter*> all;
    for (const auto& alias : aliases_)
        if (alias.name == key)
            for (const auto& each : alias.keys) all.push_back(&*std::ranges::find(parameters_, each, &Parameter::key));
    return all;
}

bool Parameters::is_table(std::string_view key) const {
    const auto prefix = std::string(key) + '.';
    return std::ranges::any_of(parameters_, [&](const Parameter& parameter) { return parameter.key.starts_with(prefix); }) ||
           std::ranges::any_of(aliases_, [&](const Alias& alias) { return alias.name.starts_with(prefix); });
}

std::vector<std::string> Parameters::names() const {
    std::vector<std::string> names;
    for (const auto& parameter : parameters_) names.push_back(parameter.key);
    for (const auto& alias : aliases_) names.push_back(alias.name);
    return names;
}

void Parameters::set(std::string_view key, std::string_view value) {
    const auto meant = resolve(key);
    if (meant.empty() && is_table(key))
        throw ConfigError(fmt::format("configuration key '{}': expected one of its parameters ({}.name), not the whole table", key, key));
    if (meant.empty()) throw ConfigError(fmt::format("unknown configuration key '{}'{}", key, suggestion(key, names())));
    for (const auto* parameter : meant) {
        const auto scalars = parameter->list ? split(value) : std::vector<Scalar>{{Scalar::Kind::word, std::string(value)}};
        if (!parameter->assign(scalars)) throw ConfigError(std::string(key), '"' + std::string(value) + '"', parameter->expected);
    }
}

boost::json::object Parameters::json() const {
    boost::json::object root;
    for (const auto& parameter : parameters_) {
        const auto dot = parameter.key.rfind('.');
        object_of(root, parameter.key)[parameter.key.substr(dot == std::string::npos ? 0 : dot + 1)] = parameter.json();
    }
    return root;
}

std::string Parameters::listing() const {
    std::vector<std::string> settings;
    std::size_t width = 0;
    for (const auto& parameter : parameters_) {
        settings.push_back(parameter.key + " = " + boost::json::serialize(parameter.json()));
        width = std::max(width, settings.back().size());
    }
    std::string text;
    for (std::size_t i = 0; i < settings.size(); ++i) text += fmt::format("{:<{}}  # {}\n", settings[i], width, parameters_[i].description);
    return text;
}

}  // namespace vtsim::config
