// SPDX-License-Identifier: Apache-2.0
// vtsim isa: which instructions the engine has, and what each form was compared with.
#include <fmt/format.h>
#include <vtsim/config.h>
#include <vtsim/error.h>
#include <vtsim/nearest.h>

#include <bit>
#include <iostream>
#include <map>
#include <set>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sensitive.h"
#include "cli/table.h"
#include "cpu/isa/coverage.h"
#include "cpu/isa/oracles.h"
#include "platform/config_access.h"

namespace vtsim::cli {
namespace {

namespace po = boost::program_options;
using cpu::isa::InstructionForm;
using Forms = std::vector<InstructionForm>;

std::string widths_text(u8 widths) {
    if (widths == (cpu::isa::code16 | cpu::isa::code32 | cpu::isa::code64)) return "16/32/64";
    std::string text;
    for (const auto& [bit, name] : {std::pair{cpu::isa::code16, "16"}, {cpu::isa::code32, "32"}, {cpu::isa::code64, "64"}})
        if ((widths & bit) != 0) text += (text.empty() ? "" : "/") + std::string{name};
    return text;
}

// What one extension, or all of them, come to.
struct Totals {
    std::set<std::string> mnemonics;
    std::size_t forms = 0, implemented = 0, tested = 0;
    std::map<u8, std::size_t> by_oracle;
    bool advertised = false;

