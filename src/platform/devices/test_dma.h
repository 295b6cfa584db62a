// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "base/types.h"

namespace vtsim::platform {

// How a device reaches memory: bus transactions with its requester-id.
class DmaPort {
public:
    virtual ~DmaPort() = default;
    // False when the transfer was refused (a DMA remapping fault): bytes before the refusal may have moved.
    virtual bool dma_read(u64 address, void* to, unsigned bytes) = 0;
    virtual bool dma_write(u64 address, const void* from, unsigned bytes) = 0;
};

// A device that copies between memory and a 4-KByte buffer of its own (after QEMU's "edu"). Registers, all little endian:
//   00 identification 010000edh   04 liveness: reads the complement of what was written   20 status: bit 1 = last transfer was refused
//   24 interrupt status   60 raise (W: sets these interrupt bits)   64 acknowledge (W: clears them)
//   80 source, 88 destination, 90 count (64 bits each; 80 and 88 also as two halves)
//   98 command: bit 0 start (reads 0: a transfer is done at once), bit 1 direction (0: memory to buffer, 1: buffer to memory),
//      bit 2 raise interrupt bit 100h when done
// The buffer is at device addresses 40000h to 40fffh: destination of direction 0, source of direction 1.
class TestDma {
public:
    static constexpr unsigned access_size = 8;
    static constexpr u64 buffer_address = 0x40000;
    static constexpr u64 register_bytes = 4 * KiB;

    explicit TestDma(DmaPort& port) : port_{port}, buffer_(4 * KiB) {}
    void on_interrupt(std::function<void(bool level)> line) { interrupt_ = std::move(line); }
    u64 read(u64 offset, unsigned size);
    void write(u64 offset, unsigned size, u64 value);

private:
    [[nodiscard]] u64* wide_register(u64 aligned_offset);
    void start(u64 command);
    [[nodiscard]] bool copy(bool to_memory);
    void set_interrupt(u32 status);

    DmaPort& port_;
    std::vector<u8> buffer_;
    std::function<void(bool)> interrupt_;
    u64 source_ = 0, destination_ = 0, count_ = 0, command_ = 0;
    u32 liveness_ = 0, interrupt_status_ = 0;
    bool refused_ = false;
};

}  // namespace vtsim::platform
