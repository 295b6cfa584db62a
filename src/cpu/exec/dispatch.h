// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/core.h"

// Dispatch. A handler ends in the tail call of the next handler; a release build has neither `ret` nor an indirect call in any of them
// (tests/system/tail_calls). What breaks a sibling call without a word: an object with a destructor alive at the return, the address of
// a local that escaped, more than 16 bytes returned, arguments on the stack. Therefore only hot families are handlers; all else
// is a body: an ordinary function, wrapped once by `complex` or `complex_end`.
namespace vtsim::cpu {

inline constexpr bool tail_calls = VTSIM_TAIL_CALLS != 0;

[[gnu::always_inline]] inline Next dispatch(Core& core, const MicroOp& op) {
    if constexpr (tail_calls) return op.handler(core, op);
    else return &op;
}

[[gnu::always_inline]] inline Next next(Core& core, const MicroOp& op) { return dispatch(core, (&op)[1]); }

// After a fused pair: the second micro-op was executed too.
[[gnu::always_inline]] inline Next next_but_one(Core& core, const MicroOp& op) { return dispatch(core, (&op)[2]); }

// Delivers the event of an instruction that did not complete and goes on wherever that leads. (run_loop.cpp)
Next raise(Core& core, const MicroOp& op, arch::Event event);
// Looks up or decodes the block at RIP and goes there; leaves the run loop when something needs attention. (run_loop.cpp)
Next enter(Core& core);
// The same with RIP at `op`, which is not an instruction but the end of a block: a handler.
Next enter_at_end(Core& core, const MicroOp& op);
// What the micro-ops of a killed block become: leaves the block before this instruction. A handler.
Next stale(Core& core, const MicroOp& op);

// Before every instruction of a block that was decoded with DecodeMode::breakpoints: leaves it if the instruction before has met a data or I/O breakpoint, raises #DB
// if there is a breakpoint at this one. A handler.
Next check_breakpoints(Core& core, const MicroOp& op);

// An instruction as an ordinary function. The body returns an event, or nothing when it completed.
using Body = arch::Event (*)(Core&, const MicroOp&);

template <Body body>
Next complex(Core& core, const MicroOp& op) {
    if (const arch::Event event = body(core, op)) [[unlikely]] return raise(core, op, event);
    return next(core, op);
}

// A body that may change RIP, the mode, a translation or what interrupts: ends its block. It finds RIP already at the next instruction.
template <Body body>
Next complex_end(Core& core, const MicroOp& op) {
    core.s.rip = core.next_rip(op);
    if (const arch::Event event = body(core, op)) [[unlikely]] return raise(core, op, event);
    return enter(core);
}

// An instruction that waits until all before it have completed, and that nothing overtakes (SDM vol. 3, "Serializing Instructions"): a body with Flow::ends.
template <Body body>
[[gnu::noinline]] arch::Event serialising(Core& core, const MicroOp& op) {
    const arch::Event event = body(core, op);
    if (!event) core.serialise();
    return event;
}

}  // namespace vtsim::cpu
