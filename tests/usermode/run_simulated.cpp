// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>

#include "usermode/loader.h"
#include "usermode/processor.h"
#include "usermode/run.h"
#include "usermode/system_calls.h"

namespace vtsim::usermode {
namespace {

// What stopped the program before its end; empty: it ended.
std::string run_to_end(Processor& processor, SystemCalls& calls, u64 limit) {
    while (!calls.status()) {
        switch (processor.run(limit)) {
            case Processor::Event::system_call: calls.handle(); break;
            case Processor::Event::exception: return processor.describe_exception();
            case Processor::Event::limit: return fmt::format("no end within {} instructions", limit);
        }
    }
    return {};
}

}  // namespace

SimulatedResult run_simulated(const Command& command, cpu::Mode mode, u64 instruction_limit) {
    Processor processor{mode};
    const auto program = load_program(processor.space(), command.arguments.at(0));
    SystemCalls calls{processor.space(), processor.state(), program, command.input};
    processor.start(program.entry, build_stack(processor.space(), program, command.arguments, command.environment, processor.hardware_capabilities()));

    const auto begin = std::chrono::steady_clock::now();
    SimulatedResult result;
    result.problem = run_to_end(processor, calls, instruction_limit);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    for (const u64 number : calls.missing()) result.problem += fmt::format("{}system call {} is missing", result.problem.empty() ? "" : "; ", number);
    result.status = calls.status().value_or(-1);
    result.output = calls.output();
    result.instructions = processor.instructions();
    result.cycles = processor.cycles();
    return result;
}

}  // namespace vtsim::usermode
