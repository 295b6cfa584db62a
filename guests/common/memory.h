// SPDX-License-Identifier: Apache-2.0
// Physical memory that nobody uses yet, handed out from below, to any processor. Nothing is given back.
#pragma once
#include "common/multiboot.h"
#include "common/spin_lock.h"
#include "common/types.h"

namespace guest {

class MemoryPool {
public:
    MemoryPool(u64 begin, u64 end) : next_(begin), end_(end) {}

    void* take(u64 bytes, u64 alignment = 4096);  // ends the machine with a message when there is not enough
    u64 take_from_top(u64 bytes, u64 alignment);  // the last place that fits, so that what alignment skips stays usable; 0: none does
    u64 take_zeroed_page();
    u64 next() const { return next_; }
    u64 end() const { return end_; }

private:
    SpinLock lock_;
    u64 next_, end_;
};

u64 end_of_memory(const MultibootInfo& info);       // of the range that begins at 1 MiB, at most 3 GiB: above are devices
u64 end_of_loaded_data(const MultibootInfo& info);  // of image and modules; everything else of the loader has been read by then

}  // namespace guest
