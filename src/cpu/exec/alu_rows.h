// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"
#include "cpu/exec/alu.h"

// Handlers of the eight ALU operations and TEST, by where their operands are.
namespace vtsim::cpu::exec {

Handler alu_register_handler(Alu operation, unsigned width, bool immediate, bool live);      // alu_register.cpp
Handler fused_alu_handler(Alu operation, unsigned width, bool immediate, unsigned code, bool timed);   // alu_fused.cpp; nullptr: not fused
Handler fused_step_handler(bool increment, unsigned width, unsigned code, bool timed);       // INC/DEC and Jcc

enum class AluKind : u8 { register_memory, memory_register, memory_immediate };
Handler alu_memory_handler(Alu operation, unsigned width, AluKind kind, const MicroOp& op, const DecodeMode& mode);   // alu_memory.cpp

}  // namespace vtsim::cpu::exec
