// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>

#include "timing/block_timing.h"
#include "timing/core_params.h"
#include "timing/cycle_stack.h"

namespace vtsim::timing {

class Dram;

// What a memory reference cost beyond a first-level hit with a first-level translation, in cycles by cause.
struct MissParts {
    u32 data_cache = 0;
    u32 tlb = 0;                // second-level TLB
    u32 walk_native = 0, walk_ept = 0, walk_nested = 0;
    u32 instruction_cache = 0;  // of a fetch: what lies beyond the first-level instruction cache
    [[nodiscard]] u32 walk() const { return walk_native + walk_ept + walk_nested; }
    [[nodiscard]] u32 translation() const { return tlb + walk(); }
    [[nodiscard]] u32 total() const { return translation() + data_cache + instruction_cache; }
};

// The clock of one out-of-order core, advanced block by block.
//
// The front issues a block at the block's throughput; each register has the time at which its value is ready; the summary of the block
// maps one to the other. The front waits when the reorder buffer is full, that is until everything has completed that is a buffer's
// worth of micro-operations older than the end of the entering block. Blocks with misses or a mispredicted branch are evaluated
// instruction by instruction with the latencies noted since the last retire; without any the two ways agree to the tick.
// A wait is attributed to the outstanding misses that cause it, in proportion; what is left is instruction issue.
class CoreModel {
public:
    // `core` is the group "cpuN". `dram`, if given, limits the bandwidth of the misses.
    CoreModel(const CoreModelParams& params, stats::Group& core, Dram* dram = nullptr);

    [[nodiscard]] u64 cycles() const { return whole_cycles(front_); }       // time of the front, whole cycles
    [[nodiscard]] u64 front_ticks() const { return front_; }
    [[nodiscard]] const CycleStack& stack() const { return stack_; }
    [[nodiscard]] const CoreModelParams& params() const { return params_; }

    // ---- while a block executes: noted for the next retire, in program order ---------------------------------------------

    // Instruction `index` of the block made a reference that took `latency` cycles from address to use, all of `parts` included.
    void note_miss(u8 index, u32 latency, const MissParts& parts);
    // Fetching the block waited: the instruction cache beyond its first level, and the translation of the fetch.
    void note_fetch_miss(const MissParts& parts);
    // The branch that ends the block was mispredicted.
    void note_mispredict() { pending_ |= mispredicted; }

    // ---- at the end of a block -------------------------------------------------------------------------------------------

    void retire(const BlockTiming& block) {
        if (repeats(&block)) retire_repeated();
        else retire_next(block);
    }
    // The block, if any, follows itself in a steady state: to retire it once more is to let time pass.
    [[nodiscard]] bool repeats(const BlockTiming* block) const { return block == repeated_ && pending_ == 0 && block != nullptr; }
    void retire_repeated() {
        ++repeats_;
        advance(Bucket::instruction_issue, period_);
    }
    // An instruction raised an event before it completed: only the first `instructions` of the block retire.
    void retire_partial(const BlockTiming& block, unsigned instructions) {
        settle();
        retire_exactly(block, instructions);
    }
    // Timings are about to be made in memory that others may have had: none is known by its address any more.
    void forget_blocks() { settle(); }
    // Forgets what was noted since the last retire (a mode switch in the middle of a block).
    void drop_notes() { pending_ = 0; }

    // ---- between blocks --------------------------------------------------------------------------------------------------

    // Everything in flight completes before the front goes on (CPUID, LFENCE, RDTSCP, far transfers, VM transitions).
    void serialise();
    // Cycles in which nothing issues.
    void charge(Bucket bucket, u64 cycles) {
        settle();
        advance(bucket, to_ticks(cycles));
    }
    // A repeated string instruction moved `bytes`; `excess` is the sum of what its references took beyond first-level hits. They overlap as far as there are line-fill
    // buffers and bandwidth of memory.
    void charge_string(u64 bytes, u64 excess);
    void idle(u64 cycles) { charge(Bucket::idle, cycles); }
    // Idle until that cycle of the local clock; nothing if it has passed.
    void idle_until(u64 cycle) {
        settle();
        if (to_ticks(cycle) > front_) advance(Bucket::idle, to_ticks(cycle) - front_);
    }
    // Sets the clock after a phase that this model did not count (functional, warm): no bucket gets the difference.
    void resume_at(u64 cycle);

private:
    struct Note {
        u32 latency;
        u32 lines;              // transfers of the memory channel
        MissParts parts;
        u8 index;
    };
    static constexpr u32 stride = 8;                    // slots of the reorder buffer that a block usually writes
    static constexpr unsigned max_notes = 64;
    static constexpr u32 mispredicted = u32{1} << 31, fetch_missed = u32{1} << 30, note_count = fetch_missed - 1;

