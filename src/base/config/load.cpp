// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/config/nearest.h"
#include "base/config/parameters.h"
#include "base/error.h"

namespace vtsim::config {
namespace {

std::optional<Scalar> scalar_of(const toml::node& node) {
    using Kind = Scalar::Kind;
    if (const auto* text = node.as_string()) return Scalar{Kind::string, text->get()};
    if (const auto* number = node.as_integer()) return Scalar{Kind::integer, std::to_string(number->get())};
    if (const auto* number = node.as_floating_point()) return Scalar{Kind::real, fmt::format("{}", number->get())};
    if (const auto* truth = node.as_boolean()) return Scalar{Kind::boolean, truth->get() ? "true" : "false"};
    return std::nullopt;
}

std::optional<std::vector<Scalar>> scalars_of(const toml::node& node) {
    std::vector<Scalar> scalars;
    const auto add = [&](const toml::node& element) {
        const auto scalar = scalar_of(element);
        if (scalar) scalars.push_back(*scalar);
        return scalar.has_value();
    };
    const auto* array = node.as_array();
    if (array == nullptr) return add(node) ? std::optional(scalars) : std::nullopt;
    for (const auto& element : *array)
        if (!add(element)) return std::nullopt;
    return scalars;
}

std::string written(const toml::node& node) {
    if (node.is_table()) return "a table";
    if (node.is_array()) return "a list";
    const auto scalar = scalar_of(node);
    if (!scalar) return "a date or time";
    return scalar->kind == Scalar::Kind::string ? '"' + scalar->text + '"' : scalar->text;
}

// Walks over the tables of one file.
class Loader {
public:
    Loader(const Parameters& parameters, std::string file, const std::vector<std::string>& elsewhere)
        : parameters_{parameters}, file_{std::move(file)}, elsewhere_{elsewhere} {}

    void take(const toml::table& table, const std::string& prefix) {
        for (const auto& [name, node] : table) {
            const auto key = prefix + std::string(name.str());
            const auto meant = parameters_.resolve(key);
            for (const auto* parameter : meant) assign(*parameter, key, node);
            if (!meant.empty()) continue;
            if (std::ranges::find(elsewhere_, key) != elsewhere_.end()) passed_.push_back(key);
            else if (!parameters_.is_table(key)) fail(name.source(), fmt::format("unknown key '{}'{}", key, suggestion(key, known())));
            else if (node.is_table()) take(*node.as_table(), key + '.');
            else fail(node.source(), fmt::format("'{}' = {}: expected a table", key, written(node)));
        }
    }

    [[nodiscard]] const std::vector<std::string>& passed() const { return passed_; }

private:
    void assign(const Parameter& parameter, const std::string& key, const toml::node& node) {
        const auto scalars = node.is_array() == parameter.list ? scalars_of(node) : std::nullopt;
        if (!scalars || !parameter.assign(*scalars))
            fail(node.source(), fmt::format("'{}' = {}: expected {}", key, written(node), parameter.expected));
    }
    std::vector<std::string> known() const {
        auto names = parameters_.names();
        const auto parameters = names.size();
        for (std::size_t i = 0; i < parameters; ++i) {
            const auto key = names[i];
            for (auto dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) names.push_back(key.substr(0, dot));
        }
        return names;
    }
    [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
        throw ConfigError(fmt::format("{}:{}: {}", file_, where.begin.line, what));
    }

    const Parameters& parameters_;
    std::string file_;
    const std::vector<std::string>& elsewhere_;
    std::vector<std::string> passed_;
};

}  // namespace

std::vector<std::string> Parameters::load(std::string_view toml, const std::string& file_name, const std::vector<std::string>& elsewhere) {
    toml::table document;
    try {
        document = toml::parse(toml, file_name);
    } catch (const toml::parse_error& error) {
        throw ConfigError(fmt::format("{}:{}: {}; expected TOML", file_name, error.source().begin.line, error.description()));
    }
    Loader loader(*this, file_name, elsewhere);
    loader.take(document, "");
    return loader.passed();
}

std::vector<std::string> Parameters::load_file(const std::filesystem::path& path, const std::vector<std::string>& elsewhere) {
    std::error_code ignored;
    std::ifstream file(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path, ignored)) throw ConfigError(path.string() + ": expected a readable configuration file (TOML)");
    std::ostringstream text;
    text << file.rdbuf();
    return load(text.str(), path.string(), elsewhere);
}

}  // namespace vtsim::config
