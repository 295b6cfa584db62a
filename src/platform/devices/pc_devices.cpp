// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/pc_devices.h"

namespace vtsim::platform {

PcDevices::PcDevices(InterruptFabric& interrupts, u64 ram_bytes, unsigned cpus, u32 dma_initiator, std::function<void(int)> leave)
    : debug_exit{"debug_exit", std::move(leave)},
      fw_cfg{"fw_cfg", ram_bytes, cpus},
      cmos{"cmos", ram_bytes},
      first_pic{"pic0", Shared<Pic8259>{interrupts.pics.first}},
      second_pic{"pic1", Shared<Pic8259>{interrupts.pics.second}},
      test_dma{"test_dma", dma_initiator, test_dma_requester},
      test_interrupts{"test_interrupts", [&interrupts](unsigned line, bool level) { interrupts.set_line(line, level); }} {
    serial.model.on_interrupt([&interrupts](bool level) { interrupts.set_line(serial_line, level); });
}

void PcDevices::map(BusModule& bus) {
    const auto port = [&bus](auto& module, u64 first, u64 size) { bus.map(Space::io, first, size, bus.attach(module.socket), module.basename()); };
    port(serial, 0x3f8, 8);
    port(debug_exit, 0xf4, 4);
    port(debug_console, 0xe9, 1);
    port(post_code, 0x80, 1);
    port(system_control, 0x92, 1);
    port(fw_cfg, 0x510, 2);
    port(cmos, 0x70, 2);
    port(first_pic, 0x20, 2);
    port(second_pic, 0xa0, 2);
    port(test_ports, test_port, test_port_bytes);
    port(test_interrupts, test_interrupt_port, TestInterrupts::lines);
    bus.map(Space::memory, test_memory_address, test_memory_bytes, bus.attach(test_memory.socket), "test_memory");
    bus.map(Space::memory, test_dma_address, TestDma::register_bytes, bus.attach(test_dma.registers.socket), "test_dma");
}

}  // namespace vtsim::platform
