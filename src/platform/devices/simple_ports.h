// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/types.h"

// Ports of one register.
namespace vtsim::platform {

// QEMU, "isa-debug-exit": a write of v ends the run with status (v << 1) | 1.
class DebugExit {
public:
    static constexpr unsigned access_size = 4;
    explicit DebugExit(std::function<void(int status)> leave) : leave_{std::move(leave)} {}
    u64 read(u64 /*offset*/, unsigned /*size*/) { return 0; }
    void write(u64 /*offset*/, unsigned /*size*/, u64 value) { leave_(static_cast<int>(static_cast<u32>(value) << 1 | 1)); }

private:
    std::function<void(int)> leave_;
};

// Bochs' debug console ("port e9 hack"): written bytes are text; a read gives the port's number, by which guests find it.
class DebugConsole {
public:
    static constexpr unsigned access_size = 1;
    void on_text(std::function<void(std::string_view)> sink) { sink_ = std::move(sink); }
    u64 read(u64 /*offset*/, unsigned /*size*/) { return 0xe9; }
    void write(u64 /*offset*/, unsigned /*size*/, u64 value) {
        const char character = static_cast<char>(value);
        if (sink_) sink_({&character, 1});
    }

private:
    std::function<void(std::string_view)> sink_;
};

// Port 0x80: power-on self-test codes, and a write that delays. Keeps the last one.
class PostCode {
public:
    static constexpr unsigned access_size = 1;
    u64 read(u64 /*offset*/, unsigned /*size*/) { return code_; }
    void write(u64 /*offset*/, unsigned /*size*/, u64 value) { code_ = static_cast<u8>(value); }

private:
    u8 code_ = 0;
};

// System control port 92: the A20 gate, always on here, and fast reset (not wired).
class SystemControl {
public:
    static constexpr unsigned access_size = 1;
    u64 read(u64 /*offset*/, unsigned /*size*/) { return 2; }
    void write(u64 /*offset*/, unsigned /*size*/, u64 /*value*/) {}
};

// Somebody lives here and has nothing to say: reads are all ones, without a line in the log.
class AllOnes {
public:
    static constexpr unsigned access_size = 8;
    u64 read(u64 /*offset*/, unsigned /*size*/) { return ~u64{0}; }
    void write(u64 /*offset*/, unsigned /*size*/, u64 /*value*/) {}
};

}  // namespace vtsim::platform
