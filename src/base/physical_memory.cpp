// SPDX-License-Identifier: Apache-2.0
#include "base/physical_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "base/bits.h"
#include "base/error.h"

namespace vtsim {

PhysicalMemory::PhysicalMemory(u64 bytes)
    : size_{bytes},
      low_end_{std::min(bytes, hole_start)},
      high_end_{hole_end + (bytes - low_end_)},
      mapped_{bytes > hole_start ? high_end_ : low_end_} {
    if (bytes == 0 || bytes % page_size != 0)
        throw ConfigError("memory.size", std::to_string(bytes), "a positive multiple of 4096 bytes");
    // Reserved without swap: pages cost the host nothing until the guest touches them. Aligned so that large pages of the guest lie in large pages of the
    // host, which is asked for them: a guest that reaches for more than a few MBytes would wait for the host's page walks more than for anything else.
    reserved_ = mapped_ + host_large_page;
    void* mapping = mmap(nullptr, reserved_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) throw ConfigError("memory.size", std::to_string(bytes), "no more than the host can map");
    reservation_ = mapping;
    base_ = reinterpret_cast<u8*>(align_up(reinterpret_cast<u64>(mapping), host_large_page));
    (void)madvise(base_, mapped_, MADV_HUGEPAGE);           // a wish: hosts without them have small pages
    code_.assign(mapped_ / page_size, 0);
}

PhysicalMemory::~PhysicalMemory() { munmap(reservation_, reserved_); }

void PhysicalMemory::read_block(PhysicalAddress address, void* to, u64 bytes) const {
    if (is_ram(address, bytes)) std::memcpy(to, host(address), bytes);
    else std::memset(to, 0xff, bytes);
}

void PhysicalMemory::write_block(PhysicalAddress address, const void* from, u64 bytes) {
    if (bytes == 0 || !is_ram(address, bytes)) return;
    std::memcpy(host(address), from, bytes);
    for (u64 page = align_down(address.value(), page_size); page < address.value() + bytes; page += page_size) {
        if (code_[page / page_size] == 0) continue;
        const u64 first = std::max(page, address.value());
        const u64 last = std::min(page + page_size, address.value() + bytes);
        note_code_write(PhysicalAddress{first}, static_cast<unsigned>(last - first));
    }
}

void PhysicalMemory::mark_code(PhysicalAddress address) {
    auto& flag = code_[address.page()];
    if (flag != 0) return;
    flag = 1;
    for (auto* listener : listeners_) listener->page_becomes_code(address.page_base());
}

void PhysicalMemory::note_code_write(PhysicalAddress address, unsigned bytes) {
    for (auto* listener : listeners_) listener->code_written(address, bytes);
}

}  // namespace vtsim
