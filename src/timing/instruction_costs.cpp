// SPDX-License-Identifier: Apache-2.0
#include "timing/instruction_costs.h"

#include <Zydis/Mnemonic.h>
#include <toml++/toml.h>

#include <bit>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/error.h"

namespace vtsim::timing {

// A row of the file before its mnemonics are resolved.
struct CostRow {
    u16 cost_class;
    std::optional<OperandForm> form;    // none: any
    unsigned width;                     // bits, 0: any
    // Without a row of their own, moves to and from control registers are moves between registers.
    [[nodiscard]] bool fits(OperandForm wanted, unsigned bits) const {
        return (!form || form == wanted || (form == OperandForm::reg && wanted != OperandForm::memory)) && (width == 0 || width == bits);
    }
    // The more a row says, the more it counts.
    [[nodiscard]] unsigned weight() const {
        return (!form ? 0U : *form == OperandForm::to_control || *form == OperandForm::from_control ? 4U : 1U) + (width != 0 ? 2U : 0U);
    }
};

namespace {

constexpr u16 default_class = 0;

[[noreturn]] void wrong(const std::string& row, const std::string& key, const std::string& value, const std::string& expected) {
    throw ConfigError("core.instructions[" + row + "]." + key, value, expected);
}

// "2p0156 p5": two micro-operations on any of the ports 0, 1, 5, 6, and one on port 5.
std::array<InstructionCost::Ports, InstructionCost::max_port_groups> parse_ports(const std::string& row, const std::string& text) {
    std::array<InstructionCost::Ports, InstructionCost::max_port_groups> result{};
    std::istringstream words{text};
    unsigned count = 0;
    for (std::string word; words >> word; ++count) {
        const auto p = word.find('p');
        const bool known = count < result.size() && p != std::string::npos && p + 1 < word.size() && p <= 3 &&
                           word.find_first_not_of("0123456789") == p && word.find_first_not_of("01234567", p + 1) == std::string::npos;
        const unsigned long uops = known && p != 0 ? std::stoul(word) : 1;
        if (!known || uops == 0 || uops > 255) wrong(row, "ports", '"' + text + '"', "up to six groups such as \"2p0156 p5\", ports 0 to 7");
        result[count].uops = static_cast<u8>(uops);
        for (const char port : word.substr(p + 1)) result[count].mask = static_cast<u8>(result[count].mask | 1U << (port - '0'));
    }
    return result;
}

u32 number(const toml::table& row, const std::string& name, const char* key, u32 fallback) {
    const auto* node = row.get(key);
    if (node == nullptr) return fallback;
    const auto value = node->value<i64>();
    if (!node->is_integer() || *value < 0 || *value > 10'000) wrong(name, key, "that", "an integer from 0 to 10000");
    return static_cast<u32>(*value);
}

template <class Value>
Value word(const toml::table& row, const std::string& name, const char* key, const std::map<std::string, Value>& words) {
    const auto text = row[key].value_or(std::string{words.begin()->first});
    const auto found = words.find(text);
    if (found != words.end()) return found->second;
    std::string expected = "one of";
    for (const auto& [known, value] : words) expected += " " + (known.empty() ? "\"\"" : known);
    wrong(name, key, text, expected);
}

InstructionCost parse_cost(const toml::table& row, const std::string& name) {
    using Fuse = InstructionCost::Fuse;
    InstructionCost cost;
    cost.name = name;
    cost.latency = number(row, name, "latency", 1);
    cost.uops = number(row, name, "uops", 1);
    cost.busy = number(row, name, "busy", 0);
    cost.ports = parse_ports(name, row["ports"].value_or(std::string{}));
    cost.fuse = word<Fuse>(row, name, "fuse", {{"", Fuse::no}, {"first", Fuse::first}, {"second", Fuse::second}});
    return cost;
}

void check_keys(const toml::table& row, const std::string& name) {
    static const std::set<std::string_view> known{"name", "form", "width", "latency", "uops", "ports", "busy", "fuse"};
    for (const auto& [key, value] : row)
        if (!known.contains(key.str())) wrong(name, std::string{key.str()}, "that", "name, form, width, latency, uops, ports, busy or fuse");
}

using RowsByName = std::map<std::string, std::vector<CostRow>, std::less<>>;

// The rows for a mnemonic: its own, those without the 'v' of the VEX form, those of the longest prefix.
const std::vector<CostRow>* rows_for(const RowsByName& rows, const std::string& mnemonic) {
    if (const auto own = rows.find(mnemonic); own != rows.end()) return &own->second;
    if (mnemonic.starts_with('v'))
        if (const auto legacy = rows.find(mnemonic.substr(1)); legacy != rows.end()) return &legacy->second;
    for (std::size_t length = mnemonic.size() + 1; length-- > 0;)
        if (const auto prefix = rows.find(mnemonic.substr(0, length) + '*'); prefix != rows.end()) return &prefix->second;
    return nullptr;
}

void check_mnemonics(const RowsByName& rows) {
    std::set<std::string, std::less<>> known;
    for (unsigned mnemonic = 0; mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE; ++mnemonic)
        known.emplace(ZydisMnemonicGetString(static_cast<ZydisMnemonic>(mnemonic)));
    for (const auto& [name, row] : rows)
        if (!name.ends_with('*') && !known.contains(name)) wrong(name, "name", name, "mnemonics in lower case, or a prefix with '*'");
}

}  // namespace

InstructionCosts::InstructionCosts() : costs_{InstructionCost{.ports = {{{.mask = 0b0110'0011, .uops = 1}}}}} {
    class_by_mnemonic_.resize(ZYDIS_MNEMONIC_MAX_VALUE + 1);
}

InstructionCosts InstructionCosts::load(const std::filesystem::path& preset) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(preset, ignored)) throw InputError(preset.string() + ": expected a readable file with a table of instruction costs (TOML)");
    try {
        std::ostringstream text;
        text << toml::parse_file(preset.string());
        return parse(text.str(), preset.string());
    } catch (const toml::parse_error& error) {
        throw InputError(preset.string() + ": " + std::string{error.description()});
    }
}

InstructionCosts InstructionCosts::parse(std::string_view toml, std::string_view name) {
    toml::table document;
    try {
        document = toml::parse(toml, name);
    } catch (const toml::parse_error& error) {
        throw InputError(std::string{name} + ": " + std::string{error.description()});
    }
    InstructionCosts result;
    const auto* list = document["core"]["instructions"].as_array();
    if (list == nullptr) return result;
    RowsByName rows;
    for (const auto& node : *list) {
        const auto* row = node.as_table();
        const auto names = row != nullptr ? (*row)["name"].value<std::string>() : std::nullopt;
        if (!names) wrong("?", "name", "nothing", "a table with the mnemonics of the row");
        check_keys(*row, *names);
        const CostRow entry{static_cast<u16>(result.costs_.size()),
                            word<std::optional<OperandForm>>(*row, *names, "form", {{"", std::nullopt}, {"register", OperandForm::reg}, {"memory", OperandForm::memory},
                                                                                    {"to control", OperandForm::to_control}, {"from control", OperandForm::from_control}}),
                            number(*row, *names, "width", 0)};
        result.costs_.push_back(parse_cost(*row, *names));
        std::istringstream split{*names};
        for (std::string one; split >> one;) rows[one].push_back(entry);
    }
    check_mnemonics(rows);
    for (unsigned mnemonic = 0; mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE; ++mnemonic)
        if (const auto* fitting = rows_for(rows, ZydisMnemonicGetString(static_cast<ZydisMnemonic>(mnemonic))))
            result.fill(static_cast<u16>(mnemonic), *fitting);
    return result;
}

void InstructionCosts::fill(u16 mnemonic, const std::vector<CostRow>& rows) {
    for (unsigned form = 0; form < form_count; ++form) {
        for (unsigned width = 0; width < width_count; ++width) {
            const CostRow* best = nullptr;
            for (const auto& row : rows)
                if (row.fits(static_cast<OperandForm>(form), 8U << width) && (best == nullptr || row.weight() > best->weight())) best = &row;
            class_by_mnemonic_[mnemonic][form * width_count + width] = best != nullptr ? best->cost_class : default_class;
        }
    }
}

u16 InstructionCosts::class_of(u16 mnemonic, OperandForm form, unsigned width) const {
    if (mnemonic >= class_by_mnemonic_.size()) return default_class;
    const auto log2 = static_cast<unsigned>(std::bit_width(width | 8U)) - 4;
    return class_by_mnemonic_[mnemonic][static_cast<unsigned>(form) * width_count + std::min(log2, width_count - 1)];
}

}  // namespace vtsim::timing
