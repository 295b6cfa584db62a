// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/stats/stats.h"
#include "cpu/block_cache/block.h"

namespace vtsim::cpu {

struct BlockCacheStats : stats::Group {
    using Group::Group;
    stats::Counter decoded{*this, "decoded", stats::Unit::events, "blocks decoded"};
    stats::Counter killed{*this, "killed", stats::Unit::events, "blocks killed because their bytes were written"};
    stats::Counter emptied{*this, "emptied", stats::Unit::events, "times the whole cache was emptied because the arena was full"};
};

// Decoded blocks by physical address and mode. A direct-mapped table in front of a hash map; blocks live in an arena that is emptied as a whole.
class BlockCache {
public:
    explicit BlockCache(stats::Group& parent);
    ~BlockCache();
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    [[nodiscard]] Block* find(u64 key) {
        Block* block = front_[slot(key)];
        if (block->key == key) [[likely]] return block;
        return find_slow(key);
    }
    // The direct-mapped table only: what an indirect branch looks at before it gives up.
    [[nodiscard]] Block* find_fast(u64 key) const { return front_[slot(key)]; }

    // A block with `ops` micro-op slots (links included); the caller fills them. Empties the cache first when the arena is full.
    Block* allocate(u64 key, unsigned ops);
    // Memory that lives as long as the blocks around it, aligned to 8 (the block's timing).
    void* allocate_bytes(std::size_t bytes);
    void insert(Block* block);
    // Kills the blocks that overlap [first, first + bytes) of physical memory. Their micro-ops become `stale`, so that a block that is running leaves
    // before its next instruction.
    void kill(u64 first, unsigned bytes);
    void clear();
    [[nodiscard]] Block* none() { return &none_; }        // leads nowhere: what an unresolved link points to
    [[nodiscard]] bool page_has_blocks(u64 frame) const { return pages_.contains(frame); }
    BlockCacheStats stats;
    u32 empties = 0;               // how often the arena was emptied: whoever holds a Block* across enter() compares

private:
    static constexpr unsigned slots = 1U << 14;
    static unsigned slot(u64 key) { return static_cast<unsigned>((key + (key >> 14) + (key >> 48)) & (slots - 1)); }
    Block* find_slow(u64 key);
    std::array<Block*, slots> front_{};
    std::unordered_map<u64, Block*> map_;
    std::unordered_map<u64, std::vector<Block*>> pages_;    // by frame
    struct Release {
        void operator()(std::byte* chunk) const;
    };
    std::vector<std::unique_ptr<std::byte, Release>> chunks_;           // of 2 * arena_bytes
    std::size_t chunk_ = 0, used_ = 0;
    Block none_{};
    u32 generation_ = 2;
};

}  // namespace vtsim::cpu
