// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/multi_passthrough_target_socket.h>

#include <functional>
#include <set>
#include <string>
#include <systemc>

#include "base/stats/stats.h"
#include "platform/bus/address_map.h"
#include "platform/bus/transaction.h"

namespace vtsim::platform {

// Accesses to RAM are not counted here: they must give the same figures whether they come by DMI or by transactions.
struct BusStats : stats::Group {
    using Group::Group;
    stats::Counter reads{*this, "reads", stats::Unit::events, "register reads (memory-mapped and port I/O) that reached a device"};
    stats::Counter writes{*this, "writes", stats::Unit::events, "register writes (memory-mapped and port I/O) that reached a device"};
    stats::Counter interrupt_messages{*this, "interrupt_messages", stats::Unit::events, "interrupt messages (writes to 0xFEExxxxx)"};
    stats::Counter unassigned{*this, "unassigned", stats::Unit::events, "accesses that nobody answered: reads gave all ones, writes went nowhere"};
};

// The interconnect: decodes addresses of the memory and the I/O space and forwards transactions, DMI requests and invalidations.
class BusModule final : public sc_core::sc_module {
public:
    tlm_utils::multi_passthrough_target_socket<BusModule> initiators{"initiators"};
    tlm_utils::multi_passthrough_initiator_socket<BusModule> targets{"targets"};

    BusModule(const sc_core::sc_module_name& name, stats::Group& parent);

    // Connects a target and returns its number for map(). `counted` is false for RAM.
    template <class Socket>
    unsigned attach(Socket& socket, bool counted = true) {
        targets.bind(socket);
        counted_.push_back(counted);
        return static_cast<unsigned>(counted_.size() - 1);
    }
    // Throws ConfigError when the range overlaps another one of that space.
    void map(Space space, u64 first, u64 size, unsigned target, const std::string& range_name, u64 target_address = 0);
    [[nodiscard]] const AddressMap& addresses(Space space) const { return space == Space::io ? ports_ : memory_; }
    // Told once per address (and direction) that nobody answers.
    void on_unassigned(std::function<void(const std::string&)> sink) { unassigned_sink_ = std::move(sink); }

private:
    using Payload = tlm::tlm_generic_payload;
    void transport(int initiator, Payload& payload, sc_core::sc_time& delay);
    unsigned transport_debug(int initiator, Payload& payload);
    bool get_dmi(int initiator, Payload& payload, tlm::tlm_dmi& dmi);
    void invalidate(int target, sc_dt::uint64 first, sc_dt::uint64 last);

    void forward(const AddressMap::Range& range, Payload& payload, sc_core::sc_time& delay);
    void split(Payload& payload, const TransactionInfo& info, sc_core::sc_time& delay);
    void answer_unassigned(Payload& payload, const TransactionInfo& info);

    AddressMap memory_;
    AddressMap ports_;
    std::vector<bool> counted_;
    std::set<std::pair<u64, bool>> reported_[2];
    std::function<void(const std::string&)> unassigned_sink_;
    BusStats stats_;
};

}  // namespace vtsim::platform
