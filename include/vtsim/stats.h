// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vtsim {

// One figure of a report.
struct Statistic {
    using Value = std::variant<std::uint64_t, double, std::vector<std::uint64_t>>;     // a vector is a histogram over powers of two
    std::string name;               // dotted path: "cpu0.mmu.walker.walks.native"
    Value value;
    std::string unit;
    std::string description;
};

// All statistics of a machine at one moment, in the order of the model's tree.
class Statistics {
public:
    Statistics() = default;
    explicit Statistics(std::vector<Statistic> figures) : figures_(std::move(figures)) {}

    [[nodiscard]] auto begin() const { return figures_.begin(); }
    [[nodiscard]] auto end() const { return figures_.end(); }
    [[nodiscard]] std::size_t size() const { return figures_.size(); }
    // nullptr when there is none of that name.
    [[nodiscard]] const Statistic* find(std::string_view name) const {
        const auto found = std::find_if(begin(), end(), [name](const Statistic& figure) { return figure.name == name; });
        return found == end() ? nullptr : &*found;
    }
    // The figure as a number; `otherwise` when it is not there or is a histogram.
    [[nodiscard]] double number(std::string_view name, double otherwise = 0) const {
        const auto* figure = find(name);
        if (figure == nullptr) return otherwise;
        if (const auto* count = std::get_if<std::uint64_t>(&figure->value)) return static_cast<double>(*count);
        if (const auto* real = std::get_if<double>(&figure->value)) return *real;
        return otherwise;
    }
    [[nodiscard]] std::uint64_t count(std::string_view name) const {
        const auto* figure = find(name);
        const auto* value = figure != nullptr ? std::get_if<std::uint64_t>(&figure->value) : nullptr;
        return value != nullptr ? *value : 0;
    }

private:
    std::vector<Statistic> figures_;
};

}  // namespace vtsim
