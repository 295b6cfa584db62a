// SPDX-License-Identifier: Apache-2.0
// The selftest is a list of groups of checks; each check prints a line PASS or FAIL.
#pragma once
#include "workload.h"

namespace guest {

class Checks {
public:
    void check(const char* name, bool passed);
    void skip(const char* name, const char* reason);
    u64 passed() const { return passed_; }
    u64 failed() const { return failed_; }
    u64 skipped() const { return skipped_; }

private:
    u64 passed_ = 0, failed_ = 0, skipped_ = 0;
};

// What a fault said. `vector` is no_fault when the body came to its end.
struct Caught {
    u64 vector = no_fault, error_code = 0, cr2 = 0, cs = 0, rax = 0, r8 = 0, r9 = 0;
    static constexpr u64 no_fault = 256;
};

// Runs body(argument); the first interrupt of `vector` ends it, wherever it stands and whatever its stack and ring.
Caught run_and_catch(u8 vector, void (*body)(u64), u64 argument = 0);

void check_exceptions(Checks&, Context&);
void check_user_mode(Checks&, Context&);
void check_instructions(Checks&, Context&);
void check_local_apic(Checks&, Context&);

}  // namespace guest
