// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>

#include "base/types.h"
#include "cpu/exec/x87.h"

// What both processors, the host's and the simulated one, start from and end with.
namespace vtsim::differential {

// Both see these linear addresses. The data area is four pages between two that are not there: two to write, one to read, none.
inline constexpr u64 code_page = 0x120'0000, data_region = 0x140'0000, data_start = data_region + 0x1000, page = 0x1000;
inline constexpr u64 data_bytes = 3 * page, writable_bytes = 2 * page;
inline constexpr u64 longest_code = 512;

struct Registers {
    std::array<u64, 16> gpr{};
    u64 rip = 0, rflags = 2, fs_base = 0, gs_base = 0;
    cpu::exec::FxsaveArea fx{};        // x87, MXCSR and XMM; instruction and data pointers are not compared
    std::array<std::array<u8, 16>, 16> high{};      // upper halves of YMM
};

inline constexpr int no_vector = -1;

struct Outcome {
    Registers registers;
    int vector = no_vector;            // of the exception that ended execution; none: it reached the end
    u64 error_code = 0, cr2 = 0;       // of a page fault
};

using Data = std::array<u8, data_bytes>;

}  // namespace vtsim::differential
