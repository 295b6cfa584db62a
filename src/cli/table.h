// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vtsim::cli {

// A table with or without Markdown's bars. The first column is text; the others are numbers, to the right, or text too.
class Table {
public:
    enum class Columns { numbers, text };
    Table(bool markdown, std::vector<std::string> header, Columns columns = Columns::numbers) : markdown_{markdown}, columns_{columns} { rows_.push_back(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] std::string text() const;

private:
    [[nodiscard]] std::string line(const std::vector<std::string>& row, const std::vector<std::size_t>& width) const;
    bool markdown_;
    Columns columns_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace vtsim::cli
