// SPDX-License-Identifier: Apache-2.0
// The kernel's command line: what it understands, and one clear line for what it does not. The loader puts the program's path in front, which
// is skipped.
#include <gtest/gtest.h>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

GuestResult run_with(const std::string& command_line) { return run_guest({.workload = command_line, .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = false}); }

void expect_refusal(const std::string& command_line, const std::string& line) {
    const auto result = run_with(command_line);
    EXPECT_EQ(result.end.status, 3) << command_line;
    EXPECT_EQ(result.serial, "kernel: " + line + "\r\nexit: 0x01\r\n");
}

TEST(CommandLine, ANameAloneSelectsTheWorkload) {
    const auto named = run_with("compute iters=20000"), by_key = run_with("workload=compute iters=20000");
    EXPECT_TRUE(named.succeeded());
    EXPECT_EQ(named.serial, by_key.serial);
}

TEST(CommandLine, AWordWithoutMeaningIsAFailure) {
    const auto unknown = run_with("nonsense");
    EXPECT_EQ(unknown.end.status, 3);
    EXPECT_TRUE(unknown.serial.starts_with("kernel: there is no workload 'nonsense', only compute branchy ")) << unknown.serial;
    expect_refusal("compute workload=copy", "'compute' has no '=': only workload=copy or a name alone says what to run");
    expect_refusal("./kernel.elf compute", "'compute' is one word too many");       // a path only as the first word
    expect_refusal("compute fast", "'fast' is one word too many");
}

TEST(CommandLine, AKeyThatTheWorkloadDoesNotHaveIsAFailure) {
    expect_refusal("compute iterations=5", "'iterations=5': compute has no such key, only: workload pages iters");
    expect_refusal("compute iter=5", "'iter=5': compute has no such key, only: workload pages iters");
    expect_refusal("workload=dma size=5", "'size=5': dma has no such key, only: workload pages");
}

TEST(CommandLine, TheVmmRefusesWhatItDoesNotKnow) {
    const auto first_line = [](const std::string& vmm) {
        const auto result = run_guest({.workload = "compute iters=1", .vmm = vmm, .settings = {}, .mode = Mode::functional, .elf32 = false});
        EXPECT_EQ(result.end.status, 3) << vmm;
        return result.serial.substr(0, result.serial.find('\r'));
    };
    const std::string keys = "mmu mem guests cores slice vpid ept ad lazy roots unsync filter large prefetch tables";
    EXPECT_EQ(first_line("ept=4k vpdi=on"), "vmm: 'vpdi=on': there is no such key, only: " + keys);
    EXPECT_EQ(first_line("shadow"), "vmm: 'shadow': key=value expected, with one of these keys: " + keys);
    EXPECT_EQ(first_line("mmu=shadows"), "vmm: mmu=ept or shadow expected, not shadows");
    EXPECT_EQ(first_line("guests=9"), "vmm: guests=9: 1 to 8 expected");
    EXPECT_EQ(first_line("mmu=shadow prefetch=3"), "vmm: prefetch=3: a power of two from 1 to 512 expected");
}

TEST(CommandLine, AValueThatDoesNotFitIsAFailure) {
    expect_refusal("churn batch=0", "batch: at least 1 page expected");
    expect_refusal("switch spaces=4096", "spaces: 1 to 4095 expected");
    for (const std::string value : {"", "x", "12q", "0x", "3kk", "-1"}) {
        const auto result = run_with("compute iters=" + value);
        EXPECT_EQ(result.end.status, 3);
        EXPECT_EQ(result.serial, "'iters=" + value + "': a number expected\r\nexit: 0x01\r\n");
    }
    EXPECT_EQ(run_with("switch pcid=yes").serial, "'pcid=yes': on or off expected\r\nexit: 0x01\r\n");
    expect_refusal("compute pages=8k", "pages=4k, 2m or 1g expected, not 8k");
}

TEST(CommandLine, WithoutPcidTheSwitchGoesOnWithoutIt) {
    const auto result = run_guest({.workload = "switch iters=300 pcid=on", .vmm = std::nullopt, .settings = {{"features.pcid", "false"}, {"features.invpcid", "false"}, {"vmx.invpcid", "false"}}, .mode = Mode::functional, .elf32 = false});
    EXPECT_TRUE(result.succeeded());
    EXPECT_TRUE(result.serial.starts_with("switch: the processor has no PCID, as pcid=off\r\nswitch checksum=0x2d75bccfb1c61cf9\r\n")) << result.serial;
}

}  // namespace
}  // namespace vtsim::test
