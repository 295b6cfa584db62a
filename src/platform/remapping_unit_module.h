// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <systemc>

#include "iommu/remapping_unit.h"
#include "platform/bus/bus_initiator.h"
#include "platform/kernel/clock.h"

namespace vtsim::platform {

// A VT-d remapping unit between devices and the bus. It attaches to any bus: what enters at `requests` carries a requester-id and
// leaves at `memory.socket` with physical addresses; refused requests end with TLM_ADDRESS_ERROR_RESPONSE.
class RemappingUnitModule final : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<RemappingUnitModule> requests{"requests"};
    tlm_utils::simple_target_socket<RemappingUnitModule> registers{"registers"};     // the 4-KByte register page
    BusInitiator memory;                                                             // translated requests, table reads, fault events

    RemappingUnitModule(const sc_core::sc_module_name& name, const iommu::RemappingUnitParams& params, u32 initiator, const Clock& clock, stats::Group& parent);
    [[nodiscard]] iommu::RemappingUnit& model() { return model_; }

private:
    void transport_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
    void transport_register(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
    bool forward(const iommu::DmaRequest& request, u8* data, sc_core::sc_time& delay);

    Clock clock_;
    iommu::RemappingUnit model_;
};

}  // namespace vtsim::platform
