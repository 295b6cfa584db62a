// SPDX-License-Identifier: Apache-2.0
// For people: usermode_run [--mode functional|timing] PROGRAM [ARGUMENT]... runs a statically linked program here and on vtsim's core, with /dev/null as its
// standard input, and compares. Its output goes to standard output, figures to standard error; the exit status is the program's.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "usermode/run.h"
#include "vtsim/error.h"

namespace vtsim::usermode {
namespace {

constexpr int bad_input = 2, differs = 3;

int compare(const Command& command, cpu::Mode mode) {
    const auto native = run_natively(command);
    const auto simulated = run_simulated(command, mode);
    std::fwrite(simulated.output.data(), 1, simulated.output.size(), stdout);
    if (!simulated.problem.empty()) fmt::print(stderr, "problem: {}\n", simulated.problem);
    fmt::print(stderr, "{} instructions, {} cycles in {:.3f} s, {:.1f} million instructions a second; natively {:.3f} s with the start of the process\n",
               simulated.instructions, simulated.cycles, simulated.seconds, static_cast<double>(simulated.instructions) / simulated.seconds / 1e6, native.seconds);
    if (simulated.output == native.output && simulated.status == native.status) return simulated.status;
    fmt::print(stderr, "differs from the native run: status {} instead of {}, {} bytes of output instead of {}\n", simulated.status, native.status,
               simulated.output.size(), native.output.size());
    return differs;
}

int run(std::vector<std::string> arguments) {
    auto mode = cpu::Mode::functional;
    if (arguments.size() >= 2 && arguments[0] == "--mode") {
        if (arguments[1] != "functional" && arguments[1] != "timing") throw InputError(fmt::format("--mode {}: expected functional or timing", arguments[1]));
        if (arguments[1] == "timing") mode = cpu::Mode::timing;
        arguments.erase(arguments.begin(), arguments.begin() + 2);
    }
    if (arguments.empty()) throw InputError("expected usermode_run [--mode functional|timing] PROGRAM [ARGUMENT]...");
    return compare({.arguments = arguments}, mode);
}

}  // namespace
}  // namespace vtsim::usermode

int main(int argc, char** argv) {
    try {
        return vtsim::usermode::run({argv + 1, argv + argc});
    } catch (const vtsim::InputError& error) {
        fmt::print(stderr, "usermode_run: {}\n", error.what());
        return vtsim::usermode::bad_input;
    }
}
