// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/micro_op.h"

namespace vtsim::timing {
class BlockTiming;
}

namespace vtsim::cpu {

// A run of instructions inside one page that is entered at the top only. Blocks live in the arena of the block cache until that is emptied
// as a whole; a killed block keeps its place and gets another generation, so that links to it miss.
struct alignas(32) Block {
    u64 key;                        // physical address of the first byte | mode bits << 48
    u32 generation;                 // even while alive; links remember it
    u16 count;                      // instructions
    u16 bytes;
    u64 frame;                      // physical address of its page
    u64 second_frame;               // page of the last byte of an instruction that crosses the page end, else no_frame
    u16 offset;                     // page offset of the first instruction
    u16 op_count;
    u16 lines;                      // of code
    const timing::BlockTiming* timing;   // timing mode only

    static constexpr u64 no_frame = ~u64{0};
    [[nodiscard]] bool crosses_page() const { return second_frame != no_frame; }
    // They follow the block in memory: who starts a block need not load where they are.
    [[nodiscard]] MicroOp* ops() { return reinterpret_cast<MicroOp*>(this + 1); }
    [[nodiscard]] const MicroOp* ops() const { return reinterpret_cast<const MicroOp*>(this + 1); }
};

// Where control goes after a block: stands in the slots after the terminal micro-op. Valid while the block has that generation, which stands in the first
// of two fields if the successor is in the same page, and in the second if the page's translation must be looked at as well.
struct Link {
    static constexpr u32 no_generation = 0;      // of no block
    Block* block;
    u32 generation;
    u32 generation_elsewhere;
    u64 target;                     // of the successor: offset from the page of this block, wraps at 64 bits
    u64 pad1;
};
static_assert(sizeof(Link) == sizeof(MicroOp));

inline Link& link_after(const MicroOp& terminal, unsigned which) {
    return *const_cast<Link*>(reinterpret_cast<const Link*>(&terminal + 1 + which));   // a link is the one mutable thing in a block
}

// Warm and timing mode: the line of data that a micro-op used last, and where it sits in the first-level data TLB and cache. Its address, its TLB way and its
// cache slot are each compared before it counts, so that no eviction, flush, snoop or change of context can be forgotten.
struct LineMemo {
    u64 line;                       // linear address of its first byte
    u64 addend;                     // host address less linear address
    u64 check;                      // serial number of the TLB way | Core::line_context
    u32 key;                        // timing::CacheLevel::key
    u16 way;
    u16 slot;
};
static_assert(sizeof(LineMemo) == sizeof(MicroOp));

// Blocks lie in the first halves of pieces of memory, the memos of their micro-ops at the same places in the second halves.
inline constexpr std::size_t arena_bytes = 1 * MiB;

[[nodiscard]] inline LineMemo& memo_of(const MicroOp& op) {
    return *reinterpret_cast<LineMemo*>(reinterpret_cast<std::byte*>(const_cast<MicroOp*>(&op)) + arena_bytes);     // NOLINT: mutable like a link
}

}  // namespace vtsim::cpu
