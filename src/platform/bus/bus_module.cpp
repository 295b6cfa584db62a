// SPDX-License-Identifier: Apache-2.0
#include "platform/bus/bus_module.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vtsim::platform {

BusModule::BusModule(const sc_core::sc_module_name& name, stats::Group& parent) : sc_module(name), stats_{parent, "bus"} {
    initiators.register_b_transport(this, &BusModule::transport);
    initiators.register_transport_dbg(this, &BusModule::transport_debug);
    initiators.register_get_direct_mem_ptr(this, &BusModule::get_dmi);
    targets.register_invalidate_direct_mem_ptr(this, &BusModule::invalidate);
}

void BusModule::map(Space space, u64 first, u64 size, unsigned target, const std::string& range_name, u64 target_address) {
    (space == Space::io ? ports_ : memory_).add({first, first + size - 1, target, target_address, range_name});
}

void BusModule::transport(int /*initiator*/, Payload& payload, sc_core::sc_time& delay) {
    const auto info = info_of(payload);
    const u64 address = payload.get_address();
    const auto* range = addresses(info.space).find(address);
    if (range == nullptr) return answer_unassigned(payload, info);
    if (payload.get_data_length() > range->last - address + 1) return split(payload, info, delay);
    if (counted_[range->target]) {
        if (info.kind == TransactionKind::interrupt_message) ++stats_.interrupt_messages;
        else ++(payload.is_write() ? stats_.writes : stats_.reads);
    }
    forward(*range, payload, delay);
}

void BusModule::forward(const AddressMap::Range& range, Payload& payload, sc_core::sc_time& delay) {
    const u64 address = payload.get_address();
    payload.set_address(range.to_target(address));
    targets[static_cast<int>(range.target)]->b_transport(payload, delay);
    payload.set_address(address);
}

// An access that leaves its range: every byte goes to whoever owns it.
void BusModule::split(Payload& payload, const TransactionInfo& info, sc_core::sc_time& delay) {
    const u64 address = payload.get_address();
    auto* const data = payload.get_data_ptr();
    const auto length = payload.get_data_length();
    for (unsigned done = 0; done < length;) {
        const auto* range = addresses(info.space).find(address + done);
        const u64 rest = length - done;
        // Up to the end of this range, but single bytes where nobody is.
        const auto piece = static_cast<unsigned>(range == nullptr ? 1 : std::min(rest, range->last - (address + done) + 1));
        payload.set_address(address + done);
        payload.set_data_ptr(data + done);
        payload.set_data_length(piece);
        payload.set_streaming_width(piece);
        transport(0, payload, delay);
        done += piece;
    }
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(length);
    payload.set_streaming_width(length);
}

void BusModule::answer_unassigned(Payload& payload, const TransactionInfo& info) {
    ++stats_.unassigned;
    if (payload.is_read()) std::memset(payload.get_data_ptr(), 0xff, payload.get_data_length());
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    if (!reported_[info.space == Space::io].emplace(payload.get_address(), payload.is_write()).second || !unassigned_sink_) return;
    unassigned_sink_(fmt::format("{} of unassigned {} {:#x} ({} bytes): {}", payload.is_write() ? "write" : "read", info.space == Space::io ? "port" : "address",
                                 payload.get_address(), payload.get_data_length(), payload.is_write() ? "dropped" : "all ones"));
}

unsigned BusModule::transport_debug(int /*initiator*/, Payload& payload) {
    const u64 address = payload.get_address();
    const auto* range = addresses(info_of(payload).space).find(address);
    if (range == nullptr) return 0;
    payload.set_address(range->to_target(address));
    const auto count = targets[static_cast<int>(range->target)]->transport_dbg(payload);
    payload.set_address(address);
    return count;
}

bool BusModule::get_dmi(int /*initiator*/, Payload& payload, tlm::tlm_dmi& dmi) {
    const u64 address = payload.get_address();
    const auto* range = addresses(info_of(payload).space).find(address);
    if (range == nullptr) return false;
    payload.set_address(range->to_target(address));
    const bool granted = targets[static_cast<int>(range->target)]->get_direct_mem_ptr(payload, dmi);
    payload.set_address(address);
    // The target's window, clipped to what this range shows of it, in the bus's addresses.
    const u64 first = std::max<u64>(dmi.get_start_address(), range->target_address);
    const u64 last = std::min<u64>(dmi.get_end_address(), range->to_target(range->last));
    if (granted) dmi.set_dmi_ptr(dmi.get_dmi_ptr() + (first - dmi.get_start_address()));
    dmi.set_start_address(first - range->target_address + range->first);
    dmi.set_end_address(last - range->target_address + range->first);
    return granted;
}

void BusModule::invalidate(int target, sc_dt::uint64 first, sc_dt::uint64 last) {
    for (const auto& range : memory_.ranges()) {
        if (range.target != static_cast<unsigned>(target)) continue;
        const u64 low = std::max<u64>(first, range.target_address);
        const u64 high = std::min<u64>(last, range.to_target(range.last));
        if (low > high) continue;
        const u64 shift = range.first - range.target_address;
        for (unsigned i = 0; i < initiators.size(); ++i) initiators[static_cast<int>(i)]->invalidate_direct_mem_ptr(low + shift, high + shift);
    }
}

}  // namespace vtsim::platform
