// SPDX-License-Identifier: Apache-2.0
// The comparison of examples/shadow_vs_ept as benchmarks, each once: WORKLOAD/SETUP, and together_N/SETUP for N guests on one processor. "Time" is simulated time, the same on every
// host: of the region of interest, or of all of the run divided by the guests. "CPU" is what the host took for all of the run. Counters say what the simulated time was made of.
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

std::string preset = "broadwell";

double quotient(std::uint64_t amount, std::uint64_t events) { return events == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(events); }

// The native run of each workload, to compare with.
const Measurement& native_run(const Workload& workload) {
    static std::map<std::string, Measurement> runs;
    const auto found = runs.find(workload.key);
    return found != runs.end() ? found->second : runs.emplace(workload.key, measure(workload.command_line, native(), preset)).first->second;
}

void count(benchmark::State& state, const Measurement& m) {
    auto& counters = state.counters;
    const auto share = [&](std::uint64_t cycles) { return 100 * quotient(cycles, m.cycles); };
    counters["cycles"] = static_cast<double>(m.cycles);
    counters["instructions"] = static_cast<double>(m.instructions);
    counters["operations"] = static_cast<double>(m.operations);
    counters["exits"] = static_cast<double>(m.exits);
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
}

void compare(benchmark::State& state, const Workload& workload, const Setup& setup) {
    const bool is_native = &setup == &native();
    if (!is_native) native_run(workload);
    for ([[maybe_unused]] auto iteration : state) {
        const auto m = is_native ? native_run(workload) : measure(workload.command_line, setup, preset);
        const auto& alone = native_run(workload);
        if (m.checksum != alone.checksum) return state.SkipWithError(("checksum " + m.checksum + ", expected " + alone.checksum + " as natively").c_str());
        state.SetIterationTime(m.seconds);
        count(state, m);
        state.counters["ratio"] = quotient(m.cycles, alone.cycles);
        // The label is the only text that a benchmark reports.
        state.SetLabel(std::string{workload.command_line} + "; per " + m.operation + ": " + m.exits_by_reason());
    }
}

void run_together(benchmark::State& state, const Setup& setup, unsigned guests) {
    constexpr const char* workload = "random mb=1 count=200000 pages=4k";
    constexpr unsigned slice = 100'000;
    for ([[maybe_unused]] auto iteration : state) {
        const auto m = measure_together(workload, setup, guests, slice, preset);
        state.SetIterationTime(m.seconds / guests);
        count(state, m);
        state.SetLabel(std::string{workload} + "; slices of " + std::to_string(slice) + " cycles");
    }
}

void add(const std::string& name, auto&& body) { benchmark::RegisterBenchmark(name.c_str(), body)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond); }

void add_all() {
    for (const auto& workload : workloads()) {
        for (const auto& setup : setups()) add(std::string{workload.key} + "/" + setup.key, [&](benchmark::State& state) { compare(state, workload, setup); });
        for (const auto& setup : shadow_variants()) add(std::string{workload.key} + "/" + setup.key, [&](benchmark::State& state) { compare(state, workload, setup); });
    }
    for (const unsigned guests : {1U, 2U, 4U})
        for (const auto& setup : setups())
            if (setup.vmm != nullptr) add("together_" + std::to_string(guests) + "/" + setup.key, [&, guests](benchmark::State& state) { run_together(state, setup, guests); });
}

}  // namespace

int main(int count, char** arguments) try {
    add_all();
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
