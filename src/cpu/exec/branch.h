// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/exec/dispatch.h"

// Near branches: the end of a block and the way into the next.
namespace vtsim::cpu {

enum class BranchKind : u8 { conditional, jump, call, indirect_jump, indirect_call, ret };

namespace slow {
// The link does not lead anywhere yet, its block died, or its page is mapped elsewhere now: looks the target up, mends the link and goes on. (run_loop.cpp)
Next follow(Core& core, const MicroOp& terminal, Link& link);
Next indirect(Core& core, u64 linear_target);
// Leaves before `block`, which was looked at but not started.
Next leave_before(Core& core, const Block& block);
}  // namespace slow

namespace slow {
// Timing mode: retires the block before into the timing model, looks at the clock, fetches. Out of line, so that handlers need no registers of their own for it. (run_loop.cpp)
Next start_timed(Core& core, const Block& block);
}  // namespace slow

// Starts a block. The budget counts instructions; in timing mode the block before is retired into the timing model here and the clock is looked at.
template <bool timed>
[[gnu::always_inline]] inline Next start(Core& core, const Block& block) {
    if constexpr (timed) return slow::start_timed(core, block);
    core.budget -= block.count;
    if (core.budget < 0) [[unlikely]] return slow::leave_before(core, block);
    return dispatch(core, *block.ops());
}

// Counts a hit in the modelled TLB where its way still holds the page. No call: the slow path asks again. So it does where the grant is used up,
// because it may leave without a lookup, and whoever comes back looks up again.
[[gnu::always_inline]] inline bool touch_fetch(Core& core, const mmu::FetchEntry& entry) {
    if (core.budget <= 0) [[unlikely]] return false;
    if (core.mmu.fetch_serial(entry.way) != entry.serial || !core.mmu.stamps_fetch()) [[unlikely]] return false;
    core.mmu.stamp_fetch(entry.way);
    return true;
}

// Follows a direct link. Same page: the generation decides. Another page: the instruction translation of the target must still lead to the block's frame.
template <bool timed>
[[gnu::always_inline]] inline Next follow(Core& core, const MicroOp& terminal, Link& link) {
    const Block* block = link.block;
    if (block->generation == link.generation) [[likely]] return start<timed>(core, *block);
    if (block->generation != link.generation_elsewhere) [[unlikely]] return slow::follow(core, terminal, link);
    const u64 linear = core.s.gpr[arch::State::code_page_register] + link.target;
    const auto& entry = core.mmu.fetch.at(linear);
    if (entry.tag != ((linear & ~page_offset_mask) | core.fetch_context) || entry.frame != block->frame) [[unlikely]] return slow::follow(core, terminal, link);
    if (timed && !touch_fetch(core, entry)) [[unlikely]] return slow::follow(core, terminal, link);
    core.s.gpr[arch::State::code_page_register] = linear & ~page_offset_mask;
    core.code_frame = entry.frame;
    return start<timed>(core, *block);
}

// An indirect target: the page's translation, then the block table.
template <bool timed>
[[gnu::always_inline]] inline Next go_to(Core& core, u64 linear) {
    const auto& entry = core.mmu.fetch.at(linear);
    if (entry.tag != ((linear & ~page_offset_mask) | core.fetch_context)) [[unlikely]] return slow::indirect(core, linear);
    const u64 key = (entry.frame | (linear & page_offset_mask)) | core.mode_bits;
    const Block* block = core.blocks.find_fast(key);
    if (block->key != key || block->crosses_page()) [[unlikely]] return slow::indirect(core, linear);
    // Last, because it counts: whoever goes the other way looks up by himself.
    if (timed && !touch_fetch(core, entry)) [[unlikely]] return slow::indirect(core, linear);
    core.s.gpr[arch::State::code_page_register] = linear & ~page_offset_mask;
    core.code_frame = entry.frame;
    return start<timed>(core, *block);
}

template <bool timed>
[[gnu::always_inline]] inline void predict_conditional(Core& core, const MicroOp& op, bool taken) {
    if constexpr (timed) {
        if (core.predictor.conditional(core.rip_of(op), taken)) [[unlikely]] core.model.note_mispredict();
    }
}

template <bool timed>
[[gnu::always_inline]] inline Next branch_if(Core& core, const MicroOp& jcc, bool taken) {
    // Two paths that the compiler must not join: a link chosen by arithmetic would make the next micro-op's address wait for the condition, where a
    // predicted branch lets the host run ahead.
    if (taken) {
        predict_conditional<timed>(core, jcc, true);
        asm volatile("");
        return follow<timed>(core, jcc, link_after(jcc, 0));
    }
    predict_conditional<timed>(core, jcc, false);
    return follow<timed>(core, jcc, link_after(jcc, 1));
}

}  // namespace vtsim::cpu