    void add(const InstructionForm& form) {
        mnemonics.insert(form.mnemonic);
        ++forms;
        if (form.implemented == form.widths) ++implemented;
        const u8 oracles = cpu::isa::oracles_of(form.text);
        if (oracles != 0) ++tested;
        for (const auto& oracle : cpu::isa::oracles())
            if ((oracles & oracle.bit) != 0) ++by_oracle[oracle.bit];
        advertised = advertised || form.advertised;
    }
};

std::map<std::string, Totals> by_extension(const Forms& forms) {
    std::map<std::string, Totals> extensions;
    for (const auto& form : forms) extensions[form.extension].add(form);
    return extensions;
}

std::string extension_table(const Forms& forms, bool markdown) {
    std::vector<std::string> header{"extension", "shown", "instructions", "forms", "executed", "tested"};
    for (const auto& oracle : cpu::isa::oracles()) header.emplace_back(oracle.name);
    Table table{markdown, header};
    Totals all;
    for (const auto& form : forms) all.add(form);
    const auto row = [&](const std::string& name, const char* shown, const Totals& totals) {
        std::vector<std::string> cells{name, shown, fmt::format("{}", totals.mnemonics.size()), fmt::format("{}", totals.forms), fmt::format("{}", totals.implemented), fmt::format("{}", totals.tested)};
        for (const auto& oracle : cpu::isa::oracles()) cells.push_back(totals.by_oracle.contains(oracle.bit) ? fmt::format("{}", totals.by_oracle.at(oracle.bit)) : "-");
        table.add(cells);
    };
    for (const auto& [name, totals] : by_extension(forms)) row(name, totals.advertised ? "yes" : "no", totals);
    row("all", "", all);
    return table.text();
}

std::string oracle_legend() {
    std::string text;
    for (const auto& oracle : cpu::isa::oracles()) text += fmt::format("  {:<15} {}\n", oracle.name, oracle.meaning);
    return text;
}

std::string form_line(const InstructionForm& form) {
    const u8 oracles = cpu::isa::oracles_of(form.text);
    const auto reason = cpu::isa::untested_reason(form.text);
    const std::string executed = form.implemented == form.widths ? "" : form.implemented == 0 ? "not executed; " : "executed in " + widths_text(form.implemented) + "; ";
    const std::string tested = oracles != 0 ? cpu::isa::oracle_names(oracles) : reason.empty() ? "no oracle" : "no oracle: " + std::string{reason};
    return fmt::format("{:<44} {:<9} {:<12} {}{}\n", form.text, widths_text(form.widths), form.extension, executed, tested);
}

std::string form_list(const Forms& forms, const std::vector<std::string>& mnemonics) {
    std::string out = fmt::format("{:<44} {:<9} {:<12} {}\n", "form", "code", "extension", "compared with");
    std::set<std::string> left(mnemonics.begin(), mnemonics.end()), names;
    for (const auto& form : forms) {
        names.insert(form.mnemonic);
        if (!mnemonics.empty() && std::find(mnemonics.begin(), mnemonics.end(), form.mnemonic) == mnemonics.end()) continue;
        left.erase(form.mnemonic);
        out += form_line(form);
    }
    if (!left.empty()) throw InputError("isa: there is no instruction '" + *left.begin() + "'" + config::suggestion(*left.begin(), {names.begin(), names.end()}));
    return out;
}

std::string untested_list(const Forms& forms) {
    std::map<std::string, std::string> by_reason;
    for (const auto& form : forms) {
        if (cpu::isa::oracles_of(form.text) != 0) continue;
        auto& list = by_reason[std::string{cpu::isa::untested_reason(form.text)}];
        list += (list.empty() ? "`" : ", `") + form.text + '`';
    }
    std::string out;
    for (const auto& [reason, list] : by_reason) out += fmt::format("- {}: {}\n", reason, list);
    return out;
}

// Mnemonics with what all their forms were compared with; those whose forms differ in that are told form by form in `vtsim isa MNEMONIC`.
std::string markdown(const Forms& forms, const std::string& preset) {
    std::string out = "# Instructions\n\nEvery instruction and form that the engine has, by the extension of the instruction set that brings it, and what the forms were compared with.\n"
                      "`vtsim isa` prints the first table, `vtsim isa MNEMONIC` the forms of an instruction, `vtsim isa --markdown` this page. The forms are enumerated with\n"
                      "Zydis' decoder, so none is left out; who executed a form is written down by `scripts/isa-oracles`.\n\n";
    out += fmt::format("\"shown\": CPUID shows the extension with the preset `{}`. Without it, its instructions raise #UD.\n\n", preset);
    out += extension_table(forms, true) + "\n";
    for (const auto& oracle : cpu::isa::oracles()) out += fmt::format("- **{}**: {}\n", oracle.name, oracle.meaning);
    out += "\n## Forms without an oracle\n\n" + untested_list(forms);
    for (const auto& [extension, totals] : by_extension(forms)) {
        out += fmt::format("\n## {}\n\n| instruction | forms | compared with |\n|---|--:|---|\n", extension);
        std::map<std::string, std::pair<std::size_t, std::map<u8, std::size_t>>> instructions;
        for (const auto& form : forms) {
            if (form.extension != extension) continue;
            auto& [count, oracles] = instructions[form.mnemonic];
            ++count;
            ++oracles[cpu::isa::oracles_of(form.text)];
        }
        for (const auto& [mnemonic, entry] : instructions) {
            std::string text;
            for (const auto& [oracles, count] : entry.second) {
                text += text.empty() ? "" : "; ";
                if (entry.second.size() > 1) text += fmt::format("{} ", count);
                text += oracles == 0 ? "none" : cpu::isa::oracle_names(oracles);
            }
            out += fmt::format("| {} | {} | {} |\n", mnemonic, entry.first, text);
        }
    }
    return out;
}

}  // namespace

int isa(const Arguments& arguments) {
    po::options_description options("vtsim isa [MNEMONIC...]: the instructions that the engine has, and what each was compared with");
    options.add_options()("help,h", "show this")("forms", "every form of every instruction")("markdown", "docs/isa.md");
    options.add_options()("sensitive", "which instructions are privileged or sensitive, and what they do at each ring and in VMX non-root operation; with --markdown: docs/sensitive.md");
    options.add(machine_options());
    po::options_description all;
    all.add(options).add_options()("mnemonic", po::value<std::vector<std::string>>());
    const auto values = parse(arguments, all, po::positional_options_description{}.add("mnemonic", -1));
    if (values.count("help") != 0) {
        std::cout << options;
        return 0;
    }
    const auto config = config_of(values);
    if (values.count("sensitive") != 0) {
        if (values.count("mnemonic") != 0 || values.count("forms") != 0) throw InputError("isa --sensitive: the table is of all instructions that the guest program tries; expected neither --forms nor a mnemonic");
        std::cout << sensitive_instructions(config, values.count("markdown") != 0);
        return 0;
    }
    const auto forms = cpu::isa::instruction_forms(platform::ConfigAccess::params(config).features);
    if (values.count("mnemonic") != 0) std::cout << form_list(forms, values["mnemonic"].as<std::vector<std::string>>());
    else if (values.count("forms") != 0) std::cout << form_list(forms, {});
    else if (values.count("markdown") != 0) std::cout << markdown(forms, config.preset_name());
    else std::cout << extension_table(forms, false) << "\nshown: CPUID shows it with the preset '" << config.preset_name() << "'; tested: compared with one of\n" << oracle_legend() << "`vtsim isa MNEMONIC` lists the forms of an instruction.\n";
    return 0;
}

}  // namespace vtsim::cli
