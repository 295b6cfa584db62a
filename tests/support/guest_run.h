// SPDX-License-Identifier: Apache-2.0
// Runs the programs of guests/ in this process.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>
#include <vtsim/machine.h>

namespace vtsim::test {

struct GuestRun {
    std::string workload;                                            // the kernel's command line
    std::optional<std::string> vmm;                                  // the VMM's; without it the kernel runs alone
    std::vector<std::pair<std::string, std::string>> settings;       // of the machine, on top of the preset
    Mode mode = Mode::functional;
    bool elf32 = false;                                              // the ELF32 containers of both images
    std::string preset = "broadwell";
    std::string program{};                                           // the file of a program that runs instead of the kernel and gets `workload` as its command line
};

struct GuestResult {
    RunResult end;
    std::string serial;
    Statistics figures;                    // of all of the run
    Statistics region;                     // of what the kernel marked; empty when it marked nothing

    [[nodiscard]] bool succeeded() const { return end.reason == StopReason::guest_exit && end.status == 1; }
    // The number after `key` and "=", decimal or 0x...: "checksum", "cycles: total". 0 when it is not there.
    [[nodiscard]] std::uint64_t printed(const std::string& key) const;
};

// `at_end` is called when the run has ended, before the machine goes.
// `others`: the command lines of further kernels, each a guest of the same VMM.
GuestResult run_guest(const GuestRun& run, const std::function<void(const Machine&)>& at_end = {}, const std::vector<std::string>& others = {});

// A line a figure, to compare runs by: all but host.* and cpuN.blocks.*, which say how the engine worked and nothing about the machine.
std::string as_text(const Statistics& figures);

}  // namespace vtsim::test
