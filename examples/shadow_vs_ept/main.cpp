// SPDX-License-Identifier: Apache-2.0
// Shadow paging against EPT: each workload of the kernel alone, under the VMM with shadow paging, and under EPT, with and without VPID.
//
//     shadow_vs_ept [--quick] [--preset NAME] [--json FILE] [WORKLOAD...]
//
// A WORKLOAD is a command line of the kernel (guests/README.md); without one, a selection. --quick: smaller ones, half a minute in all. What the kernel marks as its region of
// interest is measured in timing mode, with caches and TLBs warm from what came before.
//
// core, caches, walks, VMX (exits and entries themselves), events (interrupt delivery): the cycle stack, 100 % in all. "in VMM": between exit and entry, whatever it waited for. Misses:
// of the second-level TLB. An operation is what the workload counts, a page or a fork, say.
#include <fmt/format.h>
#include <vtsim/error.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "comparison.h"

namespace {

namespace json = boost::json;
using namespace vtsim::comparison;

double ratio(std::uint64_t amount, std::uint64_t events) { return events == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(events); }

template <class... Cells>
void print_line(std::string_view name, const Cells&... cells) {
    fmt::print("  {:<18}", name);
    (fmt::print("{:>9}", cells), ...);
    fmt::print("\n");
}

void print_row(const Setup& setup, const Measurement& m, std::uint64_t native_cycles) {
    const auto fixed = [](double value, int digits) { return fmt::format("{:.{}f}", value, digits); };
    const auto share = [&](std::uint64_t cycles) { return fixed(100 * ratio(cycles, m.cycles), 1); };
    print_line(setup.name, m.cycles, fixed(ratio(m.cycles, native_cycles), 2), share(m.issue + m.branch), share(m.caches), share(m.translation), share(m.transitions), share(m.interrupts),
               share(m.handlers), m.walks, fixed(ratio(m.references, m.walks), 2), fixed(1000 * ratio(m.stlb_misses, m.instructions), 2), fixed(m.per_operation(m.exits), 2),
               m.table_kib == 0 ? "" : fmt::format("{}", m.table_kib));
}

json::object as_json(const Measurement& m, std::uint64_t native_cycles) {
    json::object figures;
    for (const auto& figure : m.figures)
        if (const auto* count = std::get_if<std::uint64_t>(&figure.value); count != nullptr && *count != 0 && !figure.name.starts_with("host.")) figures[figure.name] = *count;
    return {{"cycles", m.cycles}, {"ratio", ratio(m.cycles, native_cycles)}, {"operations", m.operations}, {"operation", m.operation}, {"table_kib", m.table_kib}, {"checksum", m.checksum},
            {"figures", std::move(figures)}};
}

json::object compare(const std::string& workload, const std::string& preset) {
    fmt::print("{}\n", workload);
    print_line("", "cycles", "ratio", "core %", "caches %", "walks %", "VMX %", "events %", "in VMM %", "walks", "refs per", "misses", "exits", "tables");
    print_line("", "", "", "", "", "", "", "", "", "", "walk", "per 1000", "per op", "KiB");
    json::object results;
    std::uint64_t native_cycles = 0;
    std::string checksum;
    std::vector<std::pair<std::string, std::string>> causes;
    for (const auto& setup : setups()) {
        const auto m = measure(workload, setup, preset);
        if (&setup == &native()) native_cycles = m.cycles, checksum = m.checksum;
        if (m.checksum != checksum) throw vtsim::InputError(fmt::format("{}, {}: checksum {}, expected {} as natively", workload, setup.name, m.checksum, checksum));
        print_row(setup, m, native_cycles);
        if (auto text = m.exits_by_reason(); !text.empty()) causes.emplace_back(setup.name, fmt::format("exits per {}: {}", m.operation, text));
        results[setup.name] = as_json(m, native_cycles);
    }
    for (const auto& [name, text] : causes) fmt::print("  {:<18}   {}\n", name, text);
    fmt::print("\n");
    return results;
}

int run(int count, char** arguments) {
    std::vector<std::string> chosen;
    std::string file, preset = "broadwell";
    bool quick = false;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument == "--quick") quick = true;
        else if (argument == "--json" && i + 1 < count) file = arguments[++i];
        else if (argument == "--preset" && i + 1 < count) preset = arguments[++i];
        else if (argument.starts_with("-")) throw vtsim::InputError(fmt::format("'{}': expected [--quick] [--preset NAME] [--json FILE] [WORKLOAD...]", argument));
        else chosen.push_back(argument);
    }
    if (chosen.empty())
        for (const auto& workload : workloads())
            if (const char* line = quick ? workload.quick : workload.command_line; line != nullptr) chosen.emplace_back(line);
    json::object all;
    for (const auto& workload : chosen) all[workload] = compare(workload, preset);
    if (file.empty()) return 0;
    std::ofstream out(file);
    out << json::serialize(all) << '\n';
    if (!out.flush()) throw vtsim::InputError(fmt::format("cannot write {}", file));
    fmt::print("all figures: {}\n", file);
    return 0;
}

}  // namespace

int main(int count, char** arguments) try {
    return run(count, arguments);
} catch (const vtsim::InputError& error) {
    fmt::print(stderr, "shadow_vs_ept: {}\n", error.what());
    return 2;
}
