// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as code, in every mode of the processor, must neither crash the simulator nor hang it, nor make a sanitizer speak.
//     cmake --preset fuzz && cmake --build --preset fuzz && build/fuzz/tests/fuzz/fuzz_instructions -max_total_time=60
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/core_bench.h"

namespace {

using vtsim::test::CodeMode;
using vtsim::test::CoreBench;

// The input begins with what chooses mode, privilege and state; the rest is code.
struct Choice {
    std::uint8_t mode, privilege, engine, flags;
    std::array<std::uint64_t, 8> registers;
};

constexpr std::size_t longest_code = 256;
constexpr std::uint64_t instruction_limit = 500;
constexpr int activations = 64;

void fail(const char* what) {
    std::fprintf(stderr, "fuzz_instructions: %s\n", what);
    std::abort();
}

void prepare(CoreBench& bench, const Choice& choice) {
    namespace flag = vtsim::arch::rflags;
    auto& s = bench.s();
    s.cr0 |= vtsim::arch::cr0::ne;
    s.cr4 |= vtsim::arch::cr4::osfxsr | vtsim::arch::cr4::osxmmexcpt | vtsim::arch::cr4::osxsave | vtsim::arch::cr4::fsgsbase;
    s.xcr0 = 7;
    s.mxcsr = static_cast<std::uint32_t>(choice.registers[vtsim::arch::rsp] & 0xffff);       // RSP stays as it is
    bench.core.set_mode(choice.engine % 3 == 0 ? vtsim::cpu::Mode::functional : choice.engine % 3 == 1 ? vtsim::cpu::Mode::warm : vtsim::cpu::Mode::timing);
    if ((choice.mode & 3) != 0 && (choice.privilege & 1) != 0) bench.set_cpl(3);
    for (std::size_t i = 0; i < choice.registers.size(); ++i)
        if (i != vtsim::arch::rsp) s.gpr[i] = (choice.registers[i] & 0xff) < 0x80 ? CoreBench::data + (choice.registers[i] >> 8 & 0xfff) : choice.registers[i];
    s.write_rflags(flag::one | (choice.flags & (flag::cf | flag::zf | flag::sf)) | ((choice.flags & 2) != 0 ? flag::df : 0) | ((choice.flags & 8) != 0 ? flag::tf : 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choice choice{};
    if (size < sizeof choice + 1) return 0;
    std::memcpy(&choice, data, sizeof choice);
    const std::size_t code = std::min(size - sizeof choice, longest_code);
    CoreBench bench{static_cast<CodeMode>(choice.mode & 3), vtsim::test::every_feature_params()};
    prepare(bench, choice);
    bench.memory.write_block(vtsim::PhysicalAddress{CoreBench::code}, data + sizeof choice, code);
    bench.s().rip = bench.s().protected_mode() ? CoreBench::code : 0;
    bench.core.state_changed();
    bench.core.set_instruction_limit(instruction_limit);
    const auto limit = bench.core.cycles() + 1'000'000;
    for (int i = 0; i < activations && !bench.core.halted; ++i) {
        bench.core.begin_activation(true);
        const auto stop = bench.core.execute(limit);
        if (stop != vtsim::cpu::Stop::resync && stop != vtsim::cpu::Stop::budget) break;
    }
    if (bench.s().gpr[vtsim::arch::State::zero_register] != 0) fail("an instruction wrote to the register that stands for none");
    return 0;
}
