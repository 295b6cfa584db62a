// SPDX-License-Identifier: Apache-2.0
#include "base/config/nearest.h"

#include <algorithm>
#include <numeric>

namespace vtsim::config {

unsigned edit_distance(std::string_view left, std::string_view right) {
    std::vector<unsigned> row(right.size() + 1);                  // distances of the prefix of `left` so far to every prefix of `right`
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < left.size(); ++i) {
        unsigned diagonal = row[0]++;
        for (std::size_t j = 0; j < right.size(); ++j) {
            const unsigned replaced = diagonal + (left[i] == right[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    const auto tail = '.' + std::string(word);
    std::string best;
    unsigned best_distance = std::max<unsigned>(2, static_cast<unsigned>(word.size()) / 3) + 1;
    for (const auto& name : known) {
        const unsigned distance = name.ends_with(tail) ? 1 : edit_distance(word, name);
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = name;
    }
    return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
    const auto name = nearest(word, known);
    return name.empty() ? "" : "; did you mean '" + name + "'?";
}

}  // namespace vtsim::config
