// SPDX-License-Identifier: Apache-2.0
#include "processors.h"

#include <cstring>

#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/local_apic.h"
#include "stop.h"

extern "C" const char start_up_begin[], start_up_end[];
extern "C" guest::u64 start_up_stack;
extern "C" guest::u32 start_up_number;
// What start_up.S reads: one processor is started at a time.
guest::u64 start_up_stack;
guest::u32 start_up_number;

namespace guest {
namespace {

constexpr u64 start_up_page = 0x8000, stack_bytes = 64 * kib;
constexpr u64 patience = 50'000'000;  // TSC cycles: some 20 ms

void* descriptors;
void (*main_of_processors)(unsigned);
bool arrived, all_arrived;

}  // namespace

extern "C" void started(unsigned number) {
    load_descriptors(descriptors);
    load_interrupts();
    __atomic_store_n(&arrived, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&all_arrived, __ATOMIC_ACQUIRE)) pause();
    main_of_processors(number);
}

void start_processors(MemoryPool& pool, unsigned count, void (*main)(unsigned)) {
    if (count == 1) return;
    if (!has_local_apic()) stop("cores=", count, ": the processor has no local APIC to start others with");
    use_local_apic_as_it_is();
    memcpy(reinterpret_cast<void*>(start_up_page), start_up_begin, u64(start_up_end - start_up_begin));
    main_of_processors = main;
    for (unsigned number = 1; number < count; ++number) {
        descriptors = pool.take(descriptor_bytes, 64);
        start_up_stack = reinterpret_cast<u64>(pool.take(stack_bytes, 64)) + stack_bytes;
        start_up_number = number;
        __atomic_store_n(&arrived, false, __ATOMIC_RELEASE);
        send_start_up(number, start_up_page / 4096);
        for (const u64 start = rdtsc_ordered(); !__atomic_load_n(&arrived, __ATOMIC_ACQUIRE); pause())
            if (rdtsc_ordered() - start > patience) stop("cores=", count, ": processor ", number, " does not answer; has the machine so many?");
    }
    __atomic_store_n(&all_arrived, true, __ATOMIC_RELEASE);
}

}  // namespace guest
