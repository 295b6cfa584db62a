// SPDX-License-Identifier: Apache-2.0
#include "tlb/replacement/policy.h"

#include <algorithm>

namespace vtsim::tlb {

std::vector<ReplacementRegistry::Row>& ReplacementRegistry::rows() {
    static std::vector<Row> rows;
    return rows;
}

ReplacementRegistry::Entry::Entry(std::string_view name, std::string_view description, Factory factory) {
    rows().push_back({name, description, factory});
}

const ReplacementRegistry::Row* ReplacementRegistry::find(std::string_view name) {
    const auto row = std::ranges::find(rows(), name, &Row::name);
    return row == rows().end() ? nullptr : &*row;
}

std::string ReplacementRegistry::names() {
    std::vector<std::string_view> sorted;
    for (const auto& row : rows()) sorted.push_back(row.name);
    std::ranges::sort(sorted);          // the order of static initialisation is nobody's business
    std::string text;
    for (const auto name : sorted) text += (text.empty() ? "" : ", ") + std::string{name};
    return text;
}

namespace {
const ReplacementRegistry::Entry entry{"lru", "evict the way whose last use lies furthest back", nullptr};
}

}  // namespace vtsim::tlb
