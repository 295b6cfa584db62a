// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "platform/bus/bus_initiator.h"
#include "platform/devices/device_module.h"
#include "platform/devices/test_dma.h"

namespace vtsim::platform {

// The DMA test device on the bus: registers at one socket, DMA with its requester-id out of the other.
class TestDmaModule final : public sc_core::sc_module, private DmaPort {
public:
    BusInitiator dma;
    DeviceModule<TestDma> registers;

    TestDmaModule(const sc_core::sc_module_name& name, u32 initiator, u16 requester_id)
        : sc_module(name), dma{"dma", initiator}, registers{"registers", static_cast<DmaPort&>(*this)} {
        dma.info().requester_id = requester_id;
    }

private:
    bool dma_read(u64 address, void* to, unsigned bytes) override { return dma.read_block(address, to, bytes); }
    bool dma_write(u64 address, const void* from, unsigned bytes) override { return dma.write_block(address, from, bytes); }
};

}  // namespace vtsim::platform
