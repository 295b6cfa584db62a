// SPDX-License-Identifier: Apache-2.0
// Where control goes when a handler does not simply call the next one: into blocks, out of the run loop, into events. In a file of its own, so that the
// compiler cannot see through these functions and turn a handler's tail call into a call.
#include <algorithm>
#include <array>
#include <utility>

#include "cpu/core.h"
#include "cpu/decode/decoder.h"
#include "cpu/events/events.h"
#include "cpu/exec/branch.h"
#include "cpu/exec/dispatch.h"

namespace vtsim::cpu {
namespace {

constexpr i64 smallest_grant = 64;               // instructions: more than a block has, so that every grant makes progress
static_assert(smallest_grant > BlockDecoder::max_instructions);
constexpr i64 largest_grant = i64{1} << 40;

// B0 to B3 of the breakpoints at this instruction, unless the resume flag or the instruction before, which loaded SS, holds them off. SDM vol. 3, "Masking Exceptions and
// Interrupts When Switching Stacks". `completed`: instructions before it.
u32 instruction_breakpoint(const Core& core, u64 completed, u64 linear) {
    const u32 matched = core.breakpoints.on_instruction(linear);
    if (matched == 0 || core.s.blocked_by_mov_ss) return 0;
    return (core.s.rflags & arch::rflags::rf) != 0 && core.resume_flag_since == completed ? 0 : matched;
}

// There is no block at RIP: its fetch faults or exits.
void refuse_fetch(Core& core, arch::Event event) {
    core.drop_block();
    // What the instruction before has met traps first; a breakpoint on this one comes before what is wrong with its fetch.
    if (core.breakpoint_hits != 0) {
        core.attention = true;
        return;
    }
    if (const u32 matched = core.breakpoints.any() ? instruction_breakpoint(core, core.instructions(), core.linear_rip()) : 0; matched != 0) {
        core.fault.qualification = matched;
        event = arch::exception(arch::Vector::db);
    }
    events::handle(core, event, 0);
}

Next start_any(Core& core, const Block& block) { return core.decode_mode.timed ? start<true>(core, block) : start<false>(core, block); }

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------------------------------

arch::Outcome<Block*> Core::find_block(u64 linear) {
    const auto frame = fetch_frame(linear);
    if (!frame) return frame.event;
    return find_block_in_page(linear, frame.value);
}

arch::Outcome<Block*> Core::find_block_in_page(u64 linear, u64 frame) {
    const u64 page = linear & ~page_offset_mask;
    const u64 key = (frame | (linear & page_offset_mask)) | mode_bits;
    Block* found = params.engine.block_cache ? blocks.find(key) : nullptr;
    if (found != nullptr && found->crosses_page()) {
        // The second page may be mapped elsewhere now.
        const auto second = fetch_frame(page + page_size);
        if (!second) return second.event;
        if (second.value != found->second_frame) found = nullptr;
    }
    if (found == nullptr) {
        const auto decoded = decode_block(linear, frame);
        if (!decoded) return decoded.event;
        found = decoded.value;
    }
    s.gpr[arch::State::code_page_register] = page;
    code_frame = frame;
    return found;
}

arch::Outcome<Block*> Core::decode_block(u64 linear, u64 frame) {
    static constexpr std::array<u8, page_size> nothing = [] {
        std::array<u8, page_size> bytes{};
        bytes.fill(0xff);                       // what an unassigned address reads as
        return bytes;
    }();
    const auto offset = static_cast<u16>(linear & page_offset_mask);
    BlockDecoder::Source source{nothing.data() + offset, static_cast<unsigned>(page_size - offset), nullptr, frame, Block::no_frame, offset};
    const bool ram = memory.is_ram(PhysicalAddress{frame}, page_size);
    if (ram) source.bytes = memory.host(PhysicalAddress{frame + offset});
    Block* made = nullptr;
    fetch_time_ = ~u64{0};                      // the new block may get the memory of the one that was fetched last
    if (decoder_->decode(*this, source, made) == BlockDecoder::Result::needs_second_page) {
        const auto second = fetch_frame((linear & ~page_offset_mask) + page_size);
        if (!second) return second.event;
        source.second_frame = second.value;
        const bool second_ram = memory.is_ram(PhysicalAddress{second.value}, page_size);
        source.second = second_ram ? memory.host(PhysicalAddress{second.value}) : nothing.data();
        decoder_->decode(*this, source, made);
        if (second_ram) memory.mark_code(PhysicalAddress{second.value});
    }
    if (ram) memory.mark_code(PhysicalAddress{frame});
    return made;
}

Next enter(Core& core) {
    for (;;) {
        if (core.attention || core.budget <= 0) [[unlikely]] return nullptr;
        u64 linear = core.s.rip;
        if (!core.code64()) {
            const auto& code = core.s.segment[arch::cs];
            if (core.s.rip > code.limit) [[unlikely]] {
                events::handle(core, arch::general_protection(), 0);
                continue;
            }
            linear = static_cast<u32>(code.base + core.s.rip);
        } else if (!core.canonical(linear)) [[unlikely]] {
            events::handle(core, arch::general_protection(), 0);
            continue;
        }
        const auto block = core.find_block(linear);
        if (!block) [[unlikely]] {
            refuse_fetch(core, block.event);
            continue;
        }
        if (!core.code64() && core.s.rip + block.value->bytes - 1 > core.s.segment[arch::cs].limit) [[unlikely]] {
            // Close to the limit of the code segment: one instruction at a time, so that the one that crosses it faults and no earlier one does.
            if (core.decode_mode.single_step) {
                events::handle(core, arch::general_protection(), 0);
                continue;
            }
            core.step_once = true;
            core.attention = true;
            return nullptr;
        }
        return start_any(core, *block.value);
    }
}

Next enter_at_end(Core& core, const MicroOp& op) {
    core.s.rip = core.truncate_rip(core.rip_of(op));
    return enter(core);
}

Next stale(Core& core, const MicroOp& op) {
    core.retire_partial(op);
    core.budget += op.remaining;
    core.s.rip = core.truncate_rip(core.rip_of(op));
    return enter(core);
}

Next check_breakpoints(Core& core, const MicroOp& op) {
    if (core.breakpoint_hits != 0) {
        core.attention = true;
        return stale(core, op);
    }
    if (const u32 matched = instruction_breakpoint(core, core.instructions() - op.remaining, core.rip_of(op)); matched != 0) {
        core.fault.qualification = matched;
        return raise(core, op, arch::exception(arch::Vector::db));
    }
    return next(core, op);
}

// ---- events -------------------------------------------------------------------------------------------------------------

Next raise(Core& core, const MicroOp& op, arch::Event event) {
    switch (event.kind) {
        case arch::EventKind::magic:                                 // completed: the run loop acts on it
            core.s.rip = core.next_rip(op);
            core.magic_request = event.number;
            core.attention = true;
            return nullptr;
        case arch::EventKind::resync:
            core.breakpoint_hits = 0;                                // the instruction will be executed again
            core.retire_partial(op);
            core.budget += op.remaining;
            core.s.rip = core.truncate_rip(core.rip_of(op));
            core.interrupt_shadow = core.s.blocked_by_sti || core.s.blocked_by_mov_ss;      // the instruction under the shadow is still to come
            core.resync_request = true;
            core.attention = true;
            return nullptr;
        default: break;
    }
    core.retire_partial(op);
    core.budget += op.remaining;
    if (!std::exchange(core.task_switched, false)) core.s.rip = core.truncate_rip(core.rip_of(op));
    if (event.kind == arch::EventKind::restart) return enter(core);
    core.breakpoint_hits = 0;                                        // traps are for instructions that complete
    // A VM exit ends an instruction that was executed as far as software can tell only for trap-like exits; the fault-like ones are not counted.
    events::handle(core, event, op.length);
    return enter(core);
}

// ---- links --------------------------------------------------------------------------------------------------------------

namespace slow {

Next follow(Core& core, const MicroOp& terminal, Link& link) {
    const u64 linear = core.s.gpr[arch::State::code_page_register] + link.target;
    (void)terminal;
    core.s.rip = linear;
    // The single-step trap comes before a fault of the target's fetch. SDM vol. 3, "Priority Among Concurrent Events".
    if (core.attention || (core.s.rflags & arch::rflags::tf) != 0) [[unlikely]] return nullptr;
    if (!core.canonical(linear)) [[unlikely]] return enter(core);
    const u32 empties = core.blocks.empties;
    // In the same page no fetch asks for a translation again, whether the link is there already or not.
    const auto block = link.target < page_size ? core.find_block_in_page(linear, core.code_frame) : core.find_block(linear);
    if (!block) [[unlikely]] {
        refuse_fetch(core, block.event);
        return enter(core);
    }
    if (core.params.engine.chaining && !block.value->crosses_page() && empties == core.blocks.empties) {
        link.block = block.value;
        (link.target < page_size ? link.generation : link.generation_elsewhere) = block.value->generation;
    }
    return start_any(core, *block.value);
}

static Next dispatch_in_time(Core& core, const Block& block) {
    if (core.budget < 0 || core.model.cycles() >= core.cycle_limit) [[unlikely]] return leave_before(core, block);
    return dispatch(core, *block.ops());
}

// The general case of start_timed; warm mode, too, where blocks have no timing.
[[gnu::noinline]] static Next start_after_other(Core& core, const Block& block) {
    core.retire_block();
    core.touch_code(block);
    core.block = &block;
    core.budget -= block.count;
    return dispatch_in_time(core, block);
}

Next start_timed(Core& core, const Block& block) {
    if (core.block != &block || !core.model.repeats(block.timing) || !core.code_is_fresh()) return start_after_other(core, block);
    core.model.retire_repeated();
    core.port.fetch_again(block.lines);
    core.budget -= block.count;
    return dispatch_in_time(core, block);
}

Next indirect(Core& core, u64 linear_target) {
    core.s.rip = linear_target;
    return enter(core);
}

Next leave_before(Core& core, const Block& block) {
    core.s.rip = core.truncate_rip(core.s.gpr[arch::State::code_page_register] + block.offset);
    core.budget += block.count;              // `start` took them before it looked
    core.block = nullptr;
    return nullptr;
}

}  // namespace slow

// ---- the loop -----------------------------------------------------------------------------------------------------------

void Core::run_grant(i64 instructions) {
    retired_before_grant_ = this->instructions();
    granted = budget = instructions;
    Next op = enter(*this);
    if constexpr (!tail_calls)
        while (op != nullptr) op = op->handler(*this, *op);
    drop_block();
}

// One instruction, in a block of its own.
void Core::run_one() {
    decode_mode.single_step = true;
    rebuild_mode_bits();
    run_grant(1);
    decode_mode.single_step = false;
    rebuild_mode_bits();
}

i64 Core::instructions_until(u64 cycle) const {
    if (mode_ == Mode::timing) return largest_grant;
    const u64 now = cycles();
    if (cycle <= now) return 1;
    const u128 wanted = static_cast<u128>(cycle - now) * 1000 / params.engine.functional_cycles_per_1000;
    return wanted > static_cast<u128>(largest_grant) ? largest_grant : std::max(static_cast<i64>(wanted), i64{1});
}

Stop Core::execute(u64 until_cycle) {
    const Stop stop = run_until(until_cycle);
    settle_resume_flag();                                            // whoever looks at the state finds it exact
    return stop;
}

Stop Core::run_until(u64 until_cycle) {
    cycle_limit = mode_ == Mode::timing ? until_cycle : ~u64{0};
    for (;;) {
        // What asked for attention. Order: what ends everything, then what the platform must do, then what the architecture takes at a boundary.
        if (end_cause_ != EndCause::none) return Stop::ended;
        if (magic_request != 0) {
            const unsigned request = std::exchange(magic_request, 0U);
            if (on_magic) on_magic(request);
            if (end_cause_ != EndCause::none) return Stop::ended;
            if (stop_requested) return Stop::budget;
        }
        if (std::exchange(resync_request, false)) return Stop::resync;
        attention = false;
        const bool shadow = std::exchange(interrupt_shadow, false);
        if (events::take_pending(*this, shadow)) continue;
        if (end_cause_ != EndCause::none) return Stop::ended;
        if (halted) return Stop::halted;
        if (instructions() >= instruction_limit_ || cycles() >= until_cycle) {
            interrupt_shadow = shadow;                               // holds when execution goes on
            return instructions() >= instruction_limit_ ? Stop::limit : Stop::budget;
        }

        const bool trap_after = (s.rflags & arch::rflags::tf) != 0;
        if (shadow || trap_after || in_step_ || std::exchange(step_once, false) || events::single_steps(*this)) {
            const u64 before = instructions();
            event_delivered = false;
            run_one();
            in_step_ = false;
            const bool element = std::exchange(between_elements, false);
            events::after_step(*this, trap_after, element || instructions() != before);
            if (shadow) events::end_of_shadow(*this);
            continue;
        }
        // A timer of the core itself is met exactly; the end of a quantum may be passed by less than a block.
        const u64 deadline = next_deadline();
        const u64 end = std::min(until_cycle, deadline);
        i64 left = static_cast<i64>(std::min<u64>(instruction_limit_ - instructions(), static_cast<u64>(largest_grant)));
        left = std::min(left, end == deadline ? instructions_until(deadline) : std::max(instructions_until(until_cycle), smallest_grant));
        if (left < smallest_grant) {
            run_one();
            continue;
        }
        if (mode_ == Mode::timing) cycle_limit = end;
        run_grant(left);
    }
}

}  // namespace vtsim::cpu
