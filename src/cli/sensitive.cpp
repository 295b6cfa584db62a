// SPDX-License-Identifier: Apache-2.0
// vtsim isa --sensitive: runs guests/sensitive and classifies what it observes. Definitions: Popek and Goldberg, "Formal Requirements for Virtualizable Third
// Generation Architectures", 1974.
#include "cli/sensitive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vtsim/error.h>
#include <vtsim/machine.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/types.h"
#include "cli/table.h"
#include "vmx/tables/exit_reasons.h"

namespace vtsim::cli {
namespace {

using Words = std::vector<std::string>;

// ---- what the program observes ---------------------------------------------------------------------------------------------------

enum Mode : unsigned { ring0, ring1, ring3, vmx0, vmx3, mode_count };
constexpr std::array<std::string_view, mode_count> mode_names{"ring0", "ring1", "ring3", "vmx0", "vmx3"};

// A line of the program's output: guests/README.md, "Which instructions are sensitive".
struct Observation {
    bool present = false;
    std::string outcome;
    Words reads, writes, host;

    [[nodiscard]] bool done() const { return outcome == "done"; }
    [[nodiscard]] bool exits() const { return outcome.starts_with("exit "); }
};

struct Instruction {
    std::string name, bits;
    std::array<Observation, mode_count> modes;
};

Words words(const std::string& list) {
    std::istringstream in{list};
    Words all;
    for (std::string word; in >> word;) all.push_back(word);
    return all;
}

Words cells(const std::string& line) {
    Words all{""};
    for (const char c : line) {
        if (c == ',') all.emplace_back();
        else all.back() += c;
    }
    return all;
}

// In the order of the program.
std::vector<Instruction> parse(const std::string& output) {
    std::vector<Instruction> all;
    std::istringstream lines{output};
    for (std::string line; std::getline(lines, line);) {
        if (line.ends_with('\r')) line.pop_back();
        const auto cell = cells(line);
        if (cell.size() != 7) continue;
        const auto mode = std::ranges::find(mode_names, cell[2]);
        if (mode == mode_names.end()) continue;
        auto at = std::ranges::find(all, cell[0], &Instruction::name);
        if (at == all.end()) at = all.insert(all.end(), Instruction{.name = cell[0], .bits = cell[1], .modes = {}});
        at->modes[static_cast<std::size_t>(mode - mode_names.begin())] = {.present = true, .outcome = cell[3], .reads = words(cell[4]), .writes = words(cell[5]), .host = words(cell[6])};
    }
    return all;
}

std::string program_path() {
    const char* variable = std::getenv("VTSIM_SENSITIVE_ELF");
    std::string path = variable != nullptr ? variable : VTSIM_SENSITIVE_ELF;
    if (!std::filesystem::exists(path))
        throw InputError("isa --sensitive: the guest program '" + path + "' does not exist: expected it built (cmake --build build/release --target guests), or its path in VTSIM_SENSITIVE_ELF");
    return path;
}

std::vector<Instruction> observe(Config config) {
    config.set("machine.mode", "functional");
    Machine machine{config};
    std::string output;
    machine.on_serial([&output](std::string_view text) { output += text; });
    machine.load({.path = program_path(), .command_line = "", .initrd = "", .modules = {}});
    constexpr std::uint64_t far_too_many = 1'000'000'000;
    const auto result = machine.run({.instructions = far_too_many, .seconds = 0});
    constexpr int success = 1;              // the guest's 0, as the exit port turns it into a status
    auto instructions = parse(output);
    if (result.status != success || instructions.empty()) throw InputError("isa --sensitive: the guest program did not come to its end: " + result.message);
    return instructions;
}

// ---- classes ---------------------------------------------------------------------------------------------------------------------

enum class Class { control_sensitive, behaviour_sensitive, privileged, harmless };
constexpr std::array class_names{"control-sensitive", "behaviour-sensitive", "privileged", "harmless"};

// What ring 0 writes and this ring does not.
Words dropped(const Instruction& instruction, Mode ring) {
    Words lost;
    const auto& here = instruction.modes[ring].writes;
    for (const auto& resource : instruction.modes[ring0].writes)
        if (resource != "CPL" && std::ranges::find(here, resource) == here.end()) lost.push_back(resource);
    return lost;
}

// An instruction that traps at one ring only is judged by the other.
Class class_of(const Instruction& instruction) {
    bool silent = false, control = false, behaviour = false;
    for (const Mode ring : {ring1, ring3}) {
        const auto& here = instruction.modes[ring];
        if (!here.done()) continue;
        silent = true;
        control = control || !here.writes.empty() || !dropped(instruction, ring).empty();
        behaviour = behaviour || !here.reads.empty();
    }
    if (control) return Class::control_sensitive;
    if (behaviour) return Class::behaviour_sensitive;
    return !silent && instruction.modes[ring0].done() ? Class::privileged : Class::harmless;
}

bool silently_sensitive(const Instruction& instruction) { return class_of(instruction) < Class::privileged; }

// The VMM has it in hand: an exit, or nothing but the guest's own state.
bool virtualized(const Instruction& instruction) {
    return std::ranges::all_of(std::array{vmx0, vmx3}, [&](Mode mode) { return instruction.modes[mode].exits() || (instruction.modes[mode].done() && instruction.modes[mode].host.empty()); });
}

std::string clause(const char* what, const Words& resources, const char* end = "") { return resources.empty() ? "" : fmt::format("{}{}{}", what, fmt::join(resources, ", "), end); }

// Of the rings where it is silent, or else of ring 0.
std::string evidence(const Instruction& instruction) {
    const Class kind = class_of(instruction);
    if (kind == Class::harmless) return instruction.modes[ring0].done() ? "" : "traps at every ring";
    const Mode ring = kind == Class::privileged ? ring0 : instruction.modes[ring3].done() ? ring3 : ring1;
    std::string text;
    for (const auto& part : {clause("reads ", instruction.modes[ring].reads), clause("writes ", instruction.modes[ring].writes), ring == ring0 ? "" : clause("write of ", dropped(instruction, ring), " dropped")})
        if (!part.empty()) text += (text.empty() ? "" : "; ") + part;
    return text.empty() ? "only the trap" : text;
}

// ---- the table -------------------------------------------------------------------------------------------------------------------

// Without the error code.
std::string exception_name(const std::string& outcome) { return outcome.substr(0, outcome.find('(')); }

std::string ring_cell(const Instruction& instruction, Mode ring) {
    const auto& here = instruction.modes[ring];
    if (!here.done()) return exception_name(here.outcome);
    return ring != ring0 && silently_sensitive(instruction) ? "silent" : "runs";
}

std::string vmx_cell(const Observation& here, Class kind) {
    if (!here.present) return "-";
    if (!here.host.empty()) return "HOST: " + fmt::format("{}", fmt::join(here.host, " "));
    if (here.done()) return kind == Class::harmless ? "runs" : "own state";
    const std::string exception = "exit 0 ";
    return here.outcome.starts_with(exception) ? "exit " + exception_name(here.outcome.substr(exception.size())) : here.outcome;
}

std::string table(const std::vector<Instruction>& instructions, bool markdown) {
    Table table{markdown, {"instruction", "class", "ring 0", "ring 1", "ring 3", "VMX CPL 0", "VMX CPL 3", "what gives it away"}, Table::Columns::text};
    for (std::size_t kind = 0; kind < class_names.size(); ++kind)
        for (const auto& i : instructions)
            if (class_of(i) == Class{static_cast<int>(kind)})
                table.add({i.name, class_names[kind], ring_cell(i, ring0), ring_cell(i, ring1), ring_cell(i, ring3), vmx_cell(i.modes[vmx0], class_of(i)), vmx_cell(i.modes[vmx3], class_of(i)), evidence(i)});
    return table.text();
}

// The exit reasons that occur, as the SDM names them.
std::string exit_legend(const std::vector<Instruction>& instructions) {
    std::set<unsigned> reasons;
    for (const auto& i : instructions)
        for (const Mode mode : {vmx0, vmx3}) {
            unsigned reason = 0;
            const auto& outcome = i.modes[mode].outcome;
            if (i.modes[mode].exits()) std::from_chars(outcome.data() + std::string_view{"exit "}.size(), outcome.data() + outcome.size(), reason);
            if (reason != 0) reasons.insert(reason);
        }
    Words texts;
    for (const auto reason : reasons)
        if (const auto index = vmx::exit_reason_index(static_cast<u16>(reason)); index < vmx::exit_reasons.size()) texts.push_back(fmt::format("{} {}", reason, vmx::exit_reasons[index].text));
    return fmt::format("{}", fmt::join(texts, ", "));
}

// ---- the verdict -----------------------------------------------------------------------------------------------------------------

struct Verdict {
    Words silent, exiting, own, left;           // the silent ones, and what becomes of them in non-root operation
    std::size_t instructions = 0, privileged = 0, uncontrolled = 0;       // of all: with something left to the host
    bool vmx = false;
};

Verdict verdict_of(const std::vector<Instruction>& instructions) {
    Verdict verdict;
    for (const auto& i : instructions) {
        ++verdict.instructions;
        verdict.vmx = verdict.vmx || i.modes[vmx0].present;
        if (!virtualized(i)) ++verdict.uncontrolled;
        if (class_of(i) == Class::privileged) ++verdict.privileged;
        if (!silently_sensitive(i)) continue;
        verdict.silent.push_back(i.name);
        (!virtualized(i) ? verdict.left : i.modes[vmx0].exits() && i.modes[vmx3].exits() ? verdict.exiting : verdict.own).push_back(i.name);
    }
    return verdict;
}

// Lines of at most 110 columns.
std::string wrapped(const std::string& text) {
    constexpr std::size_t most = 110;
    std::string out;
    std::size_t column = 0;
    for (const auto& word : words(text)) {
        if (column != 0 && column + 1 + word.size() > most) {
            out += '\n';
            column = 0;
        }
        out += (column == 0 ? "" : " ") + word;
        column += word.size() + (column == 0 ? 0 : 1);
    }
    return out + '\n';
}

Words paragraphs(const std::vector<Instruction>& instructions) {
    const auto verdict = verdict_of(instructions);
    Words all;
    all.push_back(fmt::format("Ring deprivileging: {} of {} rows are sensitive and do not trap at ring 1 or 3{} A monitor that runs a kernel there never learns of them: {}. {} rows are privileged: they trap.", verdict.silent.size(),
                              verdict.instructions, verdict.silent.empty() ? "." : ", so it fails.", verdict.silent.empty() ? "none" : fmt::format("{}", fmt::join(verdict.silent, ", ")), verdict.privileged));
    if (!verdict.vmx) {
        all.emplace_back("VMX: the processor has none.");
        return all;
    }
    all.push_back(fmt::format("VMX non-root operation: of these {}, {} exit and {} run on the guest's own state; {} remain{}. Of all {} rows, {} see or change something of the host.", verdict.silent.size(), verdict.exiting.size(),
                              verdict.own.size(), verdict.left.empty() ? "none" : std::to_string(verdict.left.size()), clause(": ", verdict.left), verdict.instructions, verdict.uncontrolled == 0 ? "none" : std::to_string(verdict.uncontrolled)));
    return all;
}

std::string narrow_names(const std::vector<Instruction>& instructions) {
    Words wide;
    for (const auto& i : instructions)
        if (i.bits == "64") wide.push_back(i.name);
    return fmt::format("{}", fmt::join(wide, ", "));
}

Words legend(const std::vector<Instruction>& instructions) {
    Words all{"runs: does not trap; silent: does not trap, and is sensitive; own state: does not exit, and does what it does at this ring outside VMX operation, whatever the host's state is; "
              "exit #GP and the like: the exception exits.",
              "32-bit code, but for those that are other instructions there or none: " + narrow_names(instructions) + ". IOPL is 0; the VMX instructions run in VMX root operation."};
    if (const auto exits = exit_legend(instructions); !exits.empty()) all.push_back("Exits: " + exits + ".");
    return all;
}

std::string page(const std::vector<Instruction>& instructions, const std::string& preset) {
    std::string out =
        "# Sensitive instructions\n\n"
        "Popek and Goldberg (\"Formal Requirements for Virtualizable Third Generation Architectures\", 1974) call an instruction *privileged* if it traps in user mode and does not in\n"
        "supervisor mode, *control-sensitive* if it changes the mode or the resources of the machine, and *behaviour-sensitive* if what it does depends on them; the others are\n"
        "harmless. A monitor that runs a kernel with less privilege than the kernel believes to have can exist if every sensitive instruction is privileged. Robin and Irvine (\"Analysis\n"
        "of the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor\", 2000) went through the Pentium's instructions and found seventeen that are sensitive and do not\n"
        "trap; all of them are in the first part of the table, beside younger ones. VT-x does not make them trap: it gives the guest a state of its own to work on, and exits for the rest.\n"
        "(CR4.UMIP of later processors makes five of them trap: `--set features.umip=true` adds those rows.)\n\n"
        "Nothing of this is asserted. `guests/sensitive` executes the same bytes at rings 0, 1 and 3 and in VMX non-root operation, and changes one piece of privileged state at a time:\n"
        "a result that changes with it has *read* it; a piece of state that is not what it was has been *written*; a write that ring 0 makes and another ring does not make, without a\n"
        "trap, was *dropped*; `CPL` is read where the results are not those of ring 0. In non-root operation, guest and host have different values of everything, and both are changed.\n"
        "The program is the VMM: what neither VM entries nor VM exits switch (CR2, DR0, XCR0, LSTAR, KERNEL_GS_BASE, TSC_AUX), it switches.\n"
        "Bochs and QEMU run the same program: `tests/data/guests/sensitive.csv` has what they observe, `sensitive_differences.csv` beside it why some lines are not the same.\n"
        "RDPMC traps everywhere where a preset shows no performance counters.\n\n";
    out += fmt::format("`vtsim isa --sensitive --markdown` prints this page, `vtsim isa --sensitive` the table for a terminal. Preset: `{}`.\n\n", preset);
    for (const auto& paragraph : paragraphs(instructions)) out += "**" + paragraph.substr(0, paragraph.find(':')) + "**" + paragraph.substr(paragraph.find(':')) + "\n\n";
    out += table(instructions, true) + "\n";
    for (const auto& paragraph : legend(instructions)) out += paragraph + "\n\n";
    out.pop_back();
    return out;
}

}  // namespace

std::string sensitive_instructions(Config config, bool markdown) {
    const std::string preset = config.preset_name();
    const auto instructions = observe(std::move(config));
    if (markdown) return page(instructions, preset);
    std::string out = "What guests/sensitive observes on a machine of the preset '" + preset + "':\n\n" + table(instructions, false);
    for (const auto& paragraph : legend(instructions)) out += '\n' + wrapped(paragraph);
    for (const auto& paragraph : paragraphs(instructions)) out += '\n' + wrapped(paragraph);
    return out;
}

}  // namespace vtsim::cli
