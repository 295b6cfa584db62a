// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "differential/generator.h"

namespace vtsim::differential {

// Collects what differs between the reference (of this name) and vtsim, a line each.
class Differences {
public:
    explicit Differences(const char* reference) : reference_{reference} {}
    void check(const std::string& name, u64 expected, u64 actual);
    void check_bytes(const std::string& name, const u8* expected, const u8* actual, std::size_t bytes);
    std::vector<std::string> lines;

private:
    const char* reference_;
};

inline constexpr const char* gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

// Instructions with their addresses, one a line, for people.
[[nodiscard]] std::string disassemble(CodeSize size, std::span<const u8> code, u64 address);

// What differs between the two processors after a case: one line each, empty when nothing does.
[[nodiscard]] std::vector<std::string> differences(const Case& c, const Outcome& native, const Outcome& simulated, const Data& native_data, const Data& simulated_data);

// The instructions with their addresses and the registers that matter, for people.
[[nodiscard]] std::string describe(const Case& c);

}  // namespace vtsim::differential
