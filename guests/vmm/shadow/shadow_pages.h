// SPDX-License-Identifier: Apache-2.0
// The pages of shadow tables: which guest table each stands for, what points to it, and who maps each frame of the guest's memory.
#pragma once
#include "common/paging.h"
#include "shadow/guest_walk.h"

namespace guest {

constexpr unsigned entries_per_table = 512;

// What an entry of a shadow table is that translates nothing. SDM vol. 3, "Page-Fault Exceptions": `unknown` has a reserved bit, so that the fault's error code has
// P = 1 and the fault exits; `absent` is what the guest's own entry says: its fault has P = 0 and, filtered, goes to the guest without an exit.
constexpr u64 entry_unknown = page_present | u64{1} << 51, entry_absent = 0;

constexpr u64 entry_link = 1u << 9;      // ignored by the processor: points to a shadow page
constexpr bool is_unknown(u64 entry) { return entry == entry_unknown; }
constexpr bool translates(u64 entry) { return entry & page_present && !is_unknown(entry); }

struct ShadowPage {
    u64* entries = nullptr;
    u64 frame = 0;                       // frame number of the guest's table; of a direct page: of the first memory it maps
    ShadowPage* next = nullptr;          // of the same hash, or free
    ShadowPage *newer = nullptr, *older = nullptr;
    u32 parents = 0;                     // list of the entries that point here
    u32 roots = 0;                       // slots of the roots that may reach it; may say too many
    u8 level = 0;
    bool direct = false;                 // a piece of a large page, or of memory without guest paging: no table of the guest's
    bool unsynchronised = false;         // the guest may write its table without an exit
    bool is_root = false;
    u8 writes = 0;                       // emulated since the page was last used

    u64& at(u64 linear) { return entries[table_index(linear, level)]; }
};

// Counted for the summary.
struct ShadowCounters {
    u64 pages_made = 0, pages_dropped = 0, evicted = 0, peak_pages = 0;
};

class ShadowPages {
public:
    // At most `limit` tables for a guest with that memory.
    ShadowPages(MemoryPool& pool, const GuestMemory& memory, u64 limit);

    // The shadow of a guest's table, or a direct page. A new one knows which entries are absent, and write-protects the table. The least recently used makes room.
    ShadowPage& get(u64 frame, int level, bool direct);
    void link(ShadowPage& parent, u64& entry, ShadowPage& child, u64 rights);
    ShadowPage* child_of(u64 entry) const { return entry & entry_link && translates(entry) ? &page_of(entry & frame_mask) : nullptr; }
    void set_leaf(ShadowPage& page, u64& entry, u64 value, u64 frame);       // frame outside the guest's memory: a device
    // Nothing is translated by the entry any more; it becomes `value`.
    void clear(ShadowPage& page, u64& entry, u64 value = entry_unknown);
    void drop(ShadowPage& page);                                             // with all links to it, and what only it reached
    void drop_tables();                                                      // all shadows of the guest's tables
    void spread_roots(ShadowPage& page, u32 roots);                          // from now on these roots reach the page

    bool is_table(u64 frame) const { return tables_[frame] != 0; }
    bool is_protected(u64 frame) const { return protected_[frame] != 0; }
    bool region_has_tables(u64 frame) const { return region_tables_[frame >> 9] != 0; }
    template <class Visit>
    void for_each_shadow(u64 frame, Visit&& visit) {                         // of a guest's table
        for (ShadowPage *page = *bucket(frame), *next; page; page = next) {
            next = page->next;
            if (page->frame == frame && !page->direct) visit(*page);
        }
    }
    // The guest may write this table without exits, until `protect`.
    void unprotect(ShadowPage& page);
    void protect(ShadowPage& page);
    void touch(ShadowPage& page);
    bool owns(u64 frame) const { return frame < frames_; }
    u64 host(u64 frame) const { return memory_.base + (frame << 12); }
    u64 pages() const { return used_; }
    u64 bytes() const { return used_ * 4096; }
    u64 overhead_bytes() const { return overhead_; }

    ShadowCounters counters;
    u32 stale = 0;                       // root slots whose cached translations may say more than the tables

private:
    ShadowPage& page_of(u64 address) const { return pages_[(address - first_) >> 12]; }
    u32 number_of(const u64& entry) const { return u32((reinterpret_cast<u64>(&entry) - first_) / 8) + 1; }
    u64& entry_of(u32 number) const { return reinterpret_cast<u64*>(first_)[number - 1]; }
    ShadowPage** bucket(u64 frame) const { return &buckets_[frame & (bucket_count - 1)]; }
    u32& list_of(u64 frame, int level) { return level == 1 ? small_[frame] : large_[frame >> 9]; }
    void remove(u32& list, u32 number);
    void write_protect(u64 frame);
    void split(u64 frame);
    void drop_if_unused(ShadowPage& page);
    void unhash(ShadowPage& page);
    void leave_order(ShadowPage& page);

    static constexpr u64 bucket_count = 1024;
    const GuestMemory& memory_;
    u64 frames_, first_, limit_, used_ = 0, overhead_ = 0;
    ShadowPage* pages_;
    ShadowPage* free_ = nullptr;
    ShadowPage** buckets_;
    ShadowPage *newest_ = nullptr, *oldest_ = nullptr;
    u32 *next_, *small_, *large_;        // lists of entries: by entry number the next one; heads by frame and by 2-MByte region
    u8 *tables_, *protected_;            // by frame: shadow pages of the table, and those of them that are synchronised
    u16* region_tables_;                 // by 2-MByte region
};

}  // namespace guest
