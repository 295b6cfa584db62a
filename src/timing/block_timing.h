// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "timing/core_params.h"
#include "timing/cycle_stack.h"
#include "timing/instruction_costs.h"

namespace vtsim::timing {

// Registers as the dependency model numbers them.
namespace dependency {
inline constexpr u8 gpr = 0;            // 16 general registers
inline constexpr u8 flags = 16;
inline constexpr u8 memory = 17;        // for chains through memory that software can see (locks, stack engine); none by default
inline constexpr u8 vector = 32;        // 16 vector registers
inline constexpr u8 count = 48;
inline constexpr u8 never = 62;         // of the model itself: a source that is always ready
inline constexpr u8 done = 63;          // of the model itself: completion of what no register shows
}  // namespace dependency

// What the dependency model must know of one instruction.
struct InstructionShape {
    u16 cost_class = 0;                          // InstructionCosts::class_of
    std::array<u8, 6> sources{};
    std::array<u8, 3> destinations{};
    u8 source_count = 0;
    u8 destination_count = 0;
    u8 address_sources = 0;                      // bit i: sources[i] feeds the address of the memory operand
    bool load = false;
    bool store = false;
    u8 index = 0;                                // in its block; what CoreModel::note_miss names

    void add_source(u8 id, bool address = false) {
        if (source_count == sources.size()) return;
        if (address) address_sources = static_cast<u8>(address_sources | 1U << source_count);
        sources[source_count++] = id;
    }
    void add_destination(u8 id) {
        if (destination_count < destinations.size()) destinations[destination_count++] = id;
    }
};

// The timing of a block: throughput, a max-plus summary from live-in to live-out registers, and the instructions for exact
// re-evaluation. One piece of memory, trivially destructible: it may live in the arena of its block.
//   out value of register k = max(start + base of k, max over edges j -> k of (ready[j] + latency)), all in ticks.
// Most registers depend on one or two live-in ones: those edges stand in the Out itself, which needs no inner loop.
class BlockTiming {
public:
    struct Out {
        u32 base;               // ticks from the start of the block, if nothing waits
        u32 first_latency, second_latency;
        u8 first = dependency::never, second = dependency::never;
        u8 reg = 0;
        u8 more_edges = 0;      // third and later ones: in edges(), one Out after the other
    };
    struct Edge {
        u32 latency;            // ticks from the live-in register to the live-out one
        u8 source;
    };
    struct Step {
        u32 entry;              // ticks from the start of the block to the issue
        u32 latency;            // ticks from the last source or the loaded value to the result
        u32 load_latency;       // ticks from the address to the value of a first-level hit; 0 without a load
        std::array<u8, 6> sources;
        std::array<u8, 3> destinations;
        u8 source_count, destination_count, address_sources;
        bool load, store;
        u8 index;
    };

    u32 cost = 0;               // ticks of the front: throughput
    u32 uops = 1;               // fused domain
    u8 out_count = 0;
    u8 live_in_count = 0;
    u16 edge_count = 0;         // of outs(); those of `resolution` follow
    u8 resolution_edges = 0;
    bool in_order = false;      // no Out reads a register that an earlier one writes
    u32 step_count = 0;
    Out resolution{};           // the last instruction completes: when a branch is known to be mispredicted

    [[nodiscard]] const Out* outs() const { return reinterpret_cast<const Out*>(this + 1); }
    [[nodiscard]] const Edge* edges() const { return reinterpret_cast<const Edge*>(outs() + out_count); }
    [[nodiscard]] std::span<const Step> steps() const { return {reinterpret_cast<const Step*>(edges() + edge_count + resolution_edges), step_count}; }
};
static_assert(sizeof(BlockTiming) % alignof(BlockTiming::Out) == 0 && alignof(BlockTiming::Step) == 4);

// Makes BlockTimings. Keeps its working storage: one per core.
class BlockAnalyser {
public:
    // `load_latency`: of a hit in the first-level data cache, in cycles.
    BlockAnalyser(const CoreModelParams& params, const InstructionCosts& costs, u32 load_latency);

    // Analyses a block of 1 to 255 instructions. `allocate(bytes)` provides the memory of the result, aligned to 8.
    template <class Allocate>
    const BlockTiming* analyse(std::span<const InstructionShape> shapes, Allocate&& allocate) {
        evaluate(shapes);
        return place(allocate(bytes()));
    }

private:
    static constexpr i64 none = -1;
    // A value as a function of the block's start and its live-in registers; members are ticks or `none`.
    struct Row {
        i64 base = none;
        unsigned size = 0;                                   // valid entries of `from`
        std::array<i64, dependency::count> from{};
        void clear() { base = none, size = 0; }
        void merge(const Row& other);
        void merge_live_in(unsigned live_in);
        void add(i64 ticks);
    };

    void evaluate(std::span<const InstructionShape> shapes);
    void measure_throughput(std::span<const InstructionShape> shapes);
    void follow(const InstructionShape& shape, const BlockTiming::Step& step);
    void merge_source(Row& row, u8 reg);
    void summarise();
    BlockTiming::Out summary_of(const Row& row, u8 reg);       // appends to edges_
    void emit(const Row& row, u8 reg) { outs_.push_back(summary_of(row, reg)); }
    void put_in_order();
    [[nodiscard]] std::size_t bytes() const;
    const BlockTiming* place(void* memory) const;

    u32 issue_width_;
    const InstructionCosts& costs_;
    u32 load_ticks_;

    BlockTiming head_;
    std::vector<BlockTiming::Out> outs_;
    std::vector<BlockTiming::Edge> edges_;
    std::vector<BlockTiming::Step> steps_;
    std::array<Row, dependency::count> rows_{};
    Row done_, address_, value_, last_;
    std::array<i8, dependency::count> live_in_{};            // number of the live-in register, or none
    std::array<u8, dependency::count> live_in_reg_{};
    unsigned live_in_count_ = 0;
    u64 written_ = 0;                                        // bit per register
    std::array<u32, 256> pressure_{};
};

}  // namespace vtsim::timing
