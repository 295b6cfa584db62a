// SPDX-License-Identifier: Apache-2.0
#include "timing/cache/level.h"

#include <bit>

#include "base/bits.h"
#include "base/error.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace vtsim::timing {

namespace {

constexpr u32 lanes = 4;
constexpr u64 max_hinted = 0xffff;      // slots that a hint can name: first levels have far fewer, others ask no hints

// The index of `key` among `count` tags (a multiple of `lanes`), or `count`.
u32 position(const u32* tags, u32 count, u32 key) {
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(key));
    for (u32 at = 0; at < count; at += lanes) {
        const __m128i equal = _mm_cmpeq_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(tags + at)), wanted);
        if (const int mask = _mm_movemask_ps(_mm_castsi128_ps(equal))) return at + static_cast<u32>(std::countr_zero(static_cast<u32>(mask)));
    }
#else
    for (u32 at = 0; at < count; ++at)
        if (tags[at] == key) return at;
#endif
    return count;
}

}  // namespace

void CacheLevelParams::validate(const std::string& key) const {
    if (ways == 0 || ways > 32) throw ConfigError(key + ".ways", std::to_string(ways), "1 to 32");
    if (latency == 0) throw ConfigError(key + ".latency", "0", "at least 1 cycle");
    if (size > GiB) throw ConfigError(key + ".size", std::to_string(size), "at most 1073741824 bytes");
    if (sets() == 0 || !std::has_single_bit(sets()) || sets() * ways << line_log2 != size)
        throw ConfigError(key + ".size", std::to_string(size), "64 * ways * a power of two, in bytes");
}

void CacheParams::validate() const {
    l1i.validate("cache.l1i");
    l1d.validate("cache.l1d");
    l2.validate("cache.l2");
    l3.validate("cache.l3");
    if (l2.latency < l1d.latency || l3.latency < l2.latency)
        throw ConfigError("cache.l2.latency", std::to_string(l2.latency), "latencies that grow from level to level");
}

CacheLevel::CacheLevel(const CacheLevelParams& params, bool filters, stats::Group& parent, const char* name)
    : stats(parent, name),
      set_mask_(params.sets() - 1),
      ways_(params.ways),
      stride_(static_cast<u32>(align_up(params.ways, lanes))),
      latency_(params.latency),
      filters_(filters && params.sets() * align_up(params.ways, lanes) <= max_hinted),
      tags_(params.sets() * stride_),
      stamps_(tags_.size()),
      dirty_(tags_.size()),
      hints_(1U << hint_log2) {}

CacheLevel::Slot CacheLevel::search(Line line) const {
    if (!cacheable(line)) return none;
    const Slot first = first_slot(line);
    const u32 way = position(&tags_[first], stride_, static_cast<u32>(key_of(line)));
    return way == stride_ ? none : first + way;
}

std::optional<CacheLevel::Victim> CacheLevel::insert(Line line, bool dirty) {
    const Slot first = first_slot(line);
    Slot slot = first;
    for (Slot other = first + 1; other < first + ways_; ++other)
        if (stamps_[other] < stamps_[slot]) slot = other;       // empty ways have stamp 0
    std::optional<Victim> victim;
    if (tags_[slot] != 0) {
        victim = Victim{line_of(slot), dirty_[slot] != 0};
        ++stats.evictions;
        if (victim->dirty) ++stats.writebacks;
    }
    tags_[slot] = static_cast<u32>(key_of(line));
    set_dirty(slot, dirty);
    touch(slot);
    leave_hint(line, slot);
    return victim;
}

bool CacheLevel::remove(Line line) {
    const Slot slot = search(line);
    if (slot == none) return false;
    const bool was_dirty = dirty_[slot] != 0;
    tags_[slot] = 0;
    stamps_[slot] = 0;
    dirty_[slot] = 0;
    ++*clock_;
    ++stats.invalidations;
    return was_dirty;
}

void CacheLevel::clear() {
    for (Slot slot = 0; slot < tags_.size(); ++slot)
        if (tags_[slot] != 0) ++stats.invalidations;
    ++*clock_;
    tags_.assign(tags_.size(), 0);
    stamps_.assign(stamps_.size(), 0);
    dirty_.assign(dirty_.size(), 0);
}

}  // namespace vtsim::timing
