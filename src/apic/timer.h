// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::apic {

enum class TimerMode : u8 { one_shot = 0, periodic = 1, tsc_deadline = 2, reserved = 3 };

// Timer-clock ticks per core cycles, in lowest terms: the timer ticks `ticks` times in `cycles` core cycles.
struct ClockRatio {
    u64 ticks = 1;
    u64 cycles = 1;
    [[nodiscard]] static ClockRatio of(u64 timer_hz, u64 core_hz);      // both positive and below 2^40
};

// Divisor that the divide configuration register selects: 1, 2, 4 ... 128. SDM vol. 3, "APIC Timer".
constexpr unsigned timer_divisor(u32 divide_configuration) {
    const unsigned code = (divide_configuration & 3) | ((divide_configuration >> 1) & 4);
    return code == 7 ? 1 : 2U << code;
}

// The local-APIC timer. Time is given in core cycles; nothing is ticked: counts and expiries are closed forms of the moment the count was
// written, so that a period never drifts. SDM vol. 3, "APIC Timer" and "TSC-Deadline Mode".
class Timer {
public:
    static constexpr u64 never = ~u64{0};

    Timer() = default;
    explicit Timer(ClockRatio ratio) : ratio_{ratio} {}

    void reset() {              // all but the clock and the TSC
        const u64 offset = tsc_offset_;
        *this = Timer{ratio_};
        tsc_offset_ = offset;
    }

    // All of these expect that expiries up to `now` have been taken (`expire`).
    void write_initial_count(u32 count, u64 now);       // 0 stops; ignored in TSC-deadline mode
    void write_divide(u32 divide_configuration, u64 now);
    void write_mode(TimerMode mode);                    // into or out of TSC-deadline mode disarms
    void write_tsc_deadline(u64 tsc, u64 now);          // 0 disarms; ignored in the other modes
    void write_tsc_offset(u64 offset, u64 now);         // TSC = core cycles + offset

    [[nodiscard]] u32 initial_count() const { return initial_; }
    [[nodiscard]] u32 current_count(u64 now) const;
    [[nodiscard]] u64 tsc_deadline() const { return tsc_deadline_; }
    [[nodiscard]] TimerMode mode() const { return mode_; }

    // Core cycle of the next expiry, or never.
    [[nodiscard]] u64 deadline() const { return deadline_; }
    // Takes the expiries up to and including `now` and returns how many there were.
    u64 expire(u64 now);

private:
    [[nodiscard]] u64 counts_since_start(u64 now) const;
    [[nodiscard]] u64 cycle_of_count(u128 count) const;
    void arm_tsc(u64 now);

    ClockRatio ratio_;
    TimerMode mode_ = TimerMode::one_shot;
    bool counting_ = false;
    unsigned divisor_ = 2;
    u32 initial_ = 0;           // what is reloaded
    u32 first_ = 0;             // count at start_: differs from initial_ after a change of the divisor
    u64 start_ = 0;             // core cycle
    u64 expired_ = 0;           // expiries taken since start_
    u64 tsc_deadline_ = 0;      // as written; 0 when disarmed
    u64 tsc_offset_ = 0;
    u64 deadline_ = never;
};

}  // namespace vtsim::apic
