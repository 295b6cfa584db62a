// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <systemc>
#include <utility>

#include "base/types.h"
#include "platform/processor.h"

namespace vtsim::platform {

// Why the machine as a whole stopped; filled in by the process that saw it.
struct Ending {
    enum class Cause : u8 { guest_exit, magic_exit, triple_fault, vmx_abort, halted };
    Cause cause;
    int status = 0;              // guest_exit and magic_exit
    unsigned core = 0;
    std::string dump;
};

// Shared by the run loop and the processes of one machine: limits, the end, the first failure.
class RunControl {
public:
    // Ends the current slice of simulation after this delta cycle; the next sc_start goes on.
    static void pause() { sc_core::sc_pause(); }

    void end(Ending ending) {
        if (!ending_) ending_ = std::move(ending);
        pause();
    }
    // An exception must not leave a process: the kernel would lose its type and could not go on. run() rethrows it.
    void fail(std::exception_ptr failure) {
        if (!failure_) failure_ = std::move(failure);
        pause();
    }
    [[nodiscard]] bool ended() const { return ending_.has_value(); }
    [[nodiscard]] const std::optional<Ending>& ending() const { return ending_; }
    [[nodiscard]] std::exception_ptr take_failure() { return std::exchange(failure_, nullptr); }

    // Slices end by host time, so that progress is reported and signals are seen; looked at once in `interval` activations.
    void begin_slice(std::chrono::milliseconds length) { slice_end_ = std::chrono::steady_clock::now() + length; }
    void count_activation() {
        if (++activations_ % interval == 0 && std::chrono::steady_clock::now() >= slice_end_) pause();
    }

    u64 instructions_left = ~u64{0};          // of all cores together
    u64 cycle_limit = ~u64{0};                // no core goes past this cycle
    sc_core::sc_time end_time;                // kernel time of cycle_limit
    Processor* running = nullptr;             // the one inside execute()
    u64 largest_skew = 0;                     // cycles

private:
    static constexpr u64 interval = 64;
    std::optional<Ending> ending_;
    std::exception_ptr failure_;
    std::chrono::steady_clock::time_point slice_end_;
    u64 activations_ = 0;
};

}  // namespace vtsim::platform
