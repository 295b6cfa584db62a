// SPDX-License-Identifier: Apache-2.0
#include "differential/options.h"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

namespace vtsim::differential {

ZydisMnemonic mnemonic_of(const std::string& name) {
    for (const auto& row : mnemonics())
        if (name == ZydisMnemonicGetString(row.mnemonic)) return row.mnemonic;
    throw std::runtime_error(fmt::format("--only {}: no such instruction in the table", name));
}

cpu::Mode mode_of(const std::string& name) {
    if (name == "functional") return cpu::Mode::functional;
    if (name == "warm") return cpu::Mode::warm;
    if (name == "timing") return cpu::Mode::timing;
    throw std::runtime_error(fmt::format("--mode {}: functional, warm or timing", name));
}

void write_forms(const std::string& file, const std::set<std::string>& forms) {
    if (file.empty()) return;
    std::ofstream to{file};
    for (const auto& form : forms) to << form << '\n';
    if (!to.flush()) throw std::runtime_error(fmt::format("--forms {}: could not be written", file));
}

}  // namespace vtsim::differential
