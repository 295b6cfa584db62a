// SPDX-License-Identifier: Apache-2.0
// Random instructions and interrupts on Unicorn's processor and on vtsim's, in the modes that a user process of the host cannot enter.
// Usage: unicorn [--cases N] [--seed S] [--classes real,protected,v86,long] [--only MNEMONIC] [--mode functional|warm|timing] [--mismatches M]
//        [--forms FILE]: writes the forms of the instructions that were compared, one a line
//        --list-forms: names the instructions of each class; --deviations: what Unicorn does otherwise than the manual, and how vtsim is checked instead
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "cpu/isa/form.h"
#include "differential/options.h"
#include "unicorn/judge.h"

namespace {

using namespace vtsim;
using namespace vtsim::unicorn;

constexpr int skipped = 77;

struct WorldName {
    World world;
    const char* name;
};
constexpr WorldName worlds[] = {{World::real, "real"}, {World::protected_mode, "protected"}, {World::virtual8086, "v86"}, {World::long_mode, "long"}};

struct Options {
    u64 cases = 10'000, seed = 1, mismatches = 10;
    std::string classes = "real,protected,v86,long";
    std::optional<ZydisMnemonic> only;
    cpu::Mode mode = cpu::Mode::functional;
    std::string forms;
    bool list_forms = false, list_deviations = false;
};

Options parse(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string name = arguments[i];
        if (name == "--list-forms") options.list_forms = true;
        else if (name == "--deviations") options.list_deviations = true;
        else if (i + 1 == count) throw std::runtime_error(name + " needs a value, or is no option");
        else if (const std::string value = arguments[++i]; name == "--cases") options.cases = std::stoull(value);
        else if (name == "--seed") options.seed = std::stoull(value);
        else if (name == "--mismatches") options.mismatches = std::stoull(value);
        else if (name == "--only") options.only = differential::mnemonic_of(value);
        else if (name == "--classes") options.classes = value;
        else if (name == "--forms") options.forms = value;
        else if (name == "--mode") options.mode = differential::mode_of(value);
        else throw std::runtime_error("unknown option " + name);
    }
    return options;
}

struct Tally {
    std::map<std::string, u64> executed, mismatches;
    u64 cases = 0, exceptions = 0, outside = 0, interrupts = 0, mismatched = 0;
    std::vector<u64> applied = std::vector<u64>(deviations().size());
};

struct Processors {
    explicit Processors(cpu::Mode mode) : subject{mode} {}
    UnicornProcessor reference;
    SimulatedProcessor subject;
    Memories memories{reference, subject};
};

// The instruction its own bytes, which Unicorn begins anew then, or the event its own gate. vtsim's memory is still what it was.
bool overwrites_itself(const Case& c, Memories& memories) {
    if (!c.interrupt) return memories.changed(c.linear, c.code.size());
    const u64 entry = c.world == World::real ? 4 : c.world == World::long_mode ? 16 : 8;
    return memories.changed(c.start.idtr.base + *c.interrupt * entry, entry);
}

bool overwrites_code(const Case& c, Memories& memories) {
    for (u64 i = 0; i < c.code.size(); ++i)
        if (memories.read(c.linear + i) != c.code[i]) return true;
    return false;
}

void run_case(Generator& generator, Processors& p, u64 number, Tally& tally, std::set<std::string>* forms) {
    const Case c = generator.make();
    ++tally.cases;
    Outcome expected = c.interrupt ? p.reference.deliver(c.start, *c.interrupt) : p.reference.step(c.start, c.branches(), c.port);
    if (expected.end == End::outside || overwrites_itself(c, p.memories)) {
        ++tally.outside;
        p.memories.forget();
        return;
    }
    const Outcome actual = c.interrupt ? p.subject.deliver(c.start, *c.interrupt) : p.subject.step(c.start, c.port);
    if (actual.end == End::outside || overwrites_code(c, p.memories)) {
        ++tally.outside;
        p.memories.forget();
        return;
    }
    if (c.interrupt) ++tally.interrupts;
    else ++tally.executed[c.name()];
    if (expected.end == End::exception) ++tally.exceptions;
    else if (forms != nullptr && !c.interrupt) forms->insert(cpu::isa::form_of(c.instruction, c.operands));
    Judged judged{c, expected, actual, p.memories};
    const auto lines = judge(judged, tally.applied);
    if (!p.memories.equal()) p.memories.forget();
    if (lines.empty()) return;
    ++tally.mismatched;
    ++tally.mismatches[c.name()];
    fmt::print("case {}\n{}", number, describe(c));
    for (const auto& line : lines) fmt::print("    {}\n", line);
}

u64 run_world(const Options& options, const WorldName& world, Processors& processors, std::set<std::string>& forms) {
    Generator generator{options.seed, world.world, options.only, processors.memories};
    Tally tally;
    for (u64 number = 0; number < options.cases && tally.mismatched < options.mismatches; ++number) run_case(generator, processors, number, tally, options.forms.empty() ? nullptr : &forms);
    u64 never = 0;
    for (const auto mnemonic : generator.chosen()) never += tally.executed[ZydisMnemonicGetString(mnemonic)] == 0 ? 1 : 0;
    fmt::print("{}: {} cases ({} interrupts, {} with an exception, {} outside of memory); {} mnemonics, {} of them never executed; {} mismatches\n", world.name, tally.cases, tally.interrupts,
               tally.exceptions, tally.outside, generator.chosen().size(), never, tally.mismatched);
    for (const auto& [name, count] : tally.mismatches) fmt::print("  mismatches of {}: {}\n", name, count);
    for (std::size_t i = 0; i < tally.applied.size(); ++i)
        if (tally.applied[i] != 0) fmt::print("  compared otherwise, {}: {}\n", deviations()[i].what, tally.applied[i]);
    return tally.mismatched;
}

void list_forms(Memories& memories) {
    for (const auto& world : worlds) {
        const Generator generator{1, world.world, {}, memories};
        for (const auto mnemonic : generator.chosen()) fmt::print("{} {}\n", world.name, ZydisMnemonicGetString(mnemonic));
    }
}

int run(const Options& options) {
    if (options.list_deviations) {
        for (const auto& row : deviations()) fmt::print("{}\n  Unicorn: {}\n  manual: {}\n  instead: {}\n", row.what, row.unicorn, row.manual, row.instead);
        return 0;
    }
    std::unique_ptr<Processors> processors;
    try {
        processors = std::make_unique<Processors>(options.mode);
    } catch (const std::runtime_error& error) {
        fmt::print("skipped: {}\n", error.what());
        return skipped;
    }
    if (options.list_forms) {
        list_forms(processors->memories);
        return 0;
    }
    u64 mismatches = 0;
    std::set<std::string> forms;
    for (const auto& world : worlds)
        if (("," + options.classes + ",").find(std::string(",") + world.name + ",") != std::string::npos) mismatches += run_world(options, world, *processors, forms);
    for (const auto& line : processors->subject.log()) fmt::print("{}\n", line);
    differential::write_forms(options.forms, forms);
    return mismatches == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) try {
    return run(parse(count, arguments));
} catch (const std::exception& error) {
    std::fprintf(stderr, "unicorn: %s\n", error.what());
    return 2;
}
