// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

namespace vtsim::cpu::exec {

std::span<const Row> x87_rows();               // x87.cpp: instructions that compute, compare and move
std::span<const Row> x87_state_rows();         // x87_state.cpp: control and status words, environments, FXSAVE

// The area of FXSAVE. SDM vol. 1, "FXSAVE Area". The registers are those of the stack: the first one is ST(0).
struct alignas(16) FxsaveArea {
    u16 control, status;
    u8 tags, reserved0;
    u16 opcode;
    u64 instruction_pointer, data_pointer;
    u32 mxcsr, mxcsr_mask;
    u8 st[8][16];
    u8 xmm[16][16];
    u8 reserved1[96];
};
static_assert(sizeof(FxsaveArea) == 512);

namespace x87 {

inline constexpr u16 exceptions = 0x3f, stack_fault = 0x40, error_summary = 0x80, busy = 0x8000;
using Top = Field<13, 11>;

inline unsigned top(const arch::X87State& x87) { return static_cast<unsigned>(Top::get(x87.status)); }

// ES, and B with it, say whether there is an unmasked exception: after everything that changes flags or masks.
inline void summarize(arch::X87State& x87) {
    constexpr u16 both = error_summary | busy;
    const bool unmasked = (x87.status & ~x87.control & exceptions) != 0;
    x87.status = static_cast<u16>(unmasked ? x87.status | both : x87.status & ~both);
}

// What waiting instructions see first: #MF when an unmasked exception is pending. Without CR0.NE the exception would leave the processor as FERR# for the interrupt
// controllers of the PC/AT; there is no such wire here, and the instruction goes on as with IGNNE# asserted.
inline arch::Event pending(const Core& core) {
    if ((core.s.x87.status & error_summary) != 0 && (core.s.cr0 & arch::cr0::ne) != 0) return arch::exception(arch::Vector::mf);
    return {};
}

// The registers as the stack shows them, and back.
void store_stack(const arch::X87State& x87, FxsaveArea& area);
void load_stack(arch::X87State& x87, const FxsaveArea& area);

// The x87 state of FXSAVE and XSAVE, into and out of its part of the area. `wide`: the 64-bit form of the instruction (REX.W), which moves whole pointers; the others
// move 32 bits, and selectors that are zero. (x87_state.cpp)
void save(const arch::X87State& x87, FxsaveArea& area, bool wide);
void restore(arch::X87State& x87, const FxsaveArea& area, bool wide);

}  // namespace x87
}  // namespace vtsim::cpu::exec
