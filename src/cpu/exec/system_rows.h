// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/decode/opcode_table.h"

// The files behind "system instructions"; system.cpp itself exports system_rows().
namespace vtsim::cpu::exec {

std::span<const Row> control_register_rows();    // control_registers.cpp: CLTS, LMSW, SMSW; MOV CR by build_mov_control
std::span<const Row> descriptor_table_rows();    // descriptor_tables.cpp: LGDT to LTR, VERR to ARPL
std::span<const Row> flag_rows();                // flags.cpp: PUSHF, POPF, CLI, STI, CLAC, STAC
std::span<const Row> identification_rows();      // identification.cpp: CPUID, MSRs, TSC, random numbers, FS and GS bases
std::span<const Row> io_rows();                  // io.cpp: IN, OUT, INS, OUTS
bool build_mov_debug(const Decoded& decoded, Built& op);    // debug_registers.cpp

}  // namespace vtsim::cpu::exec
