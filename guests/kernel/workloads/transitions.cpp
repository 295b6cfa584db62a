// SPDX-License-Identifier: Apache-2.0
// cpuid, vmcall: instructions that leave VMX non-root operation.
#include "common/print.h"
#include "vmm/hypercall.h"
#include "workload.h"

namespace guest {
namespace {

// Another hypervisor (or an emulator's own leaf) does not answer our VMCALL: ask by signature.
bool under_our_vmm() {
    const CpuidResult leaf = cpuid(hypervisor_leaf);
    return cpuid_1_ecx(31) && leaf.ebx == hypervisor_signature[0] && leaf.ecx == hypervisor_signature[1] && leaf.edx == hypervisor_signature[2];
}

u64 vmcall(u64 function) {
    asm volatile("vmcall" : "+a"(function)::"memory");
    return function;
}

}  // namespace

Outcome run_cpuid(Context& context) {
    const u64 count = context.options.number("count", 10'000);
    const u32 first = cpuid(0).ebx;
    u64 differences = 0;
    const Region region;
    for (u64 i = 0; i < count; ++i) differences += cpuid(0).ebx != first;
    return {.checksum = mix(differences, count), .cycles = region.end(), .count = count, .passed = differences == 0};
}

Outcome run_vmcall(Context& context) {
    const u64 count = context.options.number("count", 10'000);
    const bool guest = under_our_vmm();
    if (!guest) print("vmcall: no VMM of ours below, CPUID instead\n");
    u64 empty = ~u64{0};  // what the time stamps take by themselves
    for (unsigned i = 0; i < 16; ++i) {
        const u64 start = rdtsc_ordered();
        const u64 cycles = rdtsc_ordered() - start;
        if (cycles < empty) empty = cycles;
    }
    u64 total = 0, minimum = ~u64{0}, wrong = 0, previous = guest ? vmcall(hypercall_nop) : 0;
    vtsim_magic_roi_begin();
    for (u64 i = 0; i < count; ++i) {
        const u64 start = rdtsc_ordered();
        const u64 answer = guest ? vmcall(hypercall_nop) : (cpuid(0), previous + 1);
        const u64 cycles = rdtsc_ordered() - start;
        total += cycles;
        if (cycles < minimum) minimum = cycles;
        wrong += answer != previous + 1;  // the VMM counts the calls
        previous = answer;
    }
    vtsim_magic_roi_end();
    print("cycles: min=", minimum, " empty=", empty, "\n");
    return {.checksum = mix(wrong, count), .cycles = total, .count = count, .unit = "call", .passed = wrong == 0};
}

}  // namespace guest
