// SPDX-License-Identifier: Apache-2.0
// Shadow paging against EPT: each workload of the kernel alone, under the VMM with shadow paging, and under EPT, with and without VPID.
//
//     shadow_vs_ept [--quick] [--json FILE] [WORKLOAD...]
//
// A WORKLOAD is a command line of the kernel (guests/README.md); without one, a selection. --quick: smaller ones, half a minute in all. What the kernel marks as its region of
// interest is measured in timing mode, with caches and TLBs warm from what came before.
#include <fmt/format.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace json = boost::json;
using vtsim::Statistics;

struct Setup {
    const char* name;
    const char* vmm;            // its command line; nullptr: the kernel alone
};
constexpr Setup setups[] = {
    {"native", nullptr},         {"shadow", "mmu=shadow"},          {"shadow, no VPID", "mmu=shadow vpid=off"}, {"EPT 4 KiB", "ept=4k"},
    {"EPT 4 KiB, no VPID", "ept=4k vpid=off"}, {"EPT 2 MiB", "ept=2m"}, {"EPT 2 MiB, no VPID", "ept=2m vpid=off"},
};

const std::vector<std::string> whole{
    "churn pages=4k", "switch pages=4k", "fork pages=4k", "syscall pages=4k", "interrupt pages=4k", "build pages=4k", "gups mb=64 count=200000 pages=4k", "gups mb=64 count=200000 pages=2m",
    "chase bytes=32m stride=4160 count=200000 pages=4k", "stream mb=16 iters=1 pages=4k", "compute",
};
const std::vector<std::string> quick{
    "churn iters=20 pages=4k", "switch iters=2000 pages=4k", "fork children=4 pages=4k", "syscall count=10000 pages=4k", "gups mb=64 count=50000 pages=4k", "gups mb=64 count=50000 pages=2m", "compute iters=100000",
};

struct Run {
    std::string checksum;
    std::string operation;               // what the kernel counts, and how many
    std::uint64_t operations = 0;
    std::string table_memory;
    Statistics figures;                  // of the region
};

std::string after(const std::string& text, const std::string& mark, const std::string& ends) {
    const auto at = text.find(mark);
    return at == std::string::npos ? "" : text.substr(at + mark.size(), text.find_first_of(ends, at + mark.size()) - at - mark.size());
}

Run measure(const std::string& workload, const Setup& setup) {
    auto config = vtsim::Config::preset("broadwell");
    config.set("machine.mode", "warm");
    config.set("machine.roi_mode", "timing");
    config.set("machine.roi_stats", "true");
    vtsim::Machine machine{config};
    std::string serial;
    machine.on_serial([&](std::string_view text) { serial += text; });
    const std::string kernel = VTSIM_GUEST_DIR "/kernel.elf", vmm = VTSIM_GUEST_DIR "/vmm.elf";
    if (setup.vmm == nullptr) machine.load({.path = kernel, .command_line = workload, .initrd = "", .modules = {}});
    else machine.load({.path = vmm, .command_line = setup.vmm, .initrd = "", .modules = {{kernel, workload}}});
    const auto result = machine.run();
    constexpr int guest_success = 1;     // (0 << 1) | 1
    if (result.status != guest_success) throw vtsim::InputError(fmt::format("{}, {}: ended with status {}: {}\n{}", workload, setup.name, result.status, result.message, serial));
    Run run{.checksum = after(serial, "checksum=", "\r\n"), .operation = "", .operations = 0, .table_memory = "", .figures = machine.statistics()};
    // "cycles: total=N THINGS=M per_THING_x1000=..."
    const auto counted = after(serial, "cycles: total=", "\r\n");
    const auto name = after(counted, " ", "="), count = after(counted, name + "=", " ");
    if (!count.empty()) run.operation = name, run.operations = std::stoull(count);
    run.table_memory = setup.vmm == nullptr ? "" : serial.find("vmm: shadow: tables:") != std::string::npos ? after(serial, "at most ", " KiB at a time") : after(serial, "leaves, ", " KiB of tables");
    return run;
}

std::uint64_t of(const Statistics& figures, std::string_view name) { return figures.count(fmt::format("cpu0.{}", name)); }
double per(std::uint64_t amount, std::uint64_t events) { return events == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(events); }

std::uint64_t sum_below(const Statistics& figures, std::string_view prefix, std::string_view inside = "") {
    std::uint64_t sum = 0;
    for (const auto& figure : figures)
        if (figure.name.starts_with(prefix) && figure.name.find(inside) != std::string::npos)
            if (const auto* count = std::get_if<std::uint64_t>(&figure.value)) sum += *count;
    return sum;
}

struct Row {
    std::uint64_t cycles, instructions, exits, walks, references, misses;
    std::uint64_t issue, branch, caches, tables, transitions, vmm;
};

