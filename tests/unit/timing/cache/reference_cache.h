// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <iterator>
#include <list>
#include <optional>
#include <vector>

#include "timing/cache/params.h"

namespace vtsim::timing {

// A write-back cache as textbooks draw it: a list per set, the most recently used line in front.
struct ReferenceCache {
    struct Entry {
        u64 line;
        bool dirty;
    };
    explicit ReferenceCache(const CacheLevelParams& params) : ways(params.ways), sets(params.sets()) {}

    std::list<Entry>& set(u64 line) { return sets[line % sets.size()]; }
    Entry* peek(u64 line) {
        auto& entries = set(line);
        const auto at = std::ranges::find(entries, line, &Entry::line);
        return at == entries.end() ? nullptr : &*at;
    }
    Entry* use(u64 line) {
        auto& entries = set(line);
        const auto at = std::ranges::find(entries, line, &Entry::line);
        if (at == entries.end()) return nullptr;
        entries.splice(entries.begin(), entries, at);
        return &entries.front();
    }
    std::optional<Entry> insert(u64 line, bool dirty) {
        auto& entries = set(line);
        std::optional<Entry> victim;
        if (entries.size() == ways) {
            victim = entries.back();
            entries.pop_back();
            ++evictions;
            writebacks += victim->dirty;
        }
        entries.push_front({line, dirty});
        return victim;
    }
    bool remove(u64 line) {
        const auto* entry = peek(line);
        const bool dirty = entry != nullptr && entry->dirty;
        set(line).remove_if([line](const Entry& e) { return e.line == line; });
        return dirty;
    }

    std::size_t ways;
    std::vector<std::list<Entry>> sets;
    u64 evictions = 0, writebacks = 0;
    u64 hits[3] = {}, misses[3] = {};
};

// One core over three levels and memory.
struct ReferenceHierarchy {
    explicit ReferenceHierarchy(const CacheParams& caches)
        : params(caches), l1i(caches.l1i), l1d(caches.l1d), l2(caches.l2), l3(caches.l3) {}

    // `kind`: 0 data, 1 fetch, 2 walk. Returns the level that had the line: 1 to 3, 4 for memory.
    int access(u64 line, int kind, bool write) {
        ReferenceCache& first = kind == 1 ? l1i : l1d;
        if (auto* entry = first.use(line)) {
            entry->dirty |= write;
            ++first.hits[kind];
            return 1;
        }
        ++first.misses[kind];
        int level = 2;
        if (l2.use(line) != nullptr) {
            ++l2.hits[kind];
        } else {
            ++l2.misses[kind];
            level = outer(line, kind);
            if (const auto victim = l2.insert(line, false); victim && victim->dirty) to_l3(victim->line);
        }
        if (const auto victim = first.insert(line, write); victim && victim->dirty) to_l2(victim->line);
        return level;
    }

    CacheParams params;
    ReferenceCache l1i, l1d, l2, l3;
    u64 reads = 0, writes = 0;

private:
    int outer(u64 line, int kind) {
        if (l3.use(line) != nullptr) {
            ++l3.hits[kind];
            return 3;
        }
        ++l3.misses[kind];
        ++reads;
        insert_l3(line, false);
        return 4;
    }
    void insert_l3(u64 line, bool dirty) {
        const auto victim = l3.insert(line, dirty);
        if (!victim) return;
        bool modified = victim->dirty;
        if (params.l3_inclusive)
            for (ReferenceCache* level : {&l1i, &l1d, &l2}) modified |= level->remove(victim->line);
        writes += modified;
    }
    void to_l3(u64 line) {
        if (auto* entry = l3.peek(line))
            entry->dirty = true;
        else
            insert_l3(line, true);
    }
    void to_l2(u64 line) {
        if (auto* entry = l2.peek(line)) {
            entry->dirty = true;
        } else if (const auto victim = l2.insert(line, true); victim && victim->dirty) {
            to_l3(victim->line);
        }
    }
};

}  // namespace vtsim::timing
