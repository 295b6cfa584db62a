// SPDX-License-Identifier: Apache-2.0
// How many guest instructions a host second executes, in each mode: small loops without paging, which show the engine alone.
#include <benchmark/benchmark.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <vector>

#include "unit/platform/image_builder.h"

namespace vtsim {
namespace {

using Code = std::vector<std::uint8_t>;

// 32-bit code; each ends in a jump to its beginning.
const Code compute{
    0x01, 0xd8,                     // add eax, ebx
    0x31, 0xc1,                     // xor ecx, eax
    0xc1, 0xc1, 0x05,               // rol ecx, 5
    0x8d, 0x5c, 0x0b, 0x11,         // lea ebx, [ebx + ecx + 17]
    0x0f, 0xaf, 0xd3,               // imul edx, ebx
    0x4e,                           // dec esi
    0x75, 0xef,                     // jnz the add
    0xeb, 0xed,                     // jmp the add
};
const Code branches{
    0x69, 0xc0, 0x6d, 0x4e, 0xc6, 0x41,     // imul eax, eax, 1103515245
    0x05, 0x39, 0x30, 0x00, 0x00,           // add eax, 12345
    0xa9, 0x00, 0x00, 0x01, 0x00,           // test eax, 0x10000
    0x74, 0x03,                             // jz over the next two
    0x43,                                   // inc ebx
    0x31, 0xd9,                             // xor ecx, ebx
    0xa9, 0x00, 0x00, 0x02, 0x00,           // test eax, 0x20000
    0x75, 0xe4,                             // jnz the imul
    0x41,                                   // inc ecx
    0xeb, 0xe1,                             // jmp the imul
};
// From 2 MiB to 3 MiB in 4-byte steps, without end.
const Code copy{
    0x81, 0xe6, 0xfc, 0xff, 0x0f, 0x00,     // and esi, 0xffffc
    0x8b, 0x86, 0x00, 0x00, 0x20, 0x00,     // mov eax, [esi + 0x200000]
    0x89, 0x86, 0x00, 0x00, 0x30, 0x00,     // mov [esi + 0x300000], eax
    0x83, 0xc6, 0x04,                       // add esi, 4
    0xeb, 0xe9,                             // jmp the and
};

// Each iteration continues one machine: decoding is paid once, as in a long run.
void run_loop(benchmark::State& state, const Code& code, const char* mode) {
    constexpr std::uint64_t instructions = 10'000'000;
    Config config;
    config.set("machine.mode", mode);
    config.set("memory.size", "16M");
    Machine machine(config);
    const platform::test::TemporaryFile image(platform::test::elf32({.memory_bytes = 0x4000, .entry = 0x10000c, .contents = code}));
    machine.load({.path = image.path(), .command_line = {}, .initrd = {}, .modules = {}});
    for (auto _ : state)
        if (machine.run({.instructions = instructions}).reason != StopReason::limit) return state.SkipWithError("the guest ended");
    state.counters["guest_mips"] = benchmark::Counter(static_cast<double>(state.iterations()) * instructions / 1e6, benchmark::Counter::kIsRate);
}

const bool registered = [] {
    for (const auto& [name, code] : {std::pair{"compute", &compute}, {"branches", &branches}, {"copy", &copy}})
        for (const char* mode : {"functional", "warm", "timing"})
            benchmark::RegisterBenchmark((std::string("engine/") + name + '/' + mode).c_str(), run_loop, *code, mode)->Unit(benchmark::kMillisecond)->UseRealTime();
    return true;
}();

}  // namespace
}  // namespace vtsim
