// SPDX-License-Identifier: Apache-2.0
// What is compared, and one measurement of it.
#pragma once

#include <vtsim/stats.h>

#include <cstdint>
#include <span>
#include <string>

namespace vtsim::comparison {

// How the kernel runs.
struct Setup {
    const char* name;           // for people: "EPT 4 KiB, no VPID"
    const char* key;            // for filters: "ept_4k_no_vpid"
    const char* vmm;            // the VMM's command line (guests/README.md); nullptr: no VMM
};
std::span<const Setup> setups();                        // the first one is native
const Setup& native();
// Shadow paging with one of its means turned off (guests/README.md, "Shadow paging").
std::span<const Setup> shadow_variants();

struct Workload {
    const char* key;            // for filters: "gups_4k"
    const char* command_line;   // the kernel's (guests/README.md)
    const char* quick;          // the same, smaller; nullptr: not in the quick selection
    const char* about;          // what it does, in a few words
};
std::span<const Workload> workloads();

// What happened in the region of interest that the kernel marks: timing mode there, caches and TLBs warm from what came before. Cycles and events of the first processor.
struct Measurement {
    std::string checksum;
    std::string operation;                  // what the kernel counts ("page", "visit"), and how many
    std::uint64_t operations = 0;
    std::uint64_t table_kib = 0;            // of EPT or shadow tables, at most; 0 natively
    std::uint64_t cycles = 0, instructions = 0, exits = 0, stlb_misses = 0;
    std::uint64_t walks = 0, references = 0;                                    // of page walks in all dimensions
    std::uint64_t issue = 0, branch = 0, caches = 0, translation = 0, transitions = 0, interrupts = 0;    // the cycle stack: their sum is `cycles`
    double seconds = 0;                     // simulated: cycles / core.frequency_hz
    std::uint64_t handlers = 0;             // cycles in the VMM between exits and entries: a part of issue, branch, caches and translation
    Statistics figures;                     // all of the region

    [[nodiscard]] double per_operation(std::uint64_t amount) const;             // 0 when nothing was counted
    // "exception_or_nmi 1.87, invlpg 1.00": the reasons that come at least once in a hundred operations, most frequent first.
    [[nodiscard]] std::string exits_by_reason() const;
};

// Runs a machine of that preset (vtsim config --presets). Throws InputError with the serial output when the kernel fails.
Measurement measure(const std::string& command_line, const Setup& setup, const std::string& preset = "broadwell");

// `guests` guests that all run the workload, in turns of `slice` cycles on one processor; all of the run, in timing mode, from the VMM's first instruction to its last.
Measurement measure_together(const std::string& command_line, const Setup& setup, unsigned guests, unsigned slice, const std::string& preset = "broadwell");

}  // namespace vtsim::comparison
