// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <functional>
#include <systemc>

#include "base/physical_memory.h"

namespace vtsim::platform {

// RAM on the bus. Addresses are physical addresses: both windows (below the device hole and above 4 GiB) show the same target.
class MemoryModule final : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<MemoryModule> socket{"socket"};

    // With `direct` false no DMI is granted and every access is a transaction.
    MemoryModule(const sc_core::sc_module_name& name, PhysicalMemory& memory, bool direct);
    // Withdraws (false) or grants DMI from now on; initiators drop their pointers.
    void set_direct(bool direct);
    // Called for every transaction of a device (one with a requester-id), before it takes effect.
    std::function<void(PhysicalAddress, u64 bytes, bool write)> on_device_access;
    [[nodiscard]] u64 transactions() const { return transactions_; }

private:
    void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
    unsigned transport_debug(tlm::tlm_generic_payload& payload);
    bool get_dmi(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);

    PhysicalMemory& memory_;
    bool direct_;
    u64 transactions_ = 0;
};

}  // namespace vtsim::platform
