// SPDX-License-Identifier: Apache-2.0
#include "apic/timer.h"

#include <numeric>

namespace vtsim::apic {

ClockRatio ClockRatio::of(u64 timer_hz, u64 core_hz) {
    const u64 divisor = std::gcd(timer_hz, core_hz);
    return {timer_hz / divisor, core_hz / divisor};
}

u64 Timer::counts_since_start(u64 now) const {
    return static_cast<u64>(u128{now - start_} * ratio_.ticks / (u128{ratio_.cycles} * divisor_));
}

// The first core cycle at which `count` counts have passed since start_.
u64 Timer::cycle_of_count(u128 count) const {
    const u128 cycles = (count * ratio_.cycles * divisor_ + ratio_.ticks - 1) / ratio_.ticks;
    return cycles < never - start_ ? start_ + static_cast<u64>(cycles) : never;
}

void Timer::write_initial_count(u32 count, u64 now) {
    if (mode_ == TimerMode::tsc_deadline) return;
    initial_ = first_ = count;
    start_ = now;
    expired_ = 0;
    counting_ = count != 0;
    deadline_ = counting_ ? cycle_of_count(first_) : never;
}

void Timer::write_divide(u32 divide_configuration, u64 now) {
    const unsigned divisor = timer_divisor(divide_configuration);
    if (divisor == divisor_) return;
    if (counting_) {                    // goes on from the current count at the new rate
        first_ = current_count(now);
        start_ = now;
        expired_ = 0;
    }
    divisor_ = divisor;
    if (counting_) deadline_ = cycle_of_count(first_);
}

void Timer::write_mode(TimerMode mode) {
    const bool was_deadline = mode_ == TimerMode::tsc_deadline;
    mode_ = mode;
    if (was_deadline == (mode == TimerMode::tsc_deadline)) return;      // one-shot and periodic share the running count
    tsc_deadline_ = 0;
    counting_ = false;
    initial_ = first_ = 0;
    deadline_ = never;
}

void Timer::write_tsc_deadline(u64 tsc, u64 now) {
    if (mode_ != TimerMode::tsc_deadline) return;
    tsc_deadline_ = tsc;
    arm_tsc(now);
}

void Timer::write_tsc_offset(u64 offset, u64 now) {
    tsc_offset_ = offset;
    if (mode_ == TimerMode::tsc_deadline) arm_tsc(now);
}

void Timer::arm_tsc(u64 now) {
    const u64 tsc = now + tsc_offset_;
    if (tsc_deadline_ == 0) deadline_ = never;
    else if (tsc_deadline_ <= tsc) deadline_ = now;
    else deadline_ = tsc_deadline_ - tsc < never - now ? now + (tsc_deadline_ - tsc) : never;
}

u32 Timer::current_count(u64 now) const {
    if (!counting_) return 0;
    const u128 target = first_ + u128{expired_} * initial_;
    const u64 counts = counts_since_start(now);
    return target > counts ? static_cast<u32>(target - counts) : 0;
}

u64 Timer::expire(u64 now) {
    if (now < deadline_) return 0;
    if (mode_ != TimerMode::periodic) {
        counting_ = false;
        tsc_deadline_ = 0;
        deadline_ = never;
        return 1;
    }
    const u64 expired = 1 + (counts_since_start(now) - first_) / initial_;
    const u64 fresh = expired - expired_;
    expired_ = expired;
    deadline_ = cycle_of_count(first_ + u128{expired_} * initial_);
    return fresh;
}

}  // namespace vtsim::apic
