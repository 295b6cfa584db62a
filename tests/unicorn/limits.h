// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "unicorn/generator.h"

// The checks of segments and ports, written down once more from the manual: QEMU's translator, and with it Unicorn, makes none for the accesses of instructions.
namespace vtsim::unicorn {

struct Prediction {
    bool stack_fault = false, protection_fault = false;    // #SS(0), #GP(0): either may come when both are set
    bool certain = true;                                   // else only some path through the instruction violates
    [[nodiscard]] bool any() const { return stack_fault || protection_fault; }
    [[nodiscard]] bool allows(int vector) const { return (stack_fault && vector == 12) || (protection_fault && vector == 13); }
};

// What the instruction's own accesses to memory violate. SDM vol. 3, "Limit Checking", "Type Checking"; of loads, stores, the stack, the instruction's own bytes.
[[nodiscard]] Prediction predict_segment_faults(const Case& c);

// Whether a frame of `slots` of `bytes`, the last of which is at the stack pointer of `after`, violates the limit of its stack segment.
[[nodiscard]] bool frame_violates(const arch::State& after, unsigned slots, unsigned bytes);

// Whether IN, OUT and relatives raise #GP(0). SDM vol. 1, "I/O Privilege Level", "I/O Permission Bit Map".
[[nodiscard]] bool port_denied(const Case& c, Memories& memories);

}  // namespace vtsim::unicorn
