// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "iommu/params.h"
#include "iommu/source_id.h"
#include "iommu/stats.h"
#include "iommu/tables/legacy.h"
#include "tlb/set_array.h"

namespace vtsim::iommu {

// VT-d, "Caching Translation Information". Not-present and faulting entries are never cached (CAP.CM = 0).

// Storage of one cache, from its parameters; without entries it misses always.
template <class Key, class Value>
class Cache {
public:
    Cache(const CacheParams& params, CacheStats& stats) : exists_{params.entries != 0}, stats_{stats} {
        if (exists_) array_.add_bank(params.entries / params.ways, params.ways, "lru", 1);
    }
    // Counted by the caller, as one lookup may probe several keys.
    [[nodiscard]] const Value* find(u64 hash, const Key& key) {
        if (!exists_) return nullptr;
        const u32 way = array_.find(array_.set(0, hash), [&](const Key& other) { return other == key; });
        if (way == tlb::no_way) return nullptr;
        array_.touch(way);
        return &array_.value(way);
    }
    void fill(u64 hash, const Key& key, const Value& value) {
        if (!exists_) return;
        ++stats_.fills;
        const auto set = array_.set(0, hash);
        const u32 way = array_.find(set, [&](const Key& other) { return other == key; });
        if (way != tlb::no_way) array_.write(way, key, value);
        else array_.fill(0, set, key, value);
    }
    template <class Match>      // match(key, value)
    void remove_if(Match&& match) {
        if (exists_) stats_.removed += array_.drop_if(match);
    }
    void clear() {
        remove_if([](const Key&, const Value&) { return true; });
    }
    void count(bool hit) { ++(hit ? stats_.hits : stats_.misses); }

private:
    bool exists_;
    tlb::SetArray<Key, Value> array_;
    CacheStats& stats_;
};

// The context-cache: context entries by source-id.
class ContextCache {
public:
    ContextCache(const CacheParams& params, CacheStats& stats) : cache_{params, stats} {}
    [[nodiscard]] const ContextEntry* lookup(SourceId source) {
        const auto* found = cache_.find(source.value, source);
        cache_.count(found != nullptr);
        return found;
    }
    void fill(SourceId source, const ContextEntry& entry) { cache_.fill(source.value, source, entry); }
    void invalidate_all() { cache_.clear(); }
    void invalidate_domain(u16 domain) {
        cache_.remove_if([=](SourceId, const ContextEntry& entry) { return entry.domain() == domain; });
    }
    // `function_mask` leaves out that many low bits of the function number from bit 2 downwards: 1 bit 2, 2 bits 2:1, 3 bits 2:0.
    void invalidate_device(u16 domain, SourceId source, unsigned function_mask) {
        static constexpr u16 ignored[] = {0, 4, 6, 7};
        const unsigned mask = 0xffffU & ~ignored[function_mask & 3];
        cache_.remove_if([=](SourceId other, const ContextEntry& entry) {
            return entry.domain() == domain && ((other.value ^ source.value) & mask) == 0;
        });
    }

private:
    Cache<SourceId, ContextEntry> cache_;
};

struct IotlbEntry {
    u64 frame = 0;
    u8 shift = 12;
    u8 rights = 0;                  // tlb::rights::second_*
    bool snoop = false;
};

// The IOTLB: DMA address to physical page, tagged by domain-id; pages of all sizes side by side.
class Iotlb {
public:
    Iotlb(const CacheParams& params, CacheStats& stats) : cache_{params, stats} {}
    [[nodiscard]] const IotlbEntry* lookup(u16 domain, u64 address) {
        const IotlbEntry* found = nullptr;
        for (const unsigned shift : {12U, 21U, 30U}) {
            found = cache_.find(address >> shift, {address >> shift, domain, static_cast<u8>(shift)});
            if (found != nullptr) break;
        }
        cache_.count(found != nullptr);
        return found;
    }
    void fill(u16 domain, u64 address, const IotlbEntry& entry) {
        cache_.fill(address >> entry.shift, {address >> entry.shift, domain, entry.shift}, entry);
    }
    void invalidate_all() { cache_.clear(); }
    void invalidate_domain(u16 domain) {
        cache_.remove_if([=](const Key& key, const IotlbEntry&) { return key.domain == domain; });
    }
    // Everything that translates an address in [first, last].
    void invalidate_pages(u16 domain, u64 first, u64 last) {
        cache_.remove_if([=](const Key& key, const IotlbEntry&) {
            const u64 start = key.page << key.shift;
            return key.domain == domain && start <= last && start + low_bits(key.shift) >= first;
        });
    }

private:
    struct Key {
        u64 page = 0;
        u16 domain = 0;
        u8 shift = 12;
        bool operator==(const Key&) const = default;
    };
    Cache<Key, IotlbEntry> cache_;
};

struct TableEntry {
    u64 table = 0;
    u8 rights = 0;
};

// The paging-structure cache: second-level entries that refer to tables, tagged by domain-id.
class StructureCache {
public:
    StructureCache(const CacheParams& params, CacheStats& stats) : cache_{params, stats} {}
    struct Hit {
        unsigned level;             // of the cached entry: the walk goes on at level - 1
        TableEntry entry;
    };
    // The deepest cached entry of levels 2 to `top`. `shift(level)` is the lowest address bit that indexes it.
    template <class Shift>
    [[nodiscard]] std::optional<Hit> lookup(u16 domain, u64 address, unsigned top, Shift&& shift) {
        for (unsigned level = 2; level <= top; ++level) {
            const u64 prefix = address >> shift(level);
            if (const auto* found = cache_.find(prefix, {prefix, domain, static_cast<u8>(level), static_cast<u8>(shift(level))})) {
                cache_.count(true);
                return Hit{level, *found};
            }
        }
        cache_.count(false);
        return std::nullopt;
    }
    void fill(u16 domain, u64 address, unsigned level, unsigned shift, const TableEntry& entry) {
        cache_.fill(address >> shift, {address >> shift, domain, static_cast<u8>(level), static_cast<u8>(shift)}, entry);
    }
    void invalidate_all() { cache_.clear(); }
    void invalidate_domain(u16 domain) {
        cache_.remove_if([=](const Key& key, const TableEntry&) { return key.domain == domain; });
    }
    void invalidate_pages(u16 domain, u64 first, u64 last) {
        cache_.remove_if([=](const Key& key, const TableEntry&) {
            const u64 start = key.prefix << key.shift;
            return key.domain == domain && start <= last && start + low_bits(key.shift) >= first;
        });
    }

private:
    struct Key {
        u64 prefix = 0;
        u16 domain = 0;
        u8 level = 0;
        u8 shift = 0;
        bool operator==(const Key&) const = default;
    };
    Cache<Key, TableEntry> cache_;
};

}  // namespace vtsim::iommu
