// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "platform/bus/bus_module.h"
#include "platform/devices/cmos.h"
#include "platform/devices/device_module.h"
#include "platform/devices/fw_cfg.h"
#include "platform/devices/pic8259.h"
#include "platform/devices/simple_ports.h"
#include "platform/devices/test_dma_module.h"
#include "platform/devices/test_ports.h"
#include "platform/devices/uart16550.h"
#include "platform/interrupt_fabric.h"

namespace vtsim::platform {

// Registers of a model that lives somewhere else, as a model of its own.
template <class Model>
struct Shared {
    static constexpr unsigned access_size = Model::access_size;
    Model& model;
    u64 read(u64 offset, unsigned size) { return model.read(offset, size); }
    void write(u64 offset, unsigned size, u64 value) { model.write(offset, size, value); }
};

// The devices of the machine and where they stand.
struct PcDevices {
    static constexpr u64 test_dma_address = 0xfea00000;
    static constexpr u16 test_dma_requester = 0x0018;        // bus 0, device 3, function 0
    static constexpr unsigned serial_line = 4;
    static constexpr unsigned test_memory_bytes = 64 * KiB, test_port_bytes = 4;
    static constexpr u64 test_memory_address = 0xff000000;
    static constexpr u16 test_port = 0xe0, test_interrupt_port = 0x2000;

    PcDevices(InterruptFabric& interrupts, u64 ram_bytes, unsigned cpus, u32 dma_initiator, std::function<void(int status)> leave);
    void map(BusModule& bus);

    DeviceModule<Uart16550> serial{"serial"};
    DeviceModule<DebugExit> debug_exit;
    DeviceModule<DebugConsole> debug_console{"debug_console"};
    DeviceModule<PostCode> post_code{"post_code"};
    DeviceModule<SystemControl> system_control{"system_control"};
    DeviceModule<FwCfg> fw_cfg;
    DeviceModule<Cmos> cmos;
    DeviceModule<Shared<Pic8259>> first_pic;
    DeviceModule<Shared<Pic8259>> second_pic;
    TestDmaModule test_dma;
    DeviceModule<TestStorage<test_memory_bytes>> test_memory{"test_memory"};
    DeviceModule<TestStorage<test_port_bytes>> test_ports{"test_ports"};
    DeviceModule<TestInterrupts> test_interrupts;
};

}  // namespace vtsim::platform
