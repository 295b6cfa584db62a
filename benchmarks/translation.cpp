// SPDX-License-Identifier: Apache-2.0
// What translation costs the host: a look-up in the modelled TLB, and cold walks of one and two dimensions.
#include <benchmark/benchmark.h>

#include "tlb/tlb.h"
#include "unit/mmu/bench.h"

namespace vtsim::mmu {
namespace {

constexpr u64 base = 0x7f00'0000'0000;
constexpr u64 pages = 64;

// Every translation walks all levels: nothing is cached.
void cold_walk(benchmark::State& state, bool nested) {
    auto params = Bench::without_caches();
    params.stale = "forget";
    Bench bench(params);
    if (nested) bench.ept(4, 1);
    bench.paging(4);
    for (u64 page = 0; page < pages; ++page) bench.map_page(base + page * page_size, page * page_size, 1, Bench::all_rights | Bench::accessed | Bench::dirty);
    bench.mmu.set_mode(Mode::warm);
    bench.apply();
    u64 page = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(bench.mmu.translate(base + page * page_size, load));
        page = (page + 1) % pages;
    }
    const auto references = bench.mmu.walker_stats().root.refs.total() + bench.mmu.walker_stats().guest.refs.total();
    state.counters["references_per_walk"] = static_cast<double>(references) / static_cast<double>(state.iterations());
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK_CAPTURE(cold_walk, 1D, false)->Name("translation/cold_walk/1D");
BENCHMARK_CAPTURE(cold_walk, 2D, true)->Name("translation/cold_walk/2D");

void warm_translation(benchmark::State& state) {
    Bench bench;
    bench.paging(4);
    for (u64 page = 0; page < pages; ++page) bench.map_page(base + page * page_size, page * page_size, 1, Bench::all_rights | Bench::accessed | Bench::dirty);
    bench.mmu.set_mode(Mode::warm);
    bench.apply();
    u64 page = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(bench.mmu.translate(base + page * page_size, load));
        page = (page + 1) % pages;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(warm_translation)->Name("translation/tlb_hit");

}  // namespace
}  // namespace vtsim::mmu
