// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/event.h"
#include "arch/segment.h"
#include "base/bits.h"
#include "base/types.h"

namespace vtsim::cpu {

class Core;
struct MicroOp;

// A handler executes one micro-op and returns by calling the next one's handler in its return statement. What comes back in the end only passes
// through: nullptr leaves the run loop. In builds without sibling calls a handler returns the next micro-op instead (exec/dispatch.h).
using Next = const MicroOp*;
using Handler = Next (*)(Core&, const MicroOp&);

enum class AddressSize : u8 { a16, a32, a64 };

// One instruction, decoded once. Everything a handler needs that is not in the core; position-independent within its page.
struct MicroOp {
    Handler handler;
    u64 imm;             // immediate, sign-extended; of a link slot: see Link
    i32 disp;            // displacement of the memory operand (RIP-relative: relative to the page, base = code_page_register)
    u16 offset;          // of the first byte in its page
    u8 remaining;        // instructions from this one, inclusive, to the end of the block
    u8 length;           // in bytes
    u8 dst;              // register number of operand 0 (8-bit general registers: byte offset into the register file)
    u8 src;              // register number of operand 1
    u8 aux;              // register number of operand 2; condition; what the instruction likes
    u8 base;             // of the memory operand; zero_register if none
    u8 index;
    u8 shape;            // scale, segment, address size of the memory operand
    u8 width;            // log2 of the operand size in bytes
    u8 flags;

    using Scale = Field<1, 0>;
    using Segment = Field<4, 2>;
    using AddressWidth = Field<6, 5>;
    static constexpr u8 has_memory = 1, memory_is_destination = 2, lock = 4, rep = 8, repne = 16, has_immediate = 32, operand16 = 64, rex_w = 128;

    [[nodiscard]] unsigned scale() const { return static_cast<unsigned>(Scale::get(shape)); }
    [[nodiscard]] arch::SegmentRegister segment() const { return static_cast<arch::SegmentRegister>(Segment::get(shape)); }
    [[nodiscard]] AddressSize address_size() const { return static_cast<AddressSize>(AddressWidth::get(shape)); }
    [[nodiscard]] bool memory() const { return (flags & has_memory) != 0; }
    [[nodiscard]] unsigned bytes() const { return 1U << width; }
};
static_assert(sizeof(MicroOp) == 32);

}  // namespace vtsim::cpu
