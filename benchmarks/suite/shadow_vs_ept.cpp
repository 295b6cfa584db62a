// SPDX-License-Identifier: Apache-2.0
// The comparison of examples/shadow_vs_ept as benchmarks: WORKLOAD/SETUP, each once. "Time" is the simulated time of the region of interest, the same on every host; "CPU" is what
// the host took for all of the run. Counters say what the simulated time was made of.
//
//     shadow_vs_ept_suite --benchmark_filter='gups.*/(native|ept_4k)/' --benchmark_out=suite.json [--preset=NAME]
#include <benchmark/benchmark.h>

#include <vtsim/error.h>

#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "comparison.h"

namespace {

using namespace vtsim::comparison;

double quotient(std::uint64_t amount, std::uint64_t events) { return events == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(events); }

std::string preset = "broadwell";

// The native run of each workload, to compare with.
const Measurement& native_run(const Workload& workload) {
    static std::map<std::string, Measurement> runs;
    const auto found = runs.find(workload.key);
    return found != runs.end() ? found->second : runs.emplace(workload.key, measure(workload.command_line, native(), preset)).first->second;
}

void compare(benchmark::State& state, const Workload& workload, const Setup& setup) {
    const bool is_native = &setup == &native();
    if (!is_native) native_run(workload);
    for ([[maybe_unused]] auto iteration : state) {
        const auto m = is_native ? native_run(workload) : measure(workload.command_line, setup, preset);
        const auto& alone = native_run(workload);
        if (m.checksum != alone.checksum) return state.SkipWithError(("checksum " + m.checksum + ", expected " + alone.checksum + " as natively").c_str());
        state.SetIterationTime(m.seconds);
        auto& counters = state.counters;
        const auto share = [&](std::uint64_t cycles) { return 100 * quotient(cycles, m.cycles); };
        counters["cycles"] = static_cast<double>(m.cycles);
        counters["instructions"] = static_cast<double>(m.instructions);
        counters["operations"] = static_cast<double>(m.operations);
        counters["ratio"] = quotient(m.cycles, alone.cycles);
        counters["exits_per_operation"] = m.per_operation(m.exits);
        counters["walks"] = static_cast<double>(m.walks);
        counters["references_per_walk"] = quotient(m.references, m.walks);
        counters["stlb_misses_per_1000"] = 1000 * quotient(m.stlb_misses, m.instructions);
        counters["table_kib"] = static_cast<double>(m.table_kib);
        counters["issue_percent"] = share(m.issue);
        counters["branch_percent"] = share(m.branch);
        counters["caches_percent"] = share(m.caches);
        counters["translation_percent"] = share(m.translation);
        counters["transitions_percent"] = share(m.transitions);
        counters["events_percent"] = share(m.interrupts);
        counters["handlers_percent"] = share(m.handlers);
        state.SetLabel(workload.command_line);
    }
}

}  // namespace

int main(int count, char** arguments) try {
    for (const auto& workload : workloads())
        for (const auto& setup : setups())
            benchmark::RegisterBenchmark((std::string{workload.key} + "/" + setup.key).c_str(), [&](benchmark::State& state) { compare(state, workload, setup); })
                ->Iterations(1)
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
    benchmark::Initialize(&count, arguments);
    constexpr std::string_view preset_option = "--preset=";
    if (count > 1 && std::string_view{arguments[count - 1]}.starts_with(preset_option)) preset = std::string_view{arguments[--count]}.substr(preset_option.size());
    benchmark::AddCustomContext("preset", preset);
    if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
} catch (const vtsim::InputError& error) {
    std::fprintf(stderr, "shadow_vs_ept_suite: %s\n", error.what());
    return 2;
}