Row row_of(const Statistics& f) {
    const auto bucket = [&](std::string_view name) { return of(f, fmt::format("cycle_stack.{}", name)); };
    Row row{};
    row.cycles = of(f, "cycles");
    row.instructions = of(f, "instructions");
    row.exits = of(f, "vmx.exits_total");
    for (const std::string_view side : {"root", "guest"}) {
        row.walks += sum_below(f, fmt::format("cpu0.mmu.walker.{}.walks.", side));
        row.references += sum_below(f, fmt::format("cpu0.mmu.walker.{}.refs.", side));
    }
    row.misses = of(f, "mmu.stlb.misses");
    row.issue = bucket("instruction_issue");
    row.branch = bucket("branch");
    row.caches = bucket("data_cache") + bucket("instruction_cache");
    row.tables = bucket("tlb") + bucket("walk_native") + bucket("walk_ept") + bucket("walk_nested");
    row.transitions = bucket("vm_exit") + bucket("vm_entry");
    row.vmm = sum_below(f, "cpu0.vmx.handler_cycles.");
    return row;
}

std::string exits_by_reason(const Run& run) {
    constexpr std::string_view prefix = "cpu0.vmx.exits.";
    std::vector<std::pair<std::uint64_t, std::string>> reasons;
    for (const auto& figure : run.figures)
        if (figure.name.starts_with(prefix) && run.figures.count(figure.name) != 0) reasons.emplace_back(run.figures.count(figure.name), figure.name.substr(prefix.size()));
    std::sort(reasons.rbegin(), reasons.rend());
    std::string text;
    for (const auto& [count, name] : reasons) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, run.operations == 0 ? fmt::format("{}", count) : fmt::format("{:.2f}", per(count, run.operations)));
    return text;
}

json::object compare(const std::string& workload) {
    const auto line = [](std::string_view name, const auto&... cells) {
        fmt::print("  {:<20}", name);
        (fmt::print("{:>10}", cells), ...);
        fmt::print("\n");
    };
    fmt::print("{}\n", workload);
    line("", "cycles", "ratio", "issue %", "branch %", "caches %", "walks %", "VMX %", "refs per", "STLB miss", "exits per", "table");
    line("", "", "", "", "", "", "", "", "walk", "per 1000", "operation", "KiB");
    json::object results;
    std::uint64_t native = 0;
    std::string checksum, by_reason;
    for (const auto& setup : setups) {
        const auto run = measure(workload, setup);
        const auto r = row_of(run.figures);
        if (setup.vmm == nullptr) native = r.cycles, checksum = run.checksum;
        if (run.checksum != checksum) throw vtsim::InputError(fmt::format("{}, {}: checksum {}, expected {} as natively", workload, setup.name, run.checksum, checksum));
        const auto share = [&](std::uint64_t cycles) { return 100 * per(cycles, r.cycles); };
        const auto fixed = [](double value, int digits) { return fmt::format("{:.{}f}", value, digits); };
        line(setup.name, r.cycles, fixed(per(r.cycles, native), 2), fixed(share(r.issue), 1), fixed(share(r.branch), 1), fixed(share(r.caches), 1), fixed(share(r.tables), 1), fixed(share(r.transitions), 1),
             fixed(per(r.references, r.walks), 2), fixed(1000 * per(r.misses, r.instructions), 2), fixed(per(r.exits, run.operations), 2), run.table_memory);
        if (r.exits != 0 && setup.name == std::string_view{"shadow"}) by_reason = exits_by_reason(run);
        json::object figures;
        for (const auto& figure : run.figures)
            if (const auto* count = std::get_if<std::uint64_t>(&figure.value); count != nullptr && *count != 0 && !figure.name.starts_with("host.")) figures[figure.name] = *count;
        results[setup.name] = {{"cycles", r.cycles}, {"ratio", per(r.cycles, native)}, {"operations", run.operations}, {"operation", run.operation}, {"table_kib", run.table_memory}, {"checksum", run.checksum}, {"figures", std::move(figures)}};
    }
    if (!by_reason.empty()) fmt::print("  shadow paging, exits per operation: {}\n", by_reason);
    fmt::print("\n");
    return results;
}

int run(int count, char** arguments) {
    std::vector<std::string> workloads;
    std::string file;
    bool small = false;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument == "--quick") small = true;
        else if (argument == "--json" && i + 1 < count) file = arguments[++i];
        else if (argument.starts_with("-")) throw vtsim::InputError(fmt::format("'{}': expected [--quick] [--json FILE] [WORKLOAD...]", argument));
        else workloads.push_back(argument);
    }
    if (workloads.empty()) workloads = small ? quick : whole;
    json::object all;
    for (const auto& workload : workloads) all[workload] = compare(workload);
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
