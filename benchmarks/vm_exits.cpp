// SPDX-License-Identifier: Apache-2.0
// How many VM-exit round trips a host second executes: a guest that does nothing but CPUID, and the shortest VMM that lets it go on.
#include <benchmark/benchmark.h>
#include <gtest/gtest.h>

#include "support/guest_bench.h"

namespace vtsim {
namespace {

constexpr u8 guest_code[] = {0x0f, 0xa2,      // cpuid
                             0xeb, 0xfc};     // jmp the cpuid
constexpr u8 host_code[] = {0xb8, 0x1e, 0x68, 0x00, 0x00,     // mov eax, 0x681e (guest RIP)
                            0x0f, 0x78, 0xc3,                 // vmread rbx, rax
                            0x48, 0x83, 0xc3, 0x02,           // add rbx, 2
                            0x0f, 0x79, 0xc3,                 // vmwrite rax, rbx
                            0x0f, 0x01, 0xc3};                // vmresume
constexpr u64 instructions_per_round = 6;                     // five of the VMM and the JMP of the guest: the CPUID that exits does not retire

void round_trip(benchmark::State& state, cpu::Mode mode) {
    constexpr u64 instructions = 600'000;
    test::GuestBench bench({});
    for (u64 i = 0; i < sizeof guest_code; ++i) bench.poke<u8>(test::CoreBench::code + i, guest_code[i]);
    for (u64 i = 0; i < sizeof host_code; ++i) bench.poke<u8>(test::GuestBench::host_rip + i, host_code[i]);
    bench.core.set_mode(mode);
    bench.core.state_changed();
    const auto exits = [&] { return std::get<u64>(bench.root.find("cpu0.vmx.exits.cpuid")->value()); };
    const u64 before = exits();
    for (auto _ : state) {
        bench.core.set_instruction_limit(bench.core.instructions() + instructions);
        while (bench.core.execute(bench.core.cycles() + 100'000'000) == cpu::Stop::budget) {}
    }
    const u64 done = exits() - before;
    if (done * instructions_per_round * 2 < static_cast<u64>(state.iterations()) * instructions) return state.SkipWithError("the guest did not exit as it should");
    state.counters["exits_per_second"] = benchmark::Counter(static_cast<double>(done), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(round_trip, functional, cpu::Mode::functional)->Name("vm_exits/cpuid/functional")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(round_trip, warm, cpu::Mode::warm)->Name("vm_exits/cpuid/warm")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(round_trip, timing, cpu::Mode::timing)->Name("vm_exits/cpuid/timing")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace vtsim
