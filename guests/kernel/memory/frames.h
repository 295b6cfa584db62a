// SPDX-License-Identifier: Apache-2.0
// Page frames with reference counts. A frame that nobody refers to any more is released, but taken again only after reclaim(): in
// between the caller flushes the TLB, or a stale translation would reach the next owner's data.
#pragma once
#include "common/memory.h"
#include "common/types.h"

namespace guest {

constexpr u64 frame_bytes = 4096;

class Frames {
public:
    explicit Frames(MemoryPool& pool);

    u64 take();                        // the physical address of a frame with one reference; its content is undefined
    u64 take_zeroed();
    u64 take_copy(u64 frame);
    void adopt(u64 frame);             // memory that is not of the pool gets a reference of the kernel's, which it keeps
    void share(u64 frame) { ++at(frame).references; }
    void release(u64 frame);           // one reference less
    void reclaim();                    // what was released may be taken again
    bool shared(u64 frame) const { return at(frame).references > 1; }
    u64 in_use() const { return in_use_; }  // frames taken and not released

    // How many entries of a paging structure are in use; its owner counts.
    u32& entries(u64 table) { return at(table).entries; }

private:
    struct Frame {
        u32 references;
        union {
            u32 entries;  // of a paging structure
            u32 next;     // frame number in the list it waits in; 0 ends the list
        };
    };

    Frame& at(u64 frame) const { return table_[frame / frame_bytes]; }

    MemoryPool& pool_;
    Frame* table_;  // by frame number; what was never taken is not initialized
    u32 free_ = 0, released_ = 0, last_released_ = 0;
    u64 in_use_ = 0;
};

void clear_frame(u64 frame);

}  // namespace guest
