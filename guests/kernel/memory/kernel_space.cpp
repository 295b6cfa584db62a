// SPDX-License-Identifier: Apache-2.0
#include "memory/kernel_space.h"

namespace guest {
namespace {

constexpr u64 devices = 0xfe000000, devices_end = 0x100000000;

}  // namespace

KernelSpace::KernelSpace(MemoryPool& pool, int level, u64 memory_bytes) : tables_(linear_format, pool) {
    tables_.map_range(0, 0, align_up(memory_bytes, page_bytes(level)), page_write | page_global, level);
    tables_.map_range(devices, devices, devices_end - devices, page_write | page_uncached | page_global, 2);
}

void KernelSpace::enable() const {
    if (no_execute()) write_msr(msr_efer, read_msr(msr_efer) | efer_nxe);
    // G is reserved neither with nor without CR4.PGE; without, every load of CR3 flushes the kernel too.
    if (cpuid_1_edx(13)) write_cr4(read_cr4() | cr4_pge);
    load();
}

void KernelSpace::map_page(u64 linear, u64 physical, u64 bits) {
    tables_.map(linear, physical, bits);
    invlpg(linear);
}

bool KernelSpace::supports(int level) { return level < 3 || cpuid_extended_edx(26); }

bool KernelSpace::no_execute() { return cpuid_extended_edx(20); }

}  // namespace guest
