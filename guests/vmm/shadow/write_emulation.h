// SPDX-License-Identifier: Apache-2.0
// The instructions with which kernels write page-table entries, executed by the VMM.
#pragma once
#include "common/types.h"

namespace guest {

struct GuestMemory;
struct Vcpu;

struct TableWrite {
    bool known = false;     // else: nothing has happened
    unsigned bytes = 0;
    unsigned length = 0;    // of the instruction
};

// Executes the instruction at `code` (`available` bytes can be read), whose memory operand is at `operand`: MOV, XCHG, AND, OR, XOR, ADD, SUB, CMPXCHG, BTS, BTR of
// 32 and 64 bits in 64-bit mode, LOCK or not. SDM vol. 2, "Instruction Format".
TableWrite emulate_table_write(Vcpu& vcpu, const u8* code, unsigned available, u8* operand);

}  // namespace guest
