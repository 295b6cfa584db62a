// SPDX-License-Identifier: Apache-2.0
// The kernel: multiboot image, one workload, exit status. See README.md for the keys.
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/print.h"
#include "common/serial.h"
#include "workload.h"

namespace guest {
namespace {

constexpr const char* common_keys = "workload pages";
constexpr Workload workloads[] = {
    {"compute", run_compute, "iters"},
    {"branchy", run_branchy, "iters"},
    {"vector", run_vector, "iters bits"},
    {"copy", run_copy, "size iters"},
    {"copyalias", run_copyalias, "size iters"},
    {"random", run_random, "mb count"},
    {"gups", run_gups, "mb count"},
    {"stream", run_stream, "mb iters"},
    {"chase", run_chase, "bytes stride count"},
    {"churn", run_churn, "set batch iters"},
    {"switch", run_switch, "spaces touch iters pcid"},
    {"fork", run_fork, "set children dirty"},
    {"build", run_build, "jobs heap files"},
    {"syscall", run_syscall, "count"},
    {"interrupt", run_interrupt, "count apic"},
    {"cpuid", run_cpuid, "count"},
    {"vmcall", run_vmcall, "count"},
    {"footprint", run_footprint, "blocks iters"},
    {"selftest", run_selftest, "apic"},
    {"dma", run_dma},
};

const Workload* find_workload(const char* name) {
    for (const Workload& workload : workloads)
        if (same_text(workload.name, name)) return &workload;
    return nullptr;
}

template <class... Items>
[[noreturn]] void stop(const Items&... message) {
    print("kernel: ", message..., "\n");
    exit_machine(1);
}

[[noreturn]] void stop_without(const char* name) {
    print("kernel: there is no workload '", name, "', only");
    for (const Workload& workload : workloads) print(" ", workload.name);
    print("\n");
    exit_machine(1);
}

// workload=NAME, or NAME alone.
const Workload& choose_workload(const Options& options) {
    const char* const word = options.bare_word(0);
    if (const char* const second = options.bare_word(1)) stop("'", second, "' is one word too many");
    if (word && options.has("workload")) stop("'", word, "' has no '=': only workload=", options.text("workload", ""), " or a name alone says what to run");
    const char* const name = word ? word : options.text("workload", "selftest");
    const Workload* const workload = find_workload(name);
    if (!workload) stop_without(name);
    if (const char* const unknown = options.unknown(workload->keys, common_keys)) stop("'", unknown, "': ", name, " has no such key, only: ", common_keys, *workload->keys ? " " : "", workload->keys);
    return *workload;
}

void report(const Workload& workload, const Outcome& outcome) {
    print(workload.name, " checksum=", hex(outcome.checksum, 16), "\n");
    if (!outcome.count) return;
    print("cycles: total=", outcome.cycles, " ", outcome.unit, "s=", outcome.count, " per_", outcome.unit, "_x1000=", outcome.cycles * 1000 / outcome.count, "\n");
}

}  // namespace

void refuse(const char* key, const char* expected) { stop(key, ": ", expected, " expected"); }

extern "C" [[noreturn]] void guest_main(u32 magic, const MultibootInfo* info) {
    initialize_serial();
    if (magic != multiboot_loader_magic) stop("not started by a multiboot loader");
    static const Options options{info->flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info->command_line}) : ""};
    const Workload& workload = choose_workload(options);
    static MemoryPool memory{end_of_loaded_data(*info), end_of_memory(*info)};

    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();

    const char* const pages = options.text("pages", "2m");
    const int level = leaf_level(pages);
    if (!level) stop("pages=4k, 2m or 1g expected, not ", pages);
    if (!KernelSpace::supports(level)) stop("the processor has no pages of ", pages);
    static KernelSpace space{memory, level, memory.end()};
    space.enable();

    Context context{options, memory, space};
    const Outcome outcome = workload.run(context);
    report(workload, outcome);
    exit_machine(outcome.passed ? 0 : 1);
}

}  // namespace guest
