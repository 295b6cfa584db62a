// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::timing {

// A clock of `hz`, against picoseconds. Absolute values are converted, never sums of rounded periods: cycles_at(time_of(c)) == c for
// every clock below 1 THz, and nothing drifts.
class Clock {
public:
    static constexpr u64 ps_per_second = 1'000'000'000'000;

    explicit constexpr Clock(u64 hz) : hz_(hz) {}
    [[nodiscard]] constexpr u64 hz() const { return hz_; }
    // Picoseconds at the beginning of a cycle, rounded down.
    [[nodiscard]] constexpr u64 time_of(u64 cycle) const { return static_cast<u64>(u128{cycle} * ps_per_second / hz_); }
    // The first cycle that does not begin before `picoseconds`.
    [[nodiscard]] constexpr u64 cycles_at(u64 picoseconds) const {
        return static_cast<u64>((u128{picoseconds} * hz_ + (ps_per_second - 1)) / ps_per_second);
    }

private:
    u64 hz_;
};

// The counts of two clocks that started together, e.g. the time-stamp counter from core cycles.
class ClockRatio {
public:
    constexpr ClockRatio(u64 from_hz, u64 to_hz) : from_hz_(from_hz), to_hz_(to_hz) {}
    [[nodiscard]] constexpr u64 convert(u64 count) const { return from_hz_ == to_hz_ ? count : static_cast<u64>(u128{count} * to_hz_ / from_hz_); }
    // The smallest count that convert() maps to `converted` or more.
    [[nodiscard]] constexpr u64 first_reaching(u64 converted) const {
        return from_hz_ == to_hz_ ? converted : static_cast<u64>((u128{converted} * from_hz_ + (to_hz_ - 1)) / to_hz_);
    }

private:
    u64 from_hz_;
    u64 to_hz_;
};

}  // namespace vtsim::timing
