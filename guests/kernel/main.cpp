// SPDX-License-Identifier: Apache-2.0
// The kernel: multiboot image, one workload, exit status. See README.md for the keys.
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/print.h"
#include "common/serial.h"
#include "workload.h"

namespace guest {
namespace {

constexpr Workload workloads[] = {
    {"compute", run_compute}, {"branchy", run_branchy}, {"copy", run_copy},     {"copyalias", run_copyalias}, {"random", run_random},       {"stream", run_stream},
    {"chase", run_chase},     {"cpuid", run_cpuid},     {"vmcall", run_vmcall}, {"footprint", run_footprint}, {"selftest", run_selftest}, {"dma", run_dma},
};

const Workload* find_workload(const char* name) {
    for (const Workload& workload : workloads)
        if (same_text(workload.name, name)) return &workload;
    return nullptr;
}

[[noreturn]] void stop(const char* message, const char* detail) {
    print("kernel: ", message, " ", detail, "\n");
    exit_machine(1);
}

void report(const Workload& workload, const Outcome& outcome) {
    print(workload.name, " checksum=", hex(outcome.checksum, 16), "\n");
    if (!outcome.count) return;
    print("cycles: total=", outcome.cycles, " ", outcome.unit, "s=", outcome.count, " per_", outcome.unit, "_x1000=", outcome.cycles * 1000 / outcome.count, "\n");
}

}  // namespace

extern "C" [[noreturn]] void guest_main(u32 magic, const MultibootInfo* info) {
    initialize_serial();
    if (magic != multiboot_loader_magic) stop("not started by a multiboot loader", "");
    static const Options options{info->flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info->command_line}) : ""};
    static MemoryPool memory{end_of_loaded_data(*info), end_of_memory(*info)};

    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();

    const char* const pages = options.text("pages", "2m");
    const int level = leaf_level(pages);
    if (!level) stop("pages=4k, 2m or 1g expected, not", pages);
    if (!AddressSpace::supports(level)) stop("the processor has no pages of", pages);
    static AddressSpace space{memory, level, memory.end()};
    space.load();

    const char* const name = options.text("workload", "selftest");
    const Workload* const workload = find_workload(name);
    if (!workload) stop("unknown workload", name);
    Context context{options, memory, space};
    const Outcome outcome = workload->run(context);
    report(*workload, outcome);
    exit_machine(outcome.passed ? 0 : 1);
}

}  // namespace guest
