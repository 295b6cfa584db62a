// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace vtsim::cli {

std::string Table::text() const {
    std::vector<std::size_t> width(rows_.front().size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    std::string out;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        out += line(rows_[r], width);
        if (markdown_ && r == 0) {
            for (std::size_t i = 0; i < width.size(); ++i) out += i == 0 || columns_ == Columns::text ? "|---" : "|--:";
            out += "|\n";
        }
    }
    return out;
}

std::string Table::line(const std::vector<std::string>& row, const std::vector<std::size_t>& width) const {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (markdown_) out += "| " + row[i] + ' ';
        else if (i == 0 || columns_ == Columns::text) out += fmt::format("{}{:<{}}", i == 0 ? "" : "  ", row[i], width[i]);
        else out += fmt::format("  {:>{}}", row[i], width[i]);
    }
    if (!markdown_ && columns_ == Columns::text) out.erase(out.find_last_not_of(' ') + 1);
    return out + (markdown_ ? "|\n" : "\n");
}

}  // namespace vtsim::cli
