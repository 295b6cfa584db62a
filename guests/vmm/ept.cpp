// SPDX-License-Identifier: Apache-2.0
#include "ept.h"

#include "capabilities.h"
#include "stop.h"
#include "vmx.h"

namespace guest {
namespace {

// SDM vol. 3, "EPT Translation Mechanism": bits 2:0 are read, write and execute; the memory type of a leaf is in bits 5:3.
constexpr u64 all_rights = 7, write_back = 6 << 3, uncached = 0 << 3;
constexpr TableFormat ept_format{all_rights, all_rights};
// SDM vol. 3, "Extended-Page-Table Pointer (EPTP)".
constexpr u64 eptp_write_back = 6, eptp_levels_4 = 3 << 3, eptp_accessed_dirty = 1 << 6;

}  // namespace

Ept::Ept(MemoryPool& pool, const GuestMemory& memory, int level, bool accessed_dirty) : memory_(memory), tables_(ept_format, pool), level_(level) {
    const u64 has = ept_capabilities();
    if (!has) stop("the processor has no EPT");
    if (!(has & ept_levels_4) || !(has & ept_write_back)) stop("the processor has no EPT of four levels in write-back memory");
    if (level == 2 && !(has & ept_pages_2m)) stop("ept=2m: the processor has no EPT pages of 2 MiB");
    if (level == 3 && !(has & ept_pages_1g)) stop("ept=1g: the processor has no EPT pages of 1 GiB");
    if (accessed_dirty && !(has & ept_accessed_dirty)) stop("ad=on: the processor has no accessed and dirty flags for EPT");
    pointer_ = tables_.root() | eptp_write_back | eptp_levels_4 | (accessed_dirty ? eptp_accessed_dirty : 0);
}

void Ept::map_all() {
    for (u64 address = 0; address < memory_.bytes; address += page_bytes(level_)) map_at(address);
}

bool Ept::map_at(u64 address) {
    if (!memory_.contains(address)) return false;
    const u64 page = address & ~(page_bytes(level_) - 1);
    tables_.map(page, memory_.base + page, write_back, level_);
    ++leaves_;
    return true;
}

void Ept::map_device(u64 address) {
    tables_.map(address, address, uncached);
    ++leaves_;
}

void Ept::invalidate() const {
    const bool single = ept_capabilities() & invept_single;
    if (!invept(single ? Invept::single_context : Invept::global, pointer_)) stop("INVEPT failed");
}

}  // namespace guest
