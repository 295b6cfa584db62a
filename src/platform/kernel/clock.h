// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemc>

#include "base/types.h"

namespace vtsim::platform {

// Core cycles are the truth and kernel time is computed from them, never accumulated: cycles_at(time_of(c)) == c for every
// frequency below the kernel's resolution of 1 THz.
class Clock {
public:
    explicit Clock(u64 hertz) : hertz_{hertz} {}
    [[nodiscard]] u64 hertz() const { return hertz_; }
    [[nodiscard]] sc_core::sc_time time_of(u64 cycles) const {
        return sc_core::sc_time::from_value(static_cast<u64>(u128{cycles} * picoseconds_per_second / hertz_));
    }
    // The first cycle that does not begin before `time`.
    [[nodiscard]] u64 cycles_at(const sc_core::sc_time& time) const {
        return static_cast<u64>((u128{time.value()} * hertz_ + picoseconds_per_second - 1) / picoseconds_per_second);
    }
    // Later cycles have no kernel time (it counts 213 days).
    [[nodiscard]] u64 last_cycle() const { return static_cast<u64>(u128{~u64{0}} * hertz_ / picoseconds_per_second); }
    [[nodiscard]] double seconds(u64 cycles) const { return static_cast<double>(cycles) / static_cast<double>(hertz_); }

private:
    static constexpr u64 picoseconds_per_second = 1'000'000'000'000;
    u64 hertz_;
};

}  // namespace vtsim::platform
