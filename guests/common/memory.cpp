// SPDX-License-Identifier: Apache-2.0
#include "common/memory.h"

#include <algorithm>

#include "common/print.h"
#include "common/serial.h"

extern "C" char image_end[];

// GCC emits calls to these in freestanding code too.
extern "C" void* memcpy(void* to, const void* from, std::size_t bytes) {
    void* const result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
    return result;
}

extern "C" void* memset(void* to, int value, std::size_t bytes) {
    void* const result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
    return result;
}

namespace guest {

void* MemoryPool::take(u64 bytes, u64 alignment) {
    const Locked locked{lock_};
    const u64 at = align_up(next_, alignment);
    if (at + bytes > end_ || at + bytes < at) {
        print("not enough memory: ", bytes / kib, " KiB wanted at ", hex(at), ", memory ends at ", hex(end_), "\n");
        exit_machine(1);
    }
    next_ = at + bytes;
    return reinterpret_cast<void*>(at);
}

u64 MemoryPool::take_from_top(u64 bytes, u64 alignment) {
    const Locked locked{lock_};
    if (bytes > end_ - next_) return 0;
    const u64 at = (end_ - bytes) & ~(alignment - 1);
    if (at < next_) return 0;
    return end_ = at;
}

u64 MemoryPool::take_zeroed_page() {
    void* const page = take(4096);
    memset(page, 0, 4096);
    return reinterpret_cast<u64>(page);
}

u64 end_of_memory(const MultibootInfo& info) {
    if (!(info.flags & multiboot_memory)) {
        print("the boot loader gives no memory size\n");
        exit_machine(1);
    }
    return std::min(1 * mib + info.mem_upper * kib, 3 * gib);
}

u64 end_of_loaded_data(const MultibootInfo& info) {
    u64 end = reinterpret_cast<u64>(image_end);
    if (info.flags & multiboot_modules) {
        const auto* modules = reinterpret_cast<const MultibootModule*>(u64{info.modules});
        for (u32 i = 0; i < info.module_count; ++i) end = std::max(end, u64{modules[i].end});
    }
    return align_up(end, 4096);
}

}  // namespace guest
