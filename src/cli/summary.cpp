// SPDX-License-Identifier: Apache-2.0
#include "cli/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vtsim::cli {
namespace {

// "12 345 678"
std::string grouped(std::uint64_t number) {
    auto digits = std::to_string(number);
    for (auto position = static_cast<std::ptrdiff_t>(digits.size()) - 3; position > 0; position -= 3) digits.insert(static_cast<std::size_t>(position), 1, ' ');
    return digits;
}

// "cpu3.vmx.exits.cpuid", "vmx.exits." -> "cpuid"; "" when the name is another.
std::string_view after(std::string_view name, std::string_view path) {
    if (!name.starts_with("cpu")) return {};
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || !name.substr(dot + 1).starts_with(path)) return {};
    return name.substr(dot + 1 + path.size());
}

// Figures of all processors below a path, added up by the rest of the name; zeros are left out.
std::map<std::string, std::uint64_t> sums(const Statistics& statistics, std::string_view path) {
    std::map<std::string, std::uint64_t> result;
    for (const auto& figure : statistics) {
        const auto rest = after(figure.name, path);
        const auto* count = std::get_if<std::uint64_t>(&figure.value);
        if (!rest.empty() && count != nullptr && *count != 0) result[std::string(rest)] += *count;
    }
    return result;
}

// "1 234: cpuid 1 000, hlt 234", the most frequent first.
std::string breakdown(const std::map<std::string, std::uint64_t>& parts) {
    std::vector<std::pair<std::string, std::uint64_t>> ordered(parts.begin(), parts.end());
    std::ranges::stable_sort(ordered, std::ranges::greater{}, &std::pair<std::string, std::uint64_t>::second);
    std::uint64_t all = 0;
    std::string text;
    for (const auto& [name, count] : ordered) {
        all += count;
        text += fmt::format("{}{} {}", text.empty() ? ": " : ", ", name, grouped(count));
    }
    return grouped(all) + text;
}

// "1 234, 20.2 references each; ..." for each kind of walk that happened.
std::string walk_lines(const Statistics& statistics) {
    std::string text;
    const auto references = sums(statistics, "mmu.walker.refs.");
    for (const auto& [kind, count] : sums(statistics, "mmu.walker.walks.")) {
        std::uint64_t read = 0;
        for (const auto& [cell, amount] : references)
            if (cell.starts_with(kind + '.')) read += amount;
        text += fmt::format("{}{} {} ({:.2f} references each)", text.empty() ? "" : ", ", kind, grouped(count), static_cast<double>(read) / static_cast<double>(count));
    }
    return text;
}

// Where the cycles of all processors went, largest first; "" when no cycle was modelled.
std::string stack_lines(const Statistics& statistics) {
    const auto stack = sums(statistics, "cycle_stack.");
    std::vector<std::pair<std::string, std::uint64_t>> ordered(stack.begin(), stack.end());
    std::ranges::stable_sort(ordered, std::ranges::greater{}, &std::pair<std::string, std::uint64_t>::second);
    std::uint64_t all = 0;
    for (const auto& [bucket, cycles] : ordered) all += cycles;
    std::string text;
    for (const auto& [bucket, cycles] : ordered)
        text += fmt::format("{:18}{:<18} {:>16} {:5.1f} %\n", "", bucket, grouped(cycles), 100 * static_cast<double>(cycles) / static_cast<double>(all));
    return text;
}

std::string line(const char* label, const std::string& text) { return fmt::format("  {:<14}{}\n", label, text); }

}  // namespace

std::string summary(const RunResult& result, const Statistics& statistics) {
    std::string text = fmt::format("vtsim: {}\n", result.message);
    const auto instructions = statistics.count("sim.instructions");
    text += line("instructions", fmt::format("{} in {:.2f} s of host time, {:.1f} MIPS", grouped(instructions), statistics.number("host.seconds"), statistics.number("host.mips")));
    const auto timed = sums(statistics, "instructions_by_mode.").contains("timing");
    const auto simulated = fmt::format("{:.6f} s simulated", statistics.number("sim.seconds"));
    text += timed ? line("cycles", fmt::format("{}, {}", grouped(statistics.count("sim.cycles")), simulated)) : line("time", simulated + " (instructions alone: timing is off)");
    if (timed) text += stack_lines(statistics);
    if (const auto exits = sums(statistics, "vmx.exits."); !exits.empty()) text += line("VM exits", breakdown(exits));
    if (const auto walks = walk_lines(statistics); !walks.empty()) text += line("page walks", walks);
    return text;
}

std::string progress_line(const Progress& progress) {
    const double mips = progress.host_seconds > 0 ? static_cast<double>(progress.instructions) / progress.host_seconds / 1e6 : 0;
    return fmt::format("{:.3f} s simulated, {} instructions, {:.0f} MIPS", progress.simulated_seconds, grouped(progress.instructions), mips);
}

}  // namespace vtsim::cli
