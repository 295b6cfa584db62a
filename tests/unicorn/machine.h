// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "arch/event.h"
#include "arch/state.h"

// What the two processors, Unicorn's and vtsim's, start from and end with. The state is vtsim's own structure; what neither executes here (vector registers, x87, ...) stays as it is.
namespace vtsim::unicorn {

// Physical memory that both have and that is compared: tables below, code, data and stacks above. A second window lies around 1 MByte, where real-address mode wraps or does not.
inline constexpr u64 gdt = 0x1000, ldt = 0x1400, idt = 0x2000, tss = 0x3000, page_tables = 0x4000, room = 0x1'0000, code = 0x1'8000, data = 0x1'9000, stacks = 0x2'0000, room_end = 0x3'0000;
inline constexpr u64 targets = code + 0x400, targets_end = code + 0xc00;          // of branches for the most part: HLTs
inline constexpr u64 top_start = 0xf'f000, top_end = 0x11'0000;
inline constexpr unsigned gdt_entries = 64, ldt_entries = 32, vectors = 256;
inline constexpr u64 tss_bytes = 104, io_map_bytes = 64;

inline constexpr int no_vector = -1;

enum class End : u8 {
    done,          // one instruction, or the delivery of an event, complete
    exception,     // vector and error code say which; nothing was delivered
    outside,       // of the memory that both have: says nothing
};

struct IoAccess {
    u16 port;
    unsigned size;
    bool write;
    u64 value;
    bool operator==(const IoAccess&) const = default;
};

struct Outcome {
    arch::State state;
    End end = End::done;
    int vector = no_vector;
    u32 error_code = 0;
    bool software = false;             // INT n, INT3, INTO, INT1: RIP is behind the instruction
    std::vector<IoAccess> io;
};

// What a port answers.
struct Port {
    u16 number = 0;
    u64 value = 0;
};

}  // namespace vtsim::unicorn
