// SPDX-License-Identifier: Apache-2.0
// A device that copies between memory and a buffer of its own: the registers are those of QEMU's "edu" device.
#pragma once
#include "common/types.h"

namespace guest {

class TestDevice {
public:
    static constexpr u16 source_id = 0x0018;  // 00:03.0
    static constexpr u64 buffer = 0x40000;    // 4 KiB, an address of the device
    static constexpr u64 buffer_bytes = 4096;

    bool find();  // at its fixed address, or there after programming its BAR when it sits on a PCI bus
    void read_memory(u64 address, u64 offset, u64 bytes) { transfer(address, buffer + offset, bytes, start); }
    void write_memory(u64 address, u64 offset, u64 bytes) { transfer(buffer + offset, address, bytes, start | to_memory); }
    bool finished_in_time() const { return finished_; }

private:
    static constexpr u64 start = 1, to_memory = 2;
    void transfer(u64 from, u64 to, u64 bytes, u64 command);
    bool finished_ = true;
};

}  // namespace guest
