// SPDX-License-Identifier: Apache-2.0
// How many guest instructions a host second executes, in each mode: the kernel's workloads alone and under the VMM, and VM-exit round trips of a compiled VMM. What is timed is the
// region of interest that the kernel marks, no loading and no boot, in seconds of this thread's processor time: other programs on the host hardly matter.
#include <benchmark/benchmark.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <ctime>
#include <optional>
#include <string>

namespace vtsim {
namespace {

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Workload {
    const char* name;
    const char* arguments;
    const char* slow_arguments;      // for the modes that model structures
};

constexpr Workload workloads[] = {
    {"compute", "workload=compute iters=4000000", "workload=compute iters=2000000"},
    {"branchy", "workload=branchy iters=1000000", "workload=branchy iters=500000"},
    {"copy", "workload=copy iters=3000", "workload=copy iters=1000"},
    {"copyalias", "workload=copyalias iters=3000", "workload=copyalias iters=1000"},
    {"footprint", "workload=footprint iters=400", "workload=footprint iters=100"},       // some 50,000 different instructions in rotation
    {"tlbmiss", "workload=chase bytes=16m stride=4160 count=1000000 pages=4k", "workload=chase bytes=16m stride=4160 count=500000 pages=4k"},
    {"random", "workload=random mb=64 count=1000000 pages=4k", "workload=random mb=64 count=300000 pages=4k"},
};

struct Region {
    double seconds = 0;
    std::uint64_t instructions = 0, exits = 0;
};

// Runs a guest to its end; nothing when it failed.
std::optional<Region> run_once(const std::string& workload, const char* mode, bool hosted) {
    auto config = Config::preset("broadwell");
    config.set("machine.mode", mode);
    Machine machine(config);
    Region region;
    double begin = 0;
    Statistics before;
    machine.on_guest_request([&](GuestRequest request, std::uint64_t) {
        const double now = processor_seconds();
        if (request == GuestRequest::region_begin) {
            before = machine.statistics();
            begin = processor_seconds();
        } else if (request == GuestRequest::region_end) {
            const auto after = machine.statistics();
            region = {now - begin, after.count("sim.instructions") - before.count("sim.instructions"),
                      after.count("cpu0.vmx.exits_total") - before.count("cpu0.vmx.exits_total")};
        }
    });
    const std::string kernel = VTSIM_GUEST_DIR "/kernel64.elf", vmm = VTSIM_GUEST_DIR "/vmm.elf";
    if (hosted) machine.load({.path = vmm, .command_line = "ept=4k", .initrd = {}, .modules = {{kernel, workload}}});
    else machine.load({.path = kernel, .command_line = workload, .initrd = {}, .modules = {}});
    constexpr int guest_success = 1;
    if (machine.run().status != guest_success || region.seconds == 0) return std::nullopt;
    return region;
}

void measure(benchmark::State& state, const std::string& workload, const char* mode, bool hosted) {
    Region all;
    for (auto _ : state) {
        const auto region = run_once(workload, mode, hosted);
        if (!region) return state.SkipWithError("the guest failed");
        state.SetIterationTime(region->seconds);
        all.seconds += region->seconds;
        all.instructions += region->instructions;
        all.exits += region->exits;
    }
    state.counters["guest_mips"] = static_cast<double>(all.instructions) / all.seconds / 1e6;
    if (all.exits > all.instructions / 1000) state.counters["exits_per_second"] = static_cast<double>(all.exits) / all.seconds;
}

void add(const std::string& name, const std::string& workload, const char* mode, bool hosted) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { measure(state, workload, mode, hosted); })->Unit(benchmark::kMillisecond)->UseManualTime();
}

const bool registered = [] {
    for (const auto& workload : workloads)
        for (const char* mode : {"functional", "warm", "timing"})
            for (const bool hosted : {false, true})
                add(std::string(hosted ? "under_ept/" : "engine/") + workload.name + '/' + mode, mode == std::string_view{"functional"} ? workload.arguments : workload.slow_arguments, mode, hosted);
    for (const char* mode : {"functional", "warm", "timing"}) {
        add(std::string("vm_exits/cpuid_handler/") + mode, "workload=cpuid count=200000", mode, true);
        add(std::string("vm_exits/vmcall_handler/") + mode, "workload=vmcall count=200000", mode, true);
    }
    return true;
}();

}  // namespace
}  // namespace vtsim
