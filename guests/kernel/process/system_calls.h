// SPDX-License-Identifier: Apache-2.0
// Numbers of the system calls, and how a program in ring 3 makes them.
#pragma once
#include "common/types.h"

namespace guest {

enum class SystemCall : u64 {
    exit,      // (status): 0, as user_start in user_mode.S knows
    map,       // (linear, pages): zeroed memory, given at the first touch
    map_file,  // (linear, file): its shared pages, read-only; returns how many
    protect,   // (linear, pages): read-only from now on
    unmap,     // (linear, pages)
    count,     // returns how often it has been called
    self_ipi,  // (): an interrupt of self_ipi_vector to the processor itself; it comes when the program goes on
};

constexpr u8 self_ipi_vector = 0x41;

void enable_system_calls();

// Inline always: a program's code is all in its own section.
[[gnu::always_inline]] inline u64 system_call(SystemCall call, u64 a = 0, u64 b = 0) {
    u64 result = u64(call);
    asm volatile("syscall" : "+a"(result) : "D"(a), "S"(b) : "rcx", "r11", "memory");
    return result;
}

}  // namespace guest
