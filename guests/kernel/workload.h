// SPDX-License-Identifier: Apache-2.0
// A workload runs once, on its own, and its checksum says whether the machine computed the right thing: it depends on the
// workload's keys only, not on time, page sizes, or whether a VMM is below.
#pragma once
#include "common/cpu.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/types.h"
#include "memory/kernel_space.h"
#include "vtsim/guest/magic.h"

namespace guest {

struct Context {
    const Options& options;
    MemoryPool& memory;
    KernelSpace& space;
};

struct Outcome {
    u64 checksum;
    u64 cycles = 0;  // of the region of interest
    u64 count = 0;   // how many of `unit`
    const char* unit = "iteration";
    bool passed = true;
};

struct Workload {
    const char* name;
    Outcome (*run)(Context&);
    const char* keys = "";  // of the command line, beside those that every workload has
};

[[noreturn]] void refuse(const char* key, const char* expected);  // a value of the command line: one line, and the machine ends with a failure

Outcome run_compute(Context&);
Outcome run_branchy(Context&);
Outcome run_vector(Context&);
Outcome run_copy(Context&);
Outcome run_copyalias(Context&);
Outcome run_random(Context&);
Outcome run_stream(Context&);
Outcome run_chase(Context&);
Outcome run_gups(Context&);
Outcome run_churn(Context&);
Outcome run_switch(Context&);
Outcome run_fork(Context&);
Outcome run_build(Context&);
Outcome run_syscall(Context&);
Outcome run_interrupt(Context&);
Outcome run_cpuid(Context&);
Outcome run_vmcall(Context&);
Outcome run_footprint(Context&);
Outcome run_selftest(Context&);
Outcome run_dma(Context&);

// The region of interest: the magic instructions outside, the time stamps inside.
class Region {
public:
    Region() {
        vtsim_magic_roi_begin();
        start_ = rdtsc_ordered();
    }
    u64 end() const {
        const u64 cycles = rdtsc_ordered() - start_;
        vtsim_magic_roi_end();
        return cycles;
    }

private:
    u64 start_;
};

constexpr u64 mix(u64 checksum, u64 value) {
    checksum = (checksum ^ value) * 0x9e3779b97f4a7c15;
    return checksum ^ checksum >> 32;
}

// Marsaglia, "Xorshift RNGs", the 64-bit triple (13, 7, 17).
class Xorshift {
public:
    explicit constexpr Xorshift(u64 seed) : state_(seed) {}
    constexpr u64 next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }
    constexpr u64 below(u64 limit) { return u64(static_cast<unsigned __int128>(next()) * limit >> 64); }

private:
    u64 state_;
};

}  // namespace guest
