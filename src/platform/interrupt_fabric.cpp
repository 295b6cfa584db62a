// SPDX-License-Identifier: Apache-2.0
#include "platform/interrupt_fabric.h"

#include <algorithm>
#include <cstring>

namespace vtsim::platform {

InterruptFabric::InterruptFabric(const sc_core::sc_module_name& name) : sc_module(name) {
    messages.register_b_transport(this, &InterruptFabric::transport);
    // On a PC the 8259's output is wired to LINT0 of every local APIC; their LVT entries decide who listens.
    pics.on_output([this](bool level) {
        for (auto* apic : apics_) apic->set_lint(0, level);
    });
}

void InterruptFabric::add(apic::LocalApic& apic) {
    apics_.push_back(&apic);
    apic.attach(static_cast<apic::IpiSink*>(this));
}

void InterruptFabric::deliver(const apic::Message& message, int source) {
    std::vector<apic::Identity> identities;
    identities.reserve(apics_.size());
    for (const auto* apic : apics_) identities.push_back(apic->identity());
    const u64 chosen = apic::destinations(message, identities, source);
    for (std::size_t i = 0; i < apics_.size(); ++i)
        if ((chosen >> i & 1) != 0) apics_[i]->deliver(message);
}

void InterruptFabric::send(u32 source, const apic::Message& message) {
    const auto sender = std::ranges::find(apics_, source, &apic::LocalApic::id);
    deliver(message, static_cast<int>(sender - apics_.begin()));
}

// Nobody answers a read of the message window: all ones. The processors' own register pages never get here.
void InterruptFabric::transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    if (payload.is_read()) {
        std::memset(payload.get_data_ptr(), 0xff, payload.get_data_length());
        return;
    }
    u32 data = 0;
    std::memcpy(&data, payload.get_data_ptr(), std::min<unsigned>(payload.get_data_length(), sizeof data));
    deliver(apic::decode_msi(message_first + payload.get_address(), data));
}

}  // namespace vtsim::platform
