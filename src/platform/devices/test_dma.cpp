// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/test_dma.h"

#include "base/bits.h"

namespace vtsim::platform {
namespace {

enum Offset : u64 { identification = 0x00, liveness = 0x04, status = 0x20, interrupt_status = 0x24, raise = 0x60, acknowledge = 0x64,
                    source = 0x80, destination = 0x88, count = 0x90, command = 0x98 };
constexpr u64 command_start = 1, command_to_memory = 2, command_interrupt = 4;
constexpr u32 interrupt_done = 0x100;

}  // namespace

u64* TestDma::wide_register(u64 aligned_offset) {
    switch (aligned_offset) {
        case source: return &source_;
        case destination: return &destination_;
        case count: return &count_;
        case command: return &command_;
        default: return nullptr;
    }
}

u64 TestDma::read(u64 offset, unsigned size) {
    if (const auto* wide = wide_register(align_down(offset, 8))) return (*wide >> (8 * (offset & 7))) & low_bits(8 * size);
    switch (offset) {
        case identification: return 0x010000ed;
        case liveness: return static_cast<u32>(~liveness_);
        case status: return refused_ ? 2 : 0;
        case interrupt_status: return interrupt_status_;
        default: return low_bits(8 * size);
    }
}

void TestDma::write(u64 offset, unsigned size, u64 value) {
    if (auto* wide = wide_register(align_down(offset, 8))) {
        const unsigned shift = static_cast<unsigned>(8 * (offset & 7));
        const u64 mask = low_bits(8 * size) << shift;
        *wide = (*wide & ~mask) | ((value << shift) & mask);
        if (wide == &command_ && (command_ & command_start) != 0) start(command_);
        return;
    }
    switch (offset) {
        case liveness: liveness_ = static_cast<u32>(value); break;
        case raise: set_interrupt(interrupt_status_ | static_cast<u32>(value)); break;
        case acknowledge: set_interrupt(interrupt_status_ & ~static_cast<u32>(value)); break;
        default: break;
    }
}

void TestDma::start(u64 requested) {
    command_ &= ~command_start;
    refused_ = !copy((requested & command_to_memory) != 0);
    if ((requested & command_interrupt) != 0) set_interrupt(interrupt_status_ | interrupt_done);
}

bool TestDma::copy(bool to_memory) {
    const u64 inside = (to_memory ? source_ : destination_) - buffer_address;
    if (inside > buffer_.size() || count_ > buffer_.size() - inside) return false;
    const auto bytes = static_cast<unsigned>(count_);
    if (bytes == 0) return true;
    return to_memory ? port_.dma_write(destination_, buffer_.data() + inside, bytes) : port_.dma_read(source_, buffer_.data() + inside, bytes);
}

void TestDma::set_interrupt(u32 value) {
    const bool before = interrupt_status_ != 0;
    interrupt_status_ = value;
    if (interrupt_ && before != (value != 0)) interrupt_(value != 0);
}

}  // namespace vtsim::platform