    void advance(Bucket bucket, u64 ticks) {
        front_ += ticks;
        stack_.add(bucket, ticks);
    }
    // The reorder buffer as a ring of micro-operations: each slot has the time at which its block, and all before it, completed. A block enters when
    // the last of those has left that would be a buffer's worth of micro-operations before its own end.
    void make_room(u32 uops) {
        const u32 leaver = uops > params_.reorder_buffer ? entered_ - 1 : entered_ + uops - params_.reorder_buffer - 1;
        const u64 room_at = in_flight_[leaver & in_flight_mask_];
        if (room_at > front_) wait_until(room_at, Bucket::instruction_issue);
    }
    void finish(u32 uops, u32 cost, u64 done) {
        completed_ = done;
        const u32 at = entered_ & in_flight_mask_;
        if (uops <= stride && at + stride <= in_flight_mask_ + 1) [[likely]]
            for (u32 i = 0; i < stride; ++i) in_flight_[at + i] = done;     // more slots than needed, but a fixed number: the others are free
        else
            for (u32 i = 0; i < uops; ++i) in_flight_[(entered_ + i) & in_flight_mask_] = done;
        entered_ += uops;
        advance(Bucket::instruction_issue, cost);
    }
    // The front waits; the part that misses do not explain goes to `rest`.
    void wait_until(u64 ticks, Bucket rest) {
        if (blame_total_ == 0) [[likely]] return advance(rest, ticks - front_);
        wait_blaming(ticks, rest);
    }
    void wait_blaming(u64 until, Bucket rest);
    void draw(u64 ticks);
    void blame(const MissParts& parts, u64 until);
    void retire_next(const BlockTiming& block);
    // By the summary, with every source ready as it is: the front has room already. Returns when everything so far has completed.
    u64 evaluate(const BlockTiming& block);
    void retire_by_summary(const BlockTiming& block);
    void retire_again(const BlockTiming& block);
    void settle() {
        last_ = nullptr;
        streak_ = 0;
        if (repeated_ != nullptr) [[unlikely]] settle_repeats();
    }
    void settle_repeats();
    void retire_exactly(const BlockTiming& block, unsigned instructions);
    void fetch_stall();
    u64 step(const BlockTiming::Step& step, u64 start, const Note*& note, const Note* end);
    struct Service {
        u64 translated, started, served;                // the address is known, a line-fill buffer is, the data is there
    };
    Service serve(const Note& note, u64 address);
    u64 translate(const Note& note, u64 address);
    u64 serve_store(const Note& note, u64 address);     // returns when the store may retire
    u64 serve_load(const Note& note, u64 address);      // returns when the data is there

    CoreModelParams params_;
    u64 front_ = 0;                                     // ticks
    u64 completed_ = 0;                                 // everything issued has completed by then
    u32 pending_ = 0;                                   // number of notes, and flags
    u32 entered_ = 0;                                   // micro-operations so far
    u32 in_flight_mask_;
    // A block that follows itself: once a reorder buffer's worth of its turns have each advanced every time by the same amount, so will all
    // further ones. They are then only counted, and settled when anything else happens.
    const BlockTiming* repeated_ = nullptr;
    u64 period_ = 0;                                    // ticks by which each turn advances
    u64 repeats_ = 0;                                   // turns counted and not settled
    const BlockTiming* last_ = nullptr;                 // the block of the last turn,
    u64 last_start_ = 0;                                // when it issued,
    u32 streak_ = 0;                                    // and how many turns before it advanced by period_
    std::array<u64, 64> ready_{};                       // by register number
    CycleStack stack_;

    // Misses that the front may wait for: their cycles by bucket, at most the time until the last of them is served.
    std::array<u64, bucket_count> blame_{};
    u64 blame_total_ = 0;
    u64 blame_until_ = 0;

    std::array<Note, max_notes> notes_{};
    MissParts fetch_parts_;
    std::array<u64, CoreModelParams::max_line_fill_buffers> line_fill_free_{};
    std::array<u64, CoreModelParams::max_page_walkers> walker_free_{};
    Dram* dram_;
    std::array<u64, 2 * CoreModelParams::max_reorder_buffer> in_flight_{};
};

}  // namespace vtsim::timing
