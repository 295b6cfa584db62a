// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>

#include "base/types.h"

// What QEMU's "pc-testdev" gives to test programs: registers that keep what is written, and wires to the interrupt controllers.
namespace vtsim::platform {

// `bytes` of storage behind ports or at memory addresses, which only device accesses reach.
template <unsigned bytes>
class TestStorage {
public:
    static constexpr unsigned access_size = 8;
    u64 read(u64 offset, unsigned size) {
        u64 value = 0;
        for (unsigned i = 0; i < size; ++i) value |= u64{storage_[(offset + i) % bytes]} << (8 * i);
        return value;
    }
    void write(u64 offset, unsigned size, u64 value) {
        for (unsigned i = 0; i < size; ++i) storage_[(offset + i) % bytes] = static_cast<u8>(value >> (8 * i));
    }

private:
    std::array<u8, bytes> storage_{};
};

// A port for every interrupt line of the PC: 0 lowers it, everything else raises it.
class TestInterrupts {
public:
    static constexpr unsigned access_size = 4;
    static constexpr unsigned lines = 16;
    explicit TestInterrupts(std::function<void(unsigned line, bool level)> set_line) : set_line_{std::move(set_line)} {}
    u64 read(u64 /*offset*/, unsigned /*size*/) { return 0; }
    void write(u64 offset, unsigned /*size*/, u64 value) { set_line_(static_cast<unsigned>(offset), value != 0); }

private:
    std::function<void(unsigned, bool)> set_line_;
};

}  // namespace vtsim::platform
