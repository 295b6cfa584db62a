// SPDX-License-Identifier: Apache-2.0
// print("value=", hex(v, 16), " count=", n, "\n") to the serial port; what one call prints stays together.
#pragma once
#include "common/spin_lock.h"
#include "common/types.h"

namespace guest {

struct Hex {
    u64 value;
    unsigned digits;  // at least so many
};
constexpr Hex hex(u64 value, unsigned digits = 1) { return {value, digits}; }

void print_one(const char* text);
void print_one(char c);
void print_one(u64 value);
void print_one(Hex value);
inline void print_one(u32 value) { print_one(u64{value}); }

inline SpinLock print_lock;

template <class... Items>
void print(const Items&... items) {
    const Locked locked{print_lock};
    (print_one(items), ...);
}

}  // namespace guest
