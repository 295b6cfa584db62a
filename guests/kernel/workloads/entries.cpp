// SPDX-License-Identifier: Apache-2.0
// syscall, interrupt: the ways from ring 3 into the kernel and back.
#include "common/interrupts.h"
#include "common/print.h"
#include "common/local_apic.h"
#include "process/process.h"
#include "process/system_calls.h"
#include "user/programs.h"
#include "workload.h"

namespace guest {
namespace {

// Programs see it read-only, as the time in the vDSO of Linux.
volatile u64* ipis;

bool use_x2apic(const Options& options) {
    const char* const wanted = options.text("apic", "x2");
    if (same_text(wanted, "x")) return false;
    if (!same_text(wanted, "x2")) refuse("apic", "x or x2");
    if (has_x2apic()) return true;
    print("interrupt: the processor has no x2APIC, as apic=x\n");
    return false;
}

}  // namespace

Outcome run_syscall(Context& context) {
    const u64 count = context.options.number("count", 100'000);
    Frames frames{context.memory};
    Process::initialize();
    u64 sum, cycles;
    {
        Process process{frames, context.space};
        const Region region;
        sum = process.run(user::call_often, count);
        cycles = region.end();
        Process::leave(context.space);
    }
    return {.checksum = mix(mix(0, sum), count), .cycles = cycles, .count = count, .unit = "call", .passed = sum == count * (count + 1) / 2 && frames.in_use() == 0};
}

Outcome run_interrupt(Context& context) {
    const u64 count = context.options.number("count", 20'000);
    if (!has_local_apic()) refuse("workload=interrupt", "a processor with a local APIC");
    enable_local_apic(use_x2apic(context.options));
    Frames frames{context.memory};
    Process::initialize();
    const u64 frame = frames.take_zeroed();
    ipis = reinterpret_cast<volatile u64*>(frame);
    handle_interrupt(software_vector, [](InterruptFrame& f) { f.rax = f.rax * 3 + 1; });
    handle_interrupt(self_ipi_vector, [](InterruptFrame&) {
        *ipis = *ipis + 1;
        end_of_interrupt();
    });
    u64 sum, cycles;
    {
        const File counter{&frame, 1};
        Process process{frames, context.space, {&counter, 1}};
        process.map_file(Process::shared, 0);
        const Region region;
        sum = process.run(user::interrupt_often, count, Process::shared);
        cycles = region.end();
        Process::leave(context.space);
    }
    const bool all_came = *ipis == count / 2;
    frames.release(frame);
    return {.checksum = mix(mix(0, sum), count), .cycles = cycles, .count = count, .unit = "interrupt", .passed = all_came && frames.in_use() == 0};
}

}  // namespace guest
