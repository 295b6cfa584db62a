// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

// SystemC keeps timed notifications in blocks of its own and forgets those that are pending when a context goes.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:sc_core::sc_event_timed::allocate"; }

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
