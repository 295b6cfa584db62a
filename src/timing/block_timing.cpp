// SPDX-License-Identifier: Apache-2.0
#include "timing/block_timing.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace vtsim::timing {

namespace {

// Execution ports of the memory micro-operations, and the bits by which ports are named. Broadwell: loads on 2 and 3, store
// addresses on 2, 3 and 7, store data on 4 (Intel optimisation manual, "Haswell and Broadwell microarchitecture").
constexpr u8 load_ports = 0b0000'1100, store_address_ports = 0b1000'1100, store_data_port = 0b0001'0000;

constexpr auto set_size = [] {
    std::array<u8, 256> sizes{};
    for (unsigned set = 0; set < sizes.size(); ++set) sizes[set] = static_cast<u8>(std::popcount(set));
    return sizes;
}();

constexpr u64 divide_up(u64 value, u64 by) { return (value + by - 1) / by; }

u32 ticks(u64 amount) { return static_cast<u32>(std::min<u64>(amount, ~u32{0})); }

// Issued micro-operations: a load is fused with the operation it feeds, a store costs one more.
u32 issued(const InstructionShape& shape, const InstructionCost& cost, bool fused_away) {
    return (fused_away ? 0 : cost.uops) + (shape.load && cost.uops == 0) + shape.store;
}

}  // namespace

void BlockAnalyser::Row::merge(const Row& other) {
    base = std::max(base, other.base);
    for (; size < other.size; ++size) from[size] = none;
    for (unsigned i = 0; i < other.size; ++i) from[i] = std::max(from[i], other.from[i]);
}

void BlockAnalyser::Row::merge_live_in(unsigned live_in) {
    for (; size <= live_in; ++size) from[size] = none;
    from[live_in] = std::max<i64>(from[live_in], 0);
}

void BlockAnalyser::Row::add(i64 amount) {
    if (base != none) base += amount;
    for (unsigned i = 0; i < size; ++i)
        if (from[i] != none) from[i] += amount;
}

BlockAnalyser::BlockAnalyser(const CoreModelParams& params, const InstructionCosts& costs, u32 load_latency)
    : issue_width_(params.issue_width), costs_(costs), load_ticks_(static_cast<u32>(to_ticks(load_latency))) {}

void BlockAnalyser::evaluate(std::span<const InstructionShape> shapes) {
    assert(!shapes.empty() && shapes.size() <= 255);
    steps_.clear();
    live_in_.fill(none);
    live_in_count_ = 0;
    written_ = 0;
    done_.clear();
    measure_throughput(shapes);
    for (std::size_t i = 0; i < shapes.size(); ++i) follow(shapes[i], steps_[i]);
    summarise();
}

// The front needs for the block the most of: micro-operations / issue width; for every set of ports, the micro-operations that fit
// nowhere else / its size; the time of units that are not pipelined.
void BlockAnalyser::measure_throughput(std::span<const InstructionShape> shapes) {
    pressure_.fill(0);
    u64 uops = 0, busy = 0;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const auto& shape = shapes[i];
        const auto& cost = costs_[shape.cost_class];
        const bool fused_away = cost.fuse == InstructionCost::Fuse::first && !shape.store && i + 1 < shapes.size() &&
                                costs_[shapes[i + 1].cost_class].fuse == InstructionCost::Fuse::second;
        steps_.push_back({.entry = static_cast<u32>(uops),
                          .latency = static_cast<u32>(to_ticks(cost.latency)),
                          .load_latency = shape.load ? load_ticks_ : 0,
                          .sources = shape.sources,
                          .destinations = shape.destinations,
                          .source_count = shape.source_count,
                          .destination_count = shape.destination_count,
                          .address_sources = shape.address_sources,
                          .load = shape.load,
                          .store = shape.store,
                          .index = shape.index});
        uops += issued(shape, cost, fused_away);
        busy += cost.busy;
        if (!fused_away)
            for (const auto& ports : cost.ports) pressure_[ports.mask] += ports.uops;
        pressure_[load_ports] += shape.load;
        pressure_[store_address_ports] += shape.store;
        pressure_[store_data_port] += shape.store;
    }
    pressure_[0] = 0;
    uops = std::max<u64>(uops, 1);
    u64 cost = std::max(divide_up(to_ticks(uops), issue_width_), to_ticks(busy));
    for (unsigned port = 1; port < pressure_.size(); port <<= 1)        // in the end [S] = micro-operations whose ports lie in S
        for (unsigned low = 0; low < pressure_.size(); low += 2 * port)
            for (unsigned set = low; set < low + port; ++set) pressure_[set + port] += pressure_[set];
    std::array<u32, 9> busiest{};                                       // by size of the set
    for (unsigned set = 1; set < pressure_.size(); ++set) {
        u32& most = busiest[set_size[set]];
        most = std::max(most, pressure_[set]);
    }
    for (unsigned size = 1; size < busiest.size(); ++size) cost = std::max(cost, divide_up(to_ticks(busiest[size]), size));
    head_.cost = ticks(cost);
    head_.uops = ticks(uops);
    for (auto& step : steps_) step.entry = ticks(step.entry * cost / uops);
}

