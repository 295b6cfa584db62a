// SPDX-License-Identifier: Apache-2.0
// Prints the figures of guests in every mode, alone and under the VMM. Builds that dispatch by tail calls and builds that dispatch in a loop print the same.
#include <fmt/format.h>

#include <sstream>

#include "support/guest_run.h"

int main() {
    using namespace vtsim;
    constexpr std::pair<Mode, const char*> modes[] = {{Mode::functional, "functional"}, {Mode::warm, "warm"}, {Mode::timing, "timing"}};
    for (const std::string workload : {"compute iters=500", "branchy iters=500", "copyalias size=4096 iters=3", "random mb=1 count=500 pages=4k", "cpuid count=20", "vmcall count=20",
                                       "footprint blocks=100 iters=3", "selftest", "churn set=34 batch=34 iters=1", "switch spaces=2 touch=3 iters=9 pcid=on", "fork set=5 children=1 dirty=3", "build jobs=1 heap=3 files=1",
                                       "interrupt count=21"}) {
        for (const auto& [mode, mode_name] : modes) {
            for (const bool hosted : {false, true}) {
                test::GuestRun run{.workload = "workload=" + workload, .vmm = std::nullopt, .settings = {}, .mode = mode, .elf32 = false};
                if (hosted) run.vmm = "ept=4k vpid=on";
                const auto result = test::run_guest(run);
                const auto where = fmt::format("{}, {}, {}: ", workload, mode_name, hosted ? "under the VMM" : "alone");
                fmt::print("{}status {}\n", where, result.end.status);
                std::istringstream lines{test::as_text(result.figures)};
                for (std::string line; std::getline(lines, line);) fmt::print("{}{}\n", where, line);
            }
        }
    }
}
