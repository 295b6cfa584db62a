// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <array>
#include <functional>
#include <systemc>

#include "base/physical_memory.h"
#include "platform/bus/transaction.h"

namespace vtsim::platform {

// One initiator on the bus, seen by models as BusPort and IoPort. One payload and one sticky extension, reused for every request.
class BusInitiator final : public sc_core::sc_module, public BusPort, public IoPort {
public:
    tlm_utils::simple_initiator_socket<BusInitiator> socket{"socket"};

    BusInitiator(const sc_core::sc_module_name& name, u32 number);
    ~BusInitiator() override;

    u64 read(PhysicalAddress address, unsigned size) override;
    void write(PhysicalAddress address, unsigned size, u64 value) override;
    u64 in(u16 port, unsigned size) override;
    void out(u16 port, unsigned size, u64 value) override;
    // Any length; false when a target refused (a remapping fault).
    bool read_block(u64 address, void* to, unsigned bytes);
    bool write_block(u64 address, const void* from, unsigned bytes);

    // Fields of the extension that describe the next requests (requester-id, PASID, kind).
    [[nodiscard]] TransactionInfo& info() { return extension_.info; }
    // A host pointer to the bytes that `address` begins, and their number; {nullptr, 0} where there is no DMI.
    struct Direct { u8* pointer = nullptr; u64 bytes = 0; };
    [[nodiscard]] Direct direct(u64 address);
    void on_invalidate(std::function<void(u64 first, u64 last)> listener) { invalidated_ = std::move(listener); }

private:
    bool transfer(Space space, tlm::tlm_command command, u64 address, void* data, unsigned bytes);
    void invalidate(sc_dt::uint64 first, sc_dt::uint64 last);

    tlm::tlm_generic_payload payload_;
    TransactionExtension extension_;
    std::function<void(u64, u64)> invalidated_;
};

}  // namespace vtsim::platform