void BlockAnalyser::merge_source(Row& row, u8 reg) {
    if ((written_ >> reg & 1) != 0) return row.merge(rows_[reg]);
    if (live_in_[reg] == none) {
        live_in_[reg] = static_cast<i8>(live_in_count_);
        live_in_reg_[live_in_count_++] = reg;
    }
    row.merge_live_in(static_cast<unsigned>(live_in_[reg]));
}

void BlockAnalyser::follow(const InstructionShape& shape, const BlockTiming::Step& step) {
    address_.clear();
    value_.clear();
    address_.base = value_.base = step.entry;
    for (unsigned i = 0; i < shape.source_count; ++i) {
        assert(shape.sources[i] < dependency::count);
        merge_source((shape.address_sources >> i & 1) != 0 ? address_ : value_, shape.sources[i]);
    }
    address_.add(step.load_latency);
    value_.merge(address_);
    value_.add(step.latency);
    for (unsigned i = 0; i < shape.destination_count; ++i) {
        const u8 reg = shape.destinations[i];
        assert(reg < dependency::count);
        rows_[reg] = value_;
        written_ |= u64{1} << reg;
    }
    done_.merge(value_);
    last_ = value_;
}

BlockTiming::Out BlockAnalyser::summary_of(const Row& row, u8 reg) {
    BlockTiming::Out result{.base = ticks(static_cast<u64>(std::max<i64>(row.base, 0))), .first_latency = 0, .second_latency = 0, .reg = reg};
    unsigned count = 0;
    for (unsigned i = 0; i < row.size; ++i) {
        if (row.from[i] == none) continue;
        const u32 latency = ticks(static_cast<u64>(row.from[i]));
        const u8 source = live_in_reg_[i];
        if (count == 0) {
            result.first_latency = latency, result.first = source;
        } else if (count == 1) {
            result.second_latency = latency, result.second = source;
        } else {
            edges_.push_back({latency, source});
            ++result.more_edges;
        }
        ++count;
    }
    return result;
}

// Readers of a register before its writer, so that the model needs no second copy. Where two exchange their registers there is no such order.
void BlockAnalyser::put_in_order() {
    std::vector<BlockTiming::Out> outs;
    std::vector<BlockTiming::Edge> edges;
    std::vector<std::size_t> first_edge;
    for (std::size_t edge = 0; const auto& out : outs_) first_edge.push_back(edge), edge += out.more_edges;
    std::vector<bool> placed(outs_.size());
    const auto reads = [&](std::size_t reader, u8 reg) {
        const auto& out = outs_[reader];
        if (out.first == reg || out.second == reg) return true;
        const auto* more = edges_.data() + first_edge[reader];
        return std::any_of(more, more + out.more_edges, [=](const auto& edge) { return edge.source == reg; });
    };
    const auto is_free = [&](std::size_t writer) {
        if (placed[writer]) return false;
        for (std::size_t i = 0; i < outs_.size(); ++i)
            if (i != writer && !placed[i] && reads(i, outs_[writer].reg)) return false;
        return true;
    };
    for (bool progress = true; progress;) {
        progress = false;
        for (std::size_t i = 0; i < outs_.size(); ++i) {
            if (!is_free(i)) continue;
            placed[i] = progress = true;
            outs.push_back(outs_[i]);
            const auto* more = edges_.data() + first_edge[i];
            edges.insert(edges.end(), more, more + outs_[i].more_edges);
        }
    }
    head_.in_order = outs.size() == outs_.size();
    if (!head_.in_order) return;
    outs_ = std::move(outs);
    edges_ = std::move(edges);
}

void BlockAnalyser::summarise() {
    outs_.clear();
    edges_.clear();
    value_.clear();                                                     // the completion that the registers show
    for (u64 left = written_; left != 0; left &= left - 1) {
        const auto reg = static_cast<u8>(std::countr_zero(left));
        emit(rows_[reg], reg);
        value_.merge(rows_[reg]);
    }
    for (unsigned i = 0; i < done_.size; ++i)
        if (i < value_.size && done_.from[i] <= value_.from[i]) done_.from[i] = none;
    const bool hidden = done_.base > value_.base || std::any_of(done_.from.begin(), done_.from.begin() + done_.size, [](i64 t) { return t != none; });
    if (hidden) emit(done_, dependency::done);
    put_in_order();
    head_.edge_count = static_cast<u16>(edges_.size());
    head_.resolution = summary_of(last_, dependency::done);
    head_.resolution_edges = head_.resolution.more_edges;
    head_.out_count = static_cast<u8>(outs_.size());
    head_.live_in_count = static_cast<u8>(live_in_count_);
    head_.step_count = static_cast<u32>(steps_.size());
}

std::size_t BlockAnalyser::bytes() const {
    return sizeof(BlockTiming) + outs_.size() * sizeof(BlockTiming::Out) + edges_.size() * sizeof(BlockTiming::Edge) +
           steps_.size() * sizeof(BlockTiming::Step);
}

const BlockTiming* BlockAnalyser::place(void* memory) const {
    auto* block = new (memory) BlockTiming(head_);
    std::uninitialized_copy(outs_.begin(), outs_.end(), const_cast<BlockTiming::Out*>(block->outs()));
    std::uninitialized_copy(edges_.begin(), edges_.end(), const_cast<BlockTiming::Edge*>(block->edges()));
    std::uninitialized_copy(steps_.begin(), steps_.end(), const_cast<BlockTiming::Step*>(block->steps().data()));
    return block;
}

}  // namespace vtsim::timing
