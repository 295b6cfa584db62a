// SPDX-License-Identifier: Apache-2.0
#include "common/paging.h"

#include "common/options.h"

namespace guest {
namespace {

constexpr u64 address_mask = 0x000f'ffff'ffff'f000;

}  // namespace

int leaf_level(const char* name) { return same_text(name, "4k") ? 1 : same_text(name, "2m") ? 2 : same_text(name, "1g") ? 3 : 0; }

u64* PageTables::entry(u64 address, int level) {
    u64 table = root_;
    for (int at = levels_;; --at) {
        u64* const slot = reinterpret_cast<u64*>(table) + (address >> (12 + 9 * (at - 1)) & 511);
        if (at == level) return slot;
        if (!*slot) {
            *slot = pool_.take_zeroed_page() | format_.table;
            ++tables_;
        }
        table = *slot & address_mask;
    }
}

void PageTables::map_range(u64 address, u64 physical, u64 bytes, u64 bits, int level) {
    const u64 step = page_bytes(level);
    for (u64 done = 0; done < bytes; done += step) map(address + done, physical + done, bits, level);
}

}  // namespace guest
