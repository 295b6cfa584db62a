// SPDX-License-Identifier: Apache-2.0
#include "dma/test_device.h"

#include "common/cpu.h"

namespace guest {
namespace {

constexpr u64 base = 0xfea00000;
enum Register : u64 { ident = 0x00, dma_source = 0x80, dma_destination = 0x88, dma_count = 0x90, dma_command = 0x98 };
constexpr u32 ident_value = 0x010000ed;
constexpr u32 pci_identity = 0x11e81234;
constexpr u64 patience = 200'000'000;

void write_register(Register reg, u64 value) { *reinterpret_cast<volatile u64*>(base + reg) = value; }
u32 read_register(Register reg) { return *reinterpret_cast<volatile u32*>(base + reg); }

// PCI Local Bus Specification, "Configuration Mechanism #1".
constexpr u16 configuration_address = 0xcf8, configuration_data = 0xcfc;
u32 read_configuration(u32 offset) {
    out32(configuration_address, 0x80000000 | u32{TestDevice::source_id} << 8 | offset);
    return in32(configuration_data);
}
void write_configuration(u32 offset, u32 value) {
    out32(configuration_address, 0x80000000 | u32{TestDevice::source_id} << 8 | offset);
    out32(configuration_data, value);
}

}  // namespace

bool TestDevice::find() {
    if (read_configuration(0) == pci_identity) {
        write_configuration(0x10, base);                          // BAR0
        write_configuration(0x04, read_configuration(0x04) | 6);  // memory space, bus master
    }
    return read_register(ident) == ident_value;
}

void TestDevice::transfer(u64 from, u64 to, u64 bytes, u64 command) {
    write_register(dma_source, from);
    write_register(dma_destination, to);
    write_register(dma_count, bytes);
    write_register(dma_command, command);
    u64 turns = 0;
    while ((read_register(dma_command) & start) && ++turns < patience) pause();
    finished_ = finished_ && turns < patience;
}

}  // namespace guest
