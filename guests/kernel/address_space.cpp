// SPDX-License-Identifier: Apache-2.0
#include "address_space.h"

#include "common/cpu.h"

namespace guest {
namespace {

constexpr u64 devices = 0xfe000000, devices_end = 0x100000000;

}  // namespace

AddressSpace::AddressSpace(MemoryPool& pool, int level, u64 memory_bytes) : tables_(linear_format, pool) {
    tables_.map_range(0, 0, align_up(memory_bytes, page_bytes(level)), page_write, level);
    tables_.map_range(devices, devices, devices_end - devices, page_write | page_uncached, 2);
}

void AddressSpace::load() const {
    if (no_execute()) write_msr(msr_efer, read_msr(msr_efer) | efer_nxe);
    write_cr3(tables_.root());
}

void AddressSpace::map_page(u64 linear, u64 physical, u64 bits) {
    tables_.map(linear, physical, bits);
    invlpg(linear);
}

bool AddressSpace::supports(int level) { return level < 3 || cpuid_extended_edx(26); }

bool AddressSpace::no_execute() { return cpuid_extended_edx(20); }

}  // namespace guest
