// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace vtsim::vmx::test {

// Rows of a comma-separated file without its header line; quotes protect commas.
inline std::vector<std::vector<std::string>> read_csv(const std::string& name) {
    std::ifstream file(std::string(VTSIM_TEST_DATA) + "/vmx/" + name);
    if (!file) throw std::runtime_error("cannot open " + name);
    std::vector<std::vector<std::string>> rows;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string> cells(1);
        bool quoted = false;
        for (const char c : line) {
            if (c == '"') quoted = !quoted;
            else if (c == ',' && !quoted) cells.emplace_back();
            else cells.back() += c;
        }
        rows.push_back(cells);
    }
    return rows;
}

}  // namespace vtsim::vmx::test
