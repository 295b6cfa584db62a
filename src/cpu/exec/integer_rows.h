// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

// Builders that share a mnemonic but live in different files.
namespace vtsim::cpu::exec {

std::span<const Row> move_rows();                                  // move.cpp
std::span<const Row> shift_rows();                                 // shift.cpp
std::span<const Row> multiply_rows();                              // multiply.cpp
std::span<const Row> bit_rows();                                   // bit.cpp
bool build_mov_any(const Decoded& decoded, Built& op);             // move.cpp
bool build_nop(const Decoded& decoded, Built& op);                 // move.cpp
bool build_xchg(const Decoded& decoded, Built& op);                // move.cpp
// MOV and PUSH/POP with a segment register: far.cpp. MOV with CR0-CR8, DR0-DR7: system.cpp. They set op.flow.
bool build_mov_segment(const Decoded& decoded, Built& op);
bool build_push_segment(const Decoded& decoded, Built& op);
bool build_pop_segment(const Decoded& decoded, Built& op);
bool build_mov_control(const Decoded& decoded, Built& op);

}  // namespace vtsim::cpu::exec
