// SPDX-License-Identifier: Apache-2.0
#include "shadow/shadow_pages.h"

#include "stop.h"

namespace guest {
namespace {

template <class T>
T* take_array(MemoryPool& pool, u64 count, u64& bytes) {
    bytes += count * sizeof(T);
    T* const array = static_cast<T*>(pool.take(count * sizeof(T), 64));
    for (u64 i = 0; i < count; ++i) array[i] = T{};
    return array;
}

}  // namespace

ShadowPages::ShadowPages(MemoryPool& pool, const GuestMemory& memory, u64 limit)
    : memory_(memory), frames_(memory.bytes >> 12), first_(reinterpret_cast<u64>(pool.take(limit * 4096))), limit_(limit) {
    pages_ = take_array<ShadowPage>(pool, limit, overhead_);
    buckets_ = take_array<ShadowPage*>(pool, bucket_count, overhead_);
    next_ = take_array<u32>(pool, limit * entries_per_table + 1, overhead_);
    small_ = take_array<u32>(pool, frames_, overhead_);
    large_ = take_array<u32>(pool, (frames_ >> 9) + 1, overhead_);
    tables_ = take_array<u8>(pool, frames_, overhead_);
    protected_ = take_array<u8>(pool, frames_, overhead_);
    region_tables_ = take_array<u16>(pool, (frames_ >> 9) + 1, overhead_);
    for (u64 i = limit; i-- > 0;) {
        pages_[i].entries = reinterpret_cast<u64*>(first_) + i * entries_per_table;
        pages_[i].next = free_;
        free_ = &pages_[i];
    }
}

// ---- order of use -----------------------------------------------------------------------------------------------------------

void ShadowPages::leave_order(ShadowPage& page) {
    (page.newer ? page.newer->older : newest_) = page.older;
    (page.older ? page.older->newer : oldest_) = page.newer;
}

void ShadowPages::touch(ShadowPage& page) {
    page.writes = 0;
    if (newest_ == &page) return;
    leave_order(page);
    page.newer = nullptr;
    page.older = newest_;
    (newest_ ? newest_->newer : oldest_) = &page;
    newest_ = &page;
}

// ---- pages ------------------------------------------------------------------------------------------------------------------

ShadowPage& ShadowPages::get(u64 frame, int level, bool direct) {
    for (ShadowPage* page = *bucket(frame); page; page = page->next)
        if (page->frame == frame && page->level == level && page->direct == direct) {
            touch(*page);
            return *page;
        }
    if (!free_) {
        ShadowPage* victim = oldest_;
        while (victim && victim->is_root) victim = victim->newer;
        if (!victim) stop("all shadow tables are roots: tables= is too small");
        ++counters.evicted;
        drop(*victim);
    }
    ShadowPage& page = *free_;
    free_ = page.next;
    page = {.entries = page.entries, .frame = frame, .next = *bucket(frame), .level = u8(level), .direct = direct};
    *bucket(frame) = &page;
    page.older = newest_;
    (newest_ ? newest_->newer : oldest_) = &page;
    newest_ = &page;
    ++counters.pages_made;
    if (++used_ > counters.peak_pages) counters.peak_pages = used_;
    if (direct) {
        for (unsigned i = 0; i < entries_per_table; ++i) page.entries[i] = entry_unknown;
        return page;
    }
    ++tables_[frame];
    if (!region_tables_[frame >> 9]++) split(frame);
    page.unsynchronised = true;
    protect(page);
    const u64* const table = reinterpret_cast<const u64*>(host(frame));
    for (unsigned i = 0; i < entries_per_table; ++i) page.entries[i] = table[i] & page_present ? entry_unknown : entry_absent;
    return page;
}

void ShadowPages::unhash(ShadowPage& page) {
    ShadowPage** link = bucket(page.frame);
    while (*link != &page) link = &(*link)->next;
    *link = page.next;
}

void ShadowPages::drop(ShadowPage& page) {
    stale |= page.roots;
    while (page.parents) {
        u64& entry = entry_of(page.parents);
        remove(page.parents, page.parents);
        entry = entry_unknown;
    }
    for (unsigned i = 0; i < entries_per_table; ++i)
        if (translates(page.entries[i])) clear(page, page.entries[i]);
    unhash(page);
    leave_order(page);
    if (!page.direct) {
        if (!page.unsynchronised) --protected_[page.frame];
        --tables_[page.frame];
        --region_tables_[page.frame >> 9];
    }
    page.unsynchronised = false;
    page.level = 0;
    page.next = free_;
    free_ = &page;
    --used_;
    ++counters.pages_dropped;
}

void ShadowPages::drop_if_unused(ShadowPage& page) {
    if (!page.parents && !page.is_root && page.level) drop(page);
}

void ShadowPages::drop_tables() {
    for (u64 i = 0; i < limit_; ++i) {
        if (!pages_[i].level || pages_[i].direct) continue;
        pages_[i].is_root = false;
        drop(pages_[i]);
    }
}

// ---- entries ----------------------------------------------------------------------------------------------------------------

void ShadowPages::remove(u32& list, u32 number) {
    u32* link = &list;
    while (*link != number) link = &next_[*link];
    *link = next_[number];
}

void ShadowPages::spread_roots(ShadowPage& page, u32 roots) {
    if ((page.roots & roots) == roots) return;
    page.roots |= roots;
    if (page.level == 1) return;
    for (unsigned i = 0; i < entries_per_table; ++i)
        if (ShadowPage* const child = child_of(page.entries[i])) spread_roots(*child, roots);
}

void ShadowPages::link(ShadowPage& parent, u64& entry, ShadowPage& child, u64 rights) {
    entry = reinterpret_cast<u64>(child.entries) | page_present | entry_link | rights;
    const u32 number = number_of(entry);
    next_[number] = child.parents;
    child.parents = number;
    spread_roots(child, parent.roots);
}

void ShadowPages::set_leaf(ShadowPage& page, u64& entry, u64 value, u64 frame) {
    if (translates(entry)) clear(page, entry);
    entry = value;
    if (!owns(frame)) return;
    const u32 number = number_of(entry);
    u32& list = list_of(frame, page.level);
    next_[number] = list;
    list = number;
}

void ShadowPages::clear(ShadowPage& page, u64& entry, u64 value) {
    const u64 old = entry;
    entry = value;
    if (!translates(old)) return;
    stale |= page.roots;
    if (old & entry_link) {
        ShadowPage& child = page_of(old & frame_mask);
        remove(child.parents, number_of(entry));
        return drop_if_unused(child);
    }
    const u64 address = old & frame_mask & ~(page_bytes(page.level) - 1), frame = (address - memory_.base) >> 12;
    if (address >= memory_.base && owns(frame)) remove(list_of(frame, page.level), number_of(entry));
}

// ---- write protection -------------------------------------------------------------------------------------------------------

void ShadowPages::write_protect(u64 frame) {
    for (u32 number = small_[frame]; number; number = next_[number]) {
        u64& entry = entry_of(number);
        if (!(entry & page_write)) continue;
        entry &= ~u64{page_write};
        stale |= page_of(reinterpret_cast<u64>(&entry)).roots;
    }
}

// A frame became a table: a large page around it must go, as only its other 4-KByte pieces stay writable.
void ShadowPages::split(u64 frame) {
    while (const u32 number = large_[frame >> 9]) {
        u64& entry = entry_of(number);
        clear(page_of(reinterpret_cast<u64>(&entry) & ~u64{4095}), entry);
    }
}

void ShadowPages::protect(ShadowPage& page) {
    if (!page.unsynchronised) return;
    page.unsynchronised = false;
    if (!protected_[page.frame]++) write_protect(page.frame);
}

void ShadowPages::unprotect(ShadowPage& page) {
    if (page.unsynchronised) return;
    page.unsynchronised = true;
    --protected_[page.frame];
}

}  // namespace guest
