// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "differential/machine.h"

namespace vtsim::differential {

// Executes user-mode instructions on the host itself: in this process, at code_page, on a stack of their own, with signals caught. One object a process.
class NativeProcessor {
public:
    NativeProcessor();                                   // throws std::runtime_error when the addresses are taken
    ~NativeProcessor();
    NativeProcessor(const NativeProcessor&) = delete;
    NativeProcessor& operator=(const NativeProcessor&) = delete;

    // Whether the host's kernel lets user code move FS and GS; otherwise the code must not use them, and their bases come back as they went in.
    [[nodiscard]] static bool has_bases();
    // The code must not leave its bytes but at their end, and must not touch memory or state that vtsim's own code relies on. Bases are canonical.
    Outcome run(std::span<const u8> code, const Registers& start);
    [[nodiscard]] Data& data() { return *reinterpret_cast<Data*>(data_start); }
    void fill_read_only(const u8* bytes);                // the third page
};

}  // namespace vtsim::differential
