// SPDX-License-Identifier: Apache-2.0
#include "cpu/block_cache/block_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cpu/exec/dispatch.h"

namespace vtsim::cpu {
namespace {

constexpr std::size_t max_chunks = 64;

// Zero, as a memo that nothing matches is: its TLB way has no serial number.
std::byte* new_chunk() {
    void* const memory = ::operator new(2 * arena_bytes, std::align_val_t{page_size});
    return static_cast<std::byte*>(std::memset(memory, 0, 2 * arena_bytes));
}

}  // namespace

BlockCache::BlockCache(stats::Group& parent) : stats(parent, "blocks") {
    none_.key = ~u64{0};
    none_.generation = 1;          // odd: never equal to a link's
    front_.fill(&none_);
}

BlockCache::~BlockCache() = default;

void BlockCache::Release::operator()(std::byte* chunk) const { ::operator delete(chunk, std::align_val_t{page_size}); }

Block* BlockCache::find_slow(u64 key) {
    const auto found = map_.find(key);
    if (found == map_.end()) return nullptr;
    front_[slot(key)] = found->second;
    return found->second;
}

void* BlockCache::allocate_bytes(std::size_t bytes) {
    bytes = (bytes + 31) / 32 * 32;
    if (chunks_.empty() || used_ + bytes > arena_bytes) {
        // A new chunk; one more than the limit is allowed, as `allocate` makes room for a whole block at once and only it empties the cache.
        if (!chunks_.empty()) ++chunk_;
        if (chunk_ == chunks_.size()) chunks_.emplace_back(new_chunk());
        used_ = 0;
    }
    std::byte* place = chunks_[chunk_].get() + used_;
    used_ += bytes;
    return place;
}

Block* BlockCache::allocate(u64 key, unsigned ops) {
    if (chunk_ >= max_chunks) clear();
    void* place = allocate_bytes(sizeof(Block) + ops * sizeof(MicroOp));
    auto* block = new (place) Block{};
    block->key = key;
    block->generation = generation_;
    block->second_frame = Block::no_frame;
    ++stats.decoded;
    return block;
}

void BlockCache::insert(Block* block) {
    map_[block->key] = block;
    front_[slot(block->key)] = block;
    pages_[block->frame].push_back(block);
    if (block->crosses_page()) pages_[block->second_frame].push_back(block);
}

void BlockCache::kill(u64 first, unsigned bytes) {
    for (u64 frame = first & ~page_offset_mask; frame < first + bytes; frame += page_size) {
        const auto page = pages_.find(frame);
        if (page == pages_.end()) continue;
        std::erase_if(page->second, [&](Block* block) {
            const u64 start = block->frame + block->offset;
            const bool in_second = block->second_frame == frame;
            const bool overlaps = in_second || (start < first + bytes && start + block->bytes > first);
            if (!overlaps) return false;
            block->generation |= 1;                 // links to it miss from now on
            for (unsigned i = 0; i < block->op_count; ++i) block->ops()[i].handler = &stale;
            ++stats.killed;
            if (const auto it = map_.find(block->key); it != map_.end() && it->second == block) map_.erase(it);
            if (auto& front = front_[slot(block->key)]; front == block) front = &none_;
            block->key = ~u64{0};
            return true;
        });
        if (page->second.empty()) pages_.erase(page);
    }
}

void BlockCache::clear() {
    map_.clear();
    pages_.clear();
    front_.fill(&none_);
    chunk_ = 0;
    used_ = 0;
    generation_ += 2;
    ++empties;
    ++stats.emptied;
}

}  // namespace vtsim::cpu
