// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <functional>
#include <systemc>
#include <vector>

#include "apic/local_apic.h"
#include "platform/devices/pic8259.h"

namespace vtsim::platform {

// Between whoever sends interrupts and the local APICs: the target of writes to 0xFEExxxxx, the way of IPIs, and the wires of the 8259s.
class InterruptFabric final : public sc_core::sc_module, public apic::IpiSink {
public:
    tlm_utils::simple_target_socket<InterruptFabric> messages{"messages"};
    PicPair pics;

    static constexpr u64 message_first = 0xfee00000;
    static constexpr u64 message_bytes = MiB;

    explicit InterruptFabric(const sc_core::sc_module_name& name);
    void add(apic::LocalApic& apic);                        // in the order of their indices
    // An interrupt line of the PC (0 to 15).
    void set_line(unsigned line, bool level) { pics.set_line(line, level); }
    void on_end_of_interrupt(std::function<void(u8 vector)> listener) { ended_ = std::move(listener); }

    void deliver(const apic::Message& message, int source = -1);
    void send(u32 source, const apic::Message& message) override;
    void end_of_interrupt(u8 vector) override { if (ended_) ended_(vector); }
    u8 acknowledge_external() override { return pics.acknowledge(); }

private:
    void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

    std::vector<apic::LocalApic*> apics_;
    std::function<void(u8)> ended_;
};

}  // namespace vtsim::platform
