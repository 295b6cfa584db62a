// SPDX-License-Identifier: Apache-2.0
// churn: pages come and go. switch: address spaces take turns. Both in ring 0, on user pages, so that page tables are all they cost.
#include <new>

#include "common/print.h"
#include "memory/address_space.h"
#include "workload.h"

namespace guest {
namespace {

constexpr u64 window = u64{0x7f12'3400'0000};  // below an entry of its own at every level but the last

volatile u64& word_at(u64 page) { return *reinterpret_cast<volatile u64*>(window + page * frame_bytes + page % 8 * 64); }

// Where the pages of a space begin: elsewhere in each, as address-space randomization has it. At the same addresses, more spaces than a TLB has ways
// would evict each other's translations, PCID or not.
constexpr u64 first_page_of(u64 space) { return space * 61; }

// Three pages of four are written, the others only read: their entries must come back clean.
constexpr bool is_written(u64 page) { return page % 4 != 3; }

struct Churn {
    AddressSpace& space;
    Frames& frames;
    u64 pages, batch;
    u64 sum = 0, dirty = 0, not_zero = 0;

    void map_all() {
        for (u64 page = 0; page < pages; ++page) space.map(window + page * frame_bytes, frames.take_zeroed(), page_write);
    }
    void touch_all(u64 turn) {
        for (u64 page = 0; page < pages; ++page) {
            volatile u64& word = word_at(page);
            if (is_written(page)) word = word + turn + page;
            else not_zero += word != 0;
        }
        for (u64 page = 0; page < pages; ++page) sum += word_at(page) * (page + 1);
    }
    void unmap_all() {
        for (u64 page = 0; page < pages; page += batch) dirty += space.unmap(window + page * frame_bytes, batch < pages - page ? batch : pages - page);
    }
};

class SpaceList {
public:
    SpaceList(Context& context, Frames& frames, u64 count, u64 pages, bool with_pcid)
        : list_(static_cast<AddressSpace*>(context.memory.take(count * sizeof(AddressSpace)))), count_(count) {
        for (u64 i = 0; i < count; ++i) {
            AddressSpace* const space = new (list_ + i) AddressSpace{frames, context.space, with_pcid ? u32(i + 1) : 0};
            for (u64 page = 0; page < pages; ++page) space->map(window + (first_page_of(i) + page) * frame_bytes, frames.take_zeroed(), page_write);
        }
    }
    ~SpaceList() {
        for (u64 i = 0; i < count_; ++i) list_[i].~AddressSpace();
    }
    SpaceList(const SpaceList&) = delete;
    SpaceList& operator=(const SpaceList&) = delete;
    const AddressSpace& operator[](u64 i) const { return list_[i]; }

private:
    AddressSpace* list_;
    u64 count_;
};

bool use_pcid(const Options& options) {
    if (!options.flag("pcid", false)) return false;
    if (AddressSpace::supports_pcid()) return true;
    print("switch: the processor has no PCID, as pcid=off\n");
    return false;
}

}  // namespace

Outcome run_churn(Context& context) {
    const u64 pages = context.options.number("set", 64), iterations = context.options.number("iters", 100), batch = context.options.number("batch", 16);
    if (!batch) refuse("batch", "at least 1 page");
    Frames frames{context.memory};
    Outcome outcome{};
    {
        AddressSpace space{frames, context.space};
        const u64 before = frames.in_use();
        Churn churn{space, frames, pages, batch};
        space.load();
        const Region region;
        for (u64 turn = 0; turn < iterations; ++turn) {
            churn.map_all();
            churn.touch_all(turn);
            churn.unmap_all();
        }
        outcome.cycles = region.end();
        context.space.load();
        outcome.checksum = mix(mix(churn.sum, churn.dirty), iterations);
        outcome.passed = churn.not_zero == 0 && frames.in_use() == before;
    }
    outcome.passed &= frames.in_use() == 0;
    outcome.count = iterations * pages;
    outcome.unit = "page";
    return outcome;
}

Outcome run_switch(Context& context) {
    constexpr u64 most_spaces = 4095;  // PCIDs 1 to 4095; the kernel has 0
    const u64 spaces = context.options.number("spaces", 8), touch = context.options.number("touch", 16), iterations = context.options.number("iters", 10'000);
    if (!spaces || spaces > most_spaces) refuse("spaces", "1 to 4095");
    const bool with_pcid = use_pcid(context.options);
    Frames frames{context.memory};
    u64 sum = 0, cycles;
    {
        const SpaceList list{context, frames, spaces, touch, with_pcid};
        if (with_pcid) write_cr4(read_cr4() | cr4_pcide);
        const Region region;
        for (u64 turn = 0, next = 0; turn < iterations; ++turn) {
            list[next].load();
            for (u64 page = 0; page < touch; ++page) {
                volatile u64& word = word_at(first_page_of(next) + page);
                sum += word;
                word = sum + turn;
            }
            if (++next == spaces) next = 0;
        }
        cycles = region.end();
        context.space.load();
        if (with_pcid) write_cr4(read_cr4() & ~u64{cr4_pcide});
    }
    return {.checksum = mix(mix(sum, spaces), iterations), .cycles = cycles, .count = iterations, .unit = "visit", .passed = frames.in_use() == 0};
}

}  // namespace guest
