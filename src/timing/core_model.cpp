// SPDX-License-Identifier: Apache-2.0
#include "timing/core_model.h"

#include <bit>
#include <cassert>
#include <span>
#include <string>

#include "base/error.h"
#include "timing/dram.h"

namespace vtsim::timing {

namespace {

// The unit that is free first.
u64& earliest(std::span<u64> free_at) { return *std::ranges::min_element(free_at); }

void check_range(const char* key, u64 value, u64 low, u64 high) {
    if (value < low || value > high) throw ConfigError(key, std::to_string(value), std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace

void CoreModelParams::validate() const {
    check_range("core.frequency_hz", frequency_hz, 1'000'000, 100'000'000'000);
    check_range("core.tsc_hz", tsc_hz, 1'000'000, 100'000'000'000);
    check_range("core.issue_width", issue_width, 1, 16);
    check_range("core.reorder_buffer", reorder_buffer, 1, max_reorder_buffer);
    check_range("core.line_fill_buffers", line_fill_buffers, 1, max_line_fill_buffers);
    check_range("core.page_walkers", page_walkers, 1, max_page_walkers);
    check_range("core.mispredict_penalty", mispredict_penalty, 0, 1000);
    check_range("core.interrupt_delivery", interrupt_delivery, 0, 1'000'000);
}

CoreModel::CoreModel(const CoreModelParams& params, stats::Group& core, Dram* dram)
    : params_((params.validate(), params)), in_flight_mask_(std::bit_ceil(params.reorder_buffer + stride) - 1), stack_(core), dram_(dram) {}

void CoreModel::note_miss(u8 index, u32 latency, const MissParts& parts) {
    const u32 lines = dram_ != nullptr ? dram_->take_pending() : 0;
    const u32 count = pending_ & note_count;
    if (count == max_notes) {
        // An instruction with this many misses (a long string operation) goes on at the rate of its line-fill buffers.
        Note& last = notes_[max_notes - 1];
        last.latency += latency / params_.line_fill_buffers;
        last.parts.data_cache += latency / params_.line_fill_buffers;
        last.lines += lines;
        return;
    }
    notes_[count] = {latency, lines, parts, index};
    ++pending_;
}

void CoreModel::note_fetch_miss(const MissParts& parts) {
    if ((pending_ & fetch_missed) == 0) fetch_parts_ = {};
    fetch_parts_.tlb += parts.tlb;
    fetch_parts_.walk_native += parts.walk_native;
    fetch_parts_.walk_ept += parts.walk_ept;
    fetch_parts_.walk_nested += parts.walk_nested;
    fetch_parts_.instruction_cache += parts.instruction_cache;
    pending_ |= fetch_missed;
}

void CoreModel::fetch_stall() {
    if (dram_ != nullptr) static_cast<void>(dram_->occupy(cycles(), dram_->take_pending()));
    charge(Bucket::tlb, fetch_parts_.tlb);
    charge(Bucket::walk_native, fetch_parts_.walk_native);
    charge(Bucket::walk_ept, fetch_parts_.walk_ept);
    charge(Bucket::walk_nested, fetch_parts_.walk_nested);
    charge(Bucket::instruction_cache, fetch_parts_.instruction_cache);
}

u64 CoreModel::translate(const Note& note, u64 address) {
    const u64 ticks = to_ticks(note.parts.translation());
    if (note.parts.walk() == 0) return address + ticks;
    u64& walker = earliest(std::span{walker_free_}.first(params_.page_walkers));
    walker = std::max(address, walker) + ticks;
    return walker;
}

CoreModel::Service CoreModel::serve(const Note& note, u64 address) {
    const u64 translated = translate(note, address);
    const u64 access = to_ticks(note.latency - std::min(note.latency, note.parts.translation()));
    if (note.parts.data_cache == 0) return {translated, translated, translated + access};
    u64& buffer = earliest(std::span{line_fill_free_}.first(params_.line_fill_buffers));
    u64 started = std::max(translated, buffer);
    if (dram_ != nullptr && note.lines != 0) started += to_ticks(dram_->occupy(whole_cycles(started), note.lines));
    buffer = started + access;
    return {translated, started, buffer};
}

u64 CoreModel::serve_load(const Note& note, u64 address) {
    const auto service = serve(note, address);
    MissParts parts = note.parts;
    parts.data_cache += static_cast<u32>(whole_cycles(service.started - service.translated));
    blame(parts, service.served);
    return service.served;
}

// A store may retire once it is translated and has a line-fill buffer; the line comes later.
u64 CoreModel::serve_store(const Note& note, u64 address) {
    const auto service = serve(note, address);
    MissParts parts = note.parts;
    parts.data_cache = static_cast<u32>(whole_cycles(service.started - service.translated));
    if (parts.total() != 0) blame(parts, service.started);
    return service.started;
}

// One instruction, exactly; returns when it has completed. `note` is the first note that does not belong to an earlier one.
u64 CoreModel::step(const BlockTiming::Step& step, u64 start, const Note*& note, const Note* end) {
    const u64 entry = start + step.entry;
    u64 address = entry;
    u64 value = entry;
    for (unsigned i = 0; i < step.source_count; ++i) {
        u64& input = (step.address_sources >> i & 1) != 0 ? address : value;
        input = std::max(input, ready_[step.sources[i]]);
    }
    value = std::max(value, address + step.load_latency);
    u64 stored = 0;
    for (; note != end && note->index <= step.index; ++note) {
        if (step.store && !step.load)
            stored = std::max(stored, serve_store(*note, address));
        else
            value = std::max(value, serve_load(*note, address));
    }
    const u64 done = value + step.latency;
    for (unsigned i = 0; i < step.destination_count; ++i) ready_[step.destinations[i]] = done;
    return std::max(done, stored);
}

u64 CoreModel::evaluate(const BlockTiming& block) {
    const u64 start = front_;
    u64 done = completed_;
    const auto value_of = [&](const BlockTiming::Out& out) {
        return std::max(start + out.base, std::max(ready_[out.first] + out.first_latency, ready_[out.second] + out.second_latency));
    };
    const auto* outs = block.outs();
    const auto* edge = block.edges();
    if (block.in_order) [[likely]] {
        for (const auto* out = outs; out != outs + block.out_count; ++out) {
            u64 value = value_of(*out);
            for (unsigned i = out->more_edges; i != 0; --i, ++edge) value = std::max(value, ready_[edge->source] + edge->latency);
            done = std::max(done, value);
            ready_[out->reg] = value;
        }
        return done;
    }
    std::array<u64, dependency::count + 1> values;      // NOLINT: the loop writes what is read
    for (unsigned i = 0; i < block.out_count; ++i) {
        values[i] = value_of(outs[i]);
        for (unsigned left = outs[i].more_edges; left != 0; --left, ++edge) values[i] = std::max(values[i], ready_[edge->source] + edge->latency);
        done = std::max(done, values[i]);
    }
    for (unsigned i = 0; i < block.out_count; ++i) ready_[outs[i].reg] = values[i];
    return done;
}

void CoreModel::retire_next(const BlockTiming& block) {
    if (repeated_ != nullptr) settle_repeats();
    if (pending_ == 0) [[likely]] {
        if (last_ == &block) return retire_again(block);
        last_ = &block;
        streak_ = 0;
        make_room(block.uops);
        last_start_ = front_;
        return finish(block.uops, block.cost, evaluate(block));
    }
    last_ = nullptr;
    if ((pending_ & note_count) == 0) return retire_by_summary(block);
    retire_exactly(block, block.step_count);
}

// A turn of a block that follows itself.
void CoreModel::retire_again(const BlockTiming& block) {
    make_room(block.uops);
    const u64 start = front_, period = start - last_start_;
    const auto* outs = block.outs();
    std::array<u64, dependency::count + 1> before;      // NOLINT: written up to out_count
    for (unsigned i = 0; i < block.out_count; ++i) before[i] = ready_[outs[i].reg];
    const u64 done = evaluate(block);
    u64 differs = (done - completed_) ^ period;
    for (unsigned i = 0; i < block.out_count; ++i) differs |= (ready_[outs[i].reg] - before[i]) ^ period;
    streak_ = differs == 0 && period == period_ ? streak_ + 1 : 0;
    period_ = period;
    last_start_ = start;
    finish(block.uops, block.cost, done);
    if (u64{streak_} * block.uops <= params_.reorder_buffer + 2 * u64{block.uops}) return;
    if (blame_total_ != 0 && front_ < blame_until_) return;
    repeated_ = &block;
    repeats_ = 0;
}

void CoreModel::settle_repeats() {
    const u64 ticks = repeats_ * period_;
    const auto* outs = repeated_->outs();
    for (unsigned i = 0; i < repeated_->out_count; ++i) ready_[outs[i].reg] += ticks;
    completed_ += ticks;
    for (u32 i = 0; i <= in_flight_mask_; ++i) in_flight_[i] += ticks;      // the turns take each other's places
    repeated_ = nullptr;
    last_ = nullptr;
    streak_ = 0;
}

// No data was missed: the fetch stalled, or the last instruction was a mispredicted branch.
void CoreModel::retire_by_summary(const BlockTiming& block) {
    const u32 pending = pending_;
    pending_ = 0;
    if ((pending & fetch_missed) != 0) fetch_stall();
    make_room(block.uops);
    const auto& branch = block.resolution;
    u64 resolved = std::max(front_ + branch.base, std::max(ready_[branch.first] + branch.first_latency, ready_[branch.second] + branch.second_latency));
    const auto* edge = block.edges() + block.edge_count;
    for (unsigned i = branch.more_edges; i != 0; --i, ++edge) resolved = std::max(resolved, ready_[edge->source] + edge->latency);
    finish(block.uops, block.cost, evaluate(block));
    if ((pending & mispredicted) != 0) {
        if (resolved > front_) wait_until(resolved, Bucket::branch);
        charge(Bucket::branch, params_.mispredict_penalty);
    }
}

void CoreModel::retire_exactly(const BlockTiming& block, unsigned instructions) {
    assert(instructions <= block.step_count);
    const u32 pending = pending_;
    pending_ = 0;
    if ((pending & fetch_missed) != 0) fetch_stall();
    const auto steps = block.steps().first(instructions);
    const bool whole = instructions == block.step_count;
    const u32 cost = whole ? block.cost : block.steps()[instructions].entry;
    const u32 uops = whole ? block.uops : std::max<u32>(1, block.uops * instructions / block.step_count);
    make_room(uops);
    const u64 start = front_;
    const Note* note = notes_.data();
    const Note* end = note + (pending & note_count);
    u64 done = completed_;
    u64 last = start;
    for (const auto& instruction : steps) {
        last = step(instruction, start, note, end);
        done = std::max(done, last);
    }
    // What the instruction that did not complete had missed: the event waits for it.
    for (; note != end; ++note) done = std::max(done, serve_load(*note, start + cost));
    finish(uops, cost, done);
    if ((pending & mispredicted) != 0) {
        if (last > front_) wait_until(last, Bucket::branch);
        charge(Bucket::branch, params_.mispredict_penalty);
    }
}

void CoreModel::blame(const MissParts& parts, u64 until) {
    if (front_ >= blame_until_) {
        blame_.fill(0);
        blame_total_ = 0;
    }
    if (until <= front_) return;
    const auto add = [this](Bucket bucket, u32 cycles) {
        blame_[static_cast<unsigned>(bucket)] += to_ticks(cycles);
        blame_total_ += to_ticks(cycles);
    };
    add(Bucket::data_cache, parts.data_cache);
    add(Bucket::tlb, parts.tlb);
    add(Bucket::walk_native, parts.walk_native);
    add(Bucket::walk_ept, parts.walk_ept);
    add(Bucket::walk_nested, parts.walk_nested);
    blame_until_ = std::max(blame_until_, until);
    const u64 outstanding = blame_until_ - front_;
    if (blame_total_ <= outstanding) return;
    u64 total = 0;
    for (u64& share : blame_) total += share = static_cast<u64>(u128{share} * outstanding / blame_total_);
    blame_total_ = total;
}

// Moves `ticks` (at most blame_total_) from the misses to the stack, in proportion; the rounding goes to the first that have any left.
void CoreModel::draw(u64 ticks) {
    u64 left = ticks;
    const u64 total = blame_total_;
    const auto take = [&](unsigned bucket, u64 amount) {
        blame_[bucket] -= amount;
        blame_total_ -= amount;
        left -= amount;
        advance(static_cast<Bucket>(bucket), amount);
    };
    for (unsigned i = 0; i < bucket_count; ++i) take(i, static_cast<u64>(u128{blame_[i]} * ticks / total));
    for (unsigned i = 0; i < bucket_count && left != 0; ++i) take(i, std::min(left, blame_[i]));
}

void CoreModel::wait_blaming(u64 until, Bucket rest) {
    const u64 explained = std::min(until, blame_until_);
    if (explained > front_) draw(std::min(explained - front_, blame_total_));
    if (until > front_) advance(rest, until - front_);
    if (front_ >= blame_until_) {
        blame_.fill(0);
        blame_total_ = 0;
    }
}

void CoreModel::charge_string(u64 bytes, u64 excess) {
    charge(Bucket::instruction_issue, (bytes + params_.string_bytes_per_cycle - 1) / params_.string_bytes_per_cycle);
    u64 wait = excess / params_.line_fill_buffers;
    if (dram_ != nullptr) wait += dram_->occupy(cycles(), dram_->take_pending());
    charge(Bucket::data_cache, wait);
}

void CoreModel::serialise() {
    settle();
    if (completed_ > front_) wait_until(completed_, Bucket::instruction_issue);
}

void CoreModel::resume_at(u64 cycle) {
    settle();
    pending_ = 0;
    front_ = completed_ = to_ticks(cycle);
    ready_.fill(0);
    line_fill_free_.fill(0);
    walker_free_.fill(0);
    blame_.fill(0);
    blame_total_ = 0;
    in_flight_.fill(0);
    if (dram_ != nullptr) static_cast<void>(dram_->take_pending());
}

}  // namespace vtsim::timing
