// SPDX-License-Identifier: Apache-2.0
#include "memory/frames.h"

namespace guest {
namespace {

constexpr u64 frame_words = frame_bytes / 8;

void copy_frame(u64 to, u64 from) {
    u64 words = frame_words;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

}  // namespace

void clear_frame(u64 frame) {
    u64 words = frame_words;
    asm volatile("rep stosq" : "+D"(frame), "+c"(words) : "a"(0) : "memory");
}

Frames::Frames(MemoryPool& pool) : pool_(pool), table_(static_cast<Frame*>(pool.take(pool.end() / frame_bytes * sizeof(Frame)))) {}

// Last in, first out, as the lists of a processor in Linux are: the frame may still be in the caches.
u64 Frames::take() {
    u64 frame = u64{free_} * frame_bytes;
    if (frame) free_ = at(frame).next;
    else frame = reinterpret_cast<u64>(pool_.take(frame_bytes));
    Frame& state = at(frame);
    state.references = 1;
    state.entries = 0;
    ++in_use_;
    return frame;
}

u64 Frames::take_zeroed() {
    const u64 frame = take();
    clear_frame(frame);
    return frame;
}

u64 Frames::take_copy(u64 frame) {
    const u64 copy = take();
    copy_frame(copy, frame);
    return copy;
}

void Frames::adopt(u64 frame) { at(frame).references = 1; }

void Frames::release(u64 frame) {
    Frame& state = at(frame);
    if (--state.references) return;
    --in_use_;
    state.next = released_;
    if (!released_) last_released_ = u32(frame / frame_bytes);
    released_ = u32(frame / frame_bytes);
}

void Frames::reclaim() {
    if (!released_) return;
    table_[last_released_].next = free_;
    free_ = released_;
    released_ = 0;
}

}  // namespace guest
