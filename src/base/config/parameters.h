// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/scalar.h"
#include "base/config/schema.h"

namespace vtsim::config {

// One parameter of some struct, without its type: dotted key, sentence, and how to read and write the member.
struct Parameter {
    std::string key;
    std::string_view description;
    std::string expected;                                           // what it takes
    bool list = false;
    std::function<bool(const std::vector<Scalar>&)> assign;         // false: not a value of the type; nothing was changed
    std::function<boost::json::value()> json;
};

// All parameters of a struct with a schema, nested tables included, in order of declaration. Refers to the struct, which must outlive it.
class Parameters {
public:
    template <HasSchema Struct>
    explicit Parameters(Struct& params) { add(params, ""); }

    // Another name for one or several parameters of one type: set together, listed under their own names only.
    void alias(std::string name, std::vector<std::string> keys) { aliases_.push_back({std::move(name), std::move(keys)}); }

    // `key` is dotted, `value` as on a command line (lists: comma-separated). ConfigError: unknown key (with the nearest one), wrong kind of value.
    void set(std::string_view key, std::string_view value);
    // Takes over what a TOML file says and leaves the rest alone. ConfigError with file and line. Keys of `elsewhere` belong to somebody else:
    // returns those that the file has.
    std::vector<std::string> load_file(const std::filesystem::path& path, const std::vector<std::string>& elsewhere = {});
    std::vector<std::string> load(std::string_view toml, const std::string& file_name, const std::vector<std::string>& elsewhere = {});

    // The effective configuration, nested as the structs are.
    [[nodiscard]] boost::json::object json() const;
    // "key = value    # sentence": one line each, aligned; valid TOML.
    [[nodiscard]] std::string listing() const;

    // nullptr when there is none; of several behind an alias the first.
    [[nodiscard]] const Parameter* find(std::string_view key) const;
    // Every parameter that a key stands for: one, several behind an alias, or none.
    [[nodiscard]] std::vector<const Parameter*> resolve(std::string_view key) const;
    [[nodiscard]] bool is_table(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> names() const;           // aliases last
    [[nodiscard]] auto begin() const { return parameters_.begin(); }
    [[nodiscard]] auto end() const { return parameters_.end(); }

private:
    template <class Struct>
    void add(Struct& params, const std::string& prefix) {
        std::apply([&](const auto&... row) { (add_row(params.*row.member, prefix + std::string(row.name), row.description), ...); }, schema<Struct>);
    }
    template <class Value>
    void add_row(Value& member, const std::string& key, std::string_view description) {
        if constexpr (HasSchema<Value>) add(member, key + ".");
        else add_value(member, key, description);
    }
    template <class Value>
    void add_value(Value& member, const std::string& key, std::string_view description) {
        parameters_.push_back({key, description, expected<Value>(), false,
                               [&member](const std::vector<Scalar>& scalars) {
                                   const auto value = scalars.size() == 1 ? convert<Value>(scalars.front()) : std::nullopt;
                                   if (value) member = *value;
                                   return value.has_value();
                               },
                               [&member] { return to_json(member); }});
    }
    template <class Element>
    void add_value(std::vector<Element>& member, const std::string& key, std::string_view description) {
        parameters_.push_back({key, description, "a list; each element " + expected<Element>(), true,
                               [&member](const std::vector<Scalar>& scalars) {
                                   std::vector<Element> elements;
                                   for (const auto& scalar : scalars) {
                                       const auto element = convert<Element>(scalar);
                                       if (!element) return false;
                                       elements.push_back(*element);
                                   }
                                   member = std::move(elements);
                                   return true;
                               },
                               [&member] {
                                   boost::json::array array;
                                   for (const auto& element : member) array.push_back(to_json(Element(element)));
                                   return boost::json::value(std::move(array));
                               }});
    }

    struct Alias {
        std::string name;
        std::vector<std::string> keys;
    };
    std::vector<Parameter> parameters_;
    std::vector<Alias> aliases_;
};

}  // namespace vtsim::config
