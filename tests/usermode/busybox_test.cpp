// SPDX-License-Identifier: Apache-2.0
// Debian's busybox, a statically linked program that nobody compiled for vtsim: what the host's processor makes of the same command is the oracle.
#include <gtest/gtest.h>

#include <filesystem>

#include "usermode/run.h"

namespace vtsim::usermode {
namespace {

TEST(Busybox, Echo) {
    const Command command{.arguments = {"/bin/busybox", "echo", "hello"}};
    const auto result = run_simulated(command, cpu::Mode::functional);
    EXPECT_EQ(result.problem, "");
    EXPECT_EQ(result.output, "hello\n");
    EXPECT_EQ(result.status, 0);
}

}  // namespace
}  // namespace vtsim::usermode
