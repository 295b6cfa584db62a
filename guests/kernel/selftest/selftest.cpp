// SPDX-License-Identifier: Apache-2.0
#include "checks.h"
#include "common/print.h"

namespace guest {

void Checks::check(const char* name, bool passed) {
    print(passed ? "PASS " : "FAIL ", name, "\n");
    ++(passed ? passed_ : failed_);
}

void Checks::skip(const char* name, const char* reason) {
    print("SKIP ", name, ": ", reason, "\n");
    ++skipped_;
}

Outcome run_selftest(Context& context) {
    Checks checks;
    vtsim_magic_roi_begin();
    check_exceptions(checks, context);
    check_user_mode(checks, context);
    check_instructions(checks, context);
    const u64 without_apic = checks.passed() + checks.skipped();  // the checksum leaves out what a machine may lack
    check_local_apic(checks, context);
    vtsim_magic_roi_end();
    print("selftest: ", checks.passed(), " passed, ", checks.failed(), " failed\n");
    return {.checksum = mix(without_apic, checks.failed()), .passed = checks.failed() == 0};
}

}  // namespace guest
