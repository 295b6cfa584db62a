// SPDX-License-Identifier: Apache-2.0
#include "memory/address_space.h"

#include <algorithm>

#include "common/cpu.h"

namespace guest {
namespace {

constexpr int top_level = 4;
constexpr u64 frame_mask = 0x000f'ffff'ffff'f000;
// As _PAGE_TABLE of Linux: the flags are set already, so that no walk has to write them. Rights are the AND of all levels.
constexpr u64 table_bits = page_present | page_write | page_user | page_accessed | page_dirty;
// Linux, arch/x86/mm/tlb.c, tlb_single_page_flush_ceiling: above so many pages a load of CR3 is cheaper than INVLPGs.
constexpr u64 single_page_flush_ceiling = 33;
constexpr u64 cr3_keep_translations = u64{1} << 63;
constexpr unsigned entries = 512, first_user_entry = 1, end_of_user_entries = 256;

constexpr u64 bytes_of_entry(int level) { return page_bytes(level); }
constexpr unsigned index_of(u64 linear, int level) { return linear >> (12 + 9 * (level - 1)) & (entries - 1); }
u64* table_at(u64 entry) { return reinterpret_cast<u64*>(entry & frame_mask); }

void store(u64* slot, u64 value) { asm volatile("movq %1, %0" : "=m"(*slot) : "r"(value)); }
u64 exchange(u64* slot, u64 value) {
    asm volatile("xchgq %1, %0" : "+m"(*slot), "+r"(value));
    return value;
}
void and_locked(u64* slot, u64 mask) { asm volatile("lock andq %1, %0" : "+m"(*slot) : "r"(mask) : "cc"); }

}  // namespace

AddressSpace::AddressSpace(Frames& frames, const KernelSpace& kernel, u32 pcid) : frames_(frames), root_(frames.take_zeroed()), pcid_(pcid) {
    store(table_at(root_), *table_at(kernel.root()));
}

AddressSpace::AddressSpace(AddressSpace& parent) : frames_(parent.frames_), root_(frames_.take_zeroed()), pcid_(0) {
    store(table_at(root_), *table_at(parent.root_));
    copy(parent.root_, root_, top_level, first_user_entry);
    write_cr3(parent.root_ | parent.pcid_);
}

AddressSpace::~AddressSpace() {
    clear(root_, top_level, user_begin, user_end);
    frames_.release(root_);
    frames_.reclaim();
}

bool AddressSpace::supports_pcid() { return cpuid_1_ecx(17); }

void AddressSpace::load() const { write_cr3(root_ | pcid_ | (pcid_ ? cr3_keep_translations : 0)); }

u64* AddressSpace::slot(u64 linear) const {
    u64 table = root_;
    for (int level = top_level; level > 1; --level) {
        table = table_at(table)[index_of(linear, level)];
        if (!(table & page_present)) return nullptr;
    }
    return table_at(table) + index_of(linear, 1);
}

u64* AddressSpace::make_slot(u64 linear) {
    u64 table = root_;
    for (int level = top_level; level > 1; --level) {
        u64* const link = table_at(table) + index_of(linear, level);
        if (!*link) {
            store(link, frames_.take_zeroed() | table_bits);
            ++frames_.entries(table);
        }
        table = *link & frame_mask;
    }
    ++frames_.entries(table);
    return table_at(table) + index_of(linear, 1);
}

void AddressSpace::map(u64 linear, u64 frame, u64 bits) { store(make_slot(linear), frame | page_present | page_user | bits); }

u64 AddressSpace::entry(u64 linear) const {
    const u64* const at = slot(linear);
    return at ? *at : 0;
}

void AddressSpace::replace(u64 linear, u64 frame, u64 bits) {
    u64* const at = slot(linear);
    const u64 old = exchange(at, 0);
    invlpg(linear);
    store(at, frame | page_present | page_user | bits);
    frames_.release(old & frame_mask);
    frames_.reclaim();
}

void AddressSpace::allow_writes(u64 linear) {
    u64* const at = slot(linear);
    store(at, *at | page_write | page_accessed | page_dirty);
}

void AddressSpace::forbid_writes(u64 linear, u64 pages) {
    for (u64 page = 0; page < pages; ++page) {
        u64* const at = slot(linear + page * frame_bytes);
        if (at && *at & page_write) and_locked(at, ~u64{page_write});
    }
    flush(linear, pages);
}

u64 AddressSpace::unmap(u64 linear, u64 pages) {
    const u64 dirty = clear(root_, top_level, linear, linear + pages * frame_bytes);
    flush(linear, pages);
    frames_.reclaim();
    return dirty;
}

void AddressSpace::flush(u64 linear, u64 pages) const {
    if (pages > single_page_flush_ceiling) return write_cr3(root_ | pcid_);
    for (u64 page = 0; page < pages; ++page) invlpg(linear + page * frame_bytes);
}

// Releases what the entries of `table` for [begin, end) refer to, and the tables below that have no entry left. Returns the number of dirty pages.
u64 AddressSpace::clear(u64 table, int level, u64 begin, u64 end) {
    u64 dirty = 0;
    for (u64 at = begin, next; at < end; at = next) {
        next = std::min(end, (at & ~(bytes_of_entry(level) - 1)) + bytes_of_entry(level));
        u64* const link = table_at(table) + index_of(at, level);
        if (!*link) continue;
        if (level == 1) {
            const u64 old = exchange(link, 0);
            dirty += (old & page_dirty) != 0;
            frames_.release(old & frame_mask);
        } else {
            const u64 below = *link & frame_mask;
            dirty += clear(below, level - 1, at, next);
            if (frames_.entries(below)) continue;
            store(link, 0);
            frames_.release(below);
        }
        --frames_.entries(table);
    }
    return dirty;
}

// As copy_page_range of Linux: the child's entry keeps the dirty flag and is old.
void AddressSpace::copy(u64 from, u64 to, int level, unsigned first) {
    const unsigned end = level == top_level ? end_of_user_entries : entries;
    for (unsigned i = first; i < end; ++i) {
        u64* const link = table_at(from) + i;
        if (!*link) continue;
        u64 made;
        if (level == 1) {
            if (*link & page_write) and_locked(link, ~u64{page_write});
            made = *link & ~u64{page_accessed};
            frames_.share(made & frame_mask);
            store(table_at(to) + i, made);
        } else {
            made = frames_.take_zeroed();
            store(table_at(to) + i, made | table_bits);
            copy(*link & frame_mask, made, level - 1, 0);
        }
        ++frames_.entries(to);
    }
}

}  // namespace guest
