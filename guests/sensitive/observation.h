// SPDX-License-Identifier: Apache-2.0
// What one run of a snippet came to.
#pragma once
#include "common/interrupts.h"
#include "world.h"

namespace guest {

struct Observation {
    enum class End : u8 { done, fault, exit, entry_failed };
    static constexpr unsigned result_words = 18 + output_words;

    End end = End::done;
    u64 vector = 0, error_code = 0;     // of a fault, or of an exit for one
    u32 exit_reason = 0;
    // What a program could see: registers, RSP, arithmetic flags, and what it stored.
    u64 results[result_words] = {};
    u8 ring = 0;                        // at the end
    bool woken = false;                 // by the timer
    State before, after;

    bool done() const { return end == End::done; }
};

// Which words of two results differ, or all where one of the two did not end.
class Differences {
public:
    Differences() = default;
    Differences(const Observation& a, const Observation& b);
    bool beyond(const Differences& noise) const { return words_ & ~noise.words_; }
    Differences operator|(const Differences& more) const {
        Differences both;
        both.words_ = words_ | more.words_;
        return both;
    }

private:
    u32 words_ = 0;
};

// How a snippet may end or go on: handlers for all exceptions and for the vectors of layout.h.
void install_handlers();
// The results of the frame of the interrupt that ended the snippet.
void record_end(Observation& observation, const InterruptFrame& frame, unsigned bits);

// The run that is under way. `leave` is called at its end, on the stack of the handler, and either changes the frame or does not return.
struct Running {
    Observation* observation;
    u64 begin;                          // of the snippet
    unsigned bits;
    void (*leave)(InterruptFrame&);
};
extern Running running;

void clear_output();
// Operands that depend on the ring.
void set_operands(const Tables& tables, u64 other_cr3, u8 ring);
// A time that is another one at each run, so that whatever depends on time is not taken for something else.
void wait_a_while();

struct Selectors {
    u16 code, stack;
};
Selectors selectors_of(u8 ring, unsigned bits);

}  // namespace guest
