// SPDX-License-Identifier: Apache-2.0
#include "platform/bus/bus_initiator.h"

namespace vtsim::platform {

BusInitiator::BusInitiator(const sc_core::sc_module_name& name, u32 number) : sc_module(name) {
    extension_.info.initiator = number;
    payload_.set_extension(&extension_);
    payload_.set_byte_enable_ptr(nullptr);
    socket.register_invalidate_direct_mem_ptr(this, &BusInitiator::invalidate);
}

BusInitiator::~BusInitiator() { payload_.clear_extension(&extension_); }

bool BusInitiator::transfer(Space space, tlm::tlm_command command, u64 address, void* data, unsigned bytes) {
    auto& info = extension_.info;
    info.space = space;
    const auto kind = info.kind;
    // SDM vol. 3, "Message Address Register Format": bits 31:20 are 0FEEH.
    if (command == tlm::TLM_WRITE_COMMAND && space == Space::memory && (address >> 20) == 0xfee) info.kind = TransactionKind::interrupt_message;
    payload_.set_command(command);
    payload_.set_address(address);
    payload_.set_data_ptr(static_cast<unsigned char*>(data));
    payload_.set_data_length(bytes);
    payload_.set_streaming_width(bytes);
    payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    payload_.set_dmi_allowed(false);
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->b_transport(payload_, delay);
    info.kind = kind;
    return payload_.is_response_ok();
}

// The hosts we build for are little endian, as the bus is: the low bytes of the integer are the data.
u64 BusInitiator::read(PhysicalAddress address, unsigned size) {
    u64 value = 0;
    return transfer(Space::memory, tlm::TLM_READ_COMMAND, address.value(), &value, size) ? value : ~u64{0};
}

void BusInitiator::write(PhysicalAddress address, unsigned size, u64 value) { transfer(Space::memory, tlm::TLM_WRITE_COMMAND, address.value(), &value, size); }

u64 BusInitiator::in(u16 port, unsigned size) {
    u64 value = 0;
    return transfer(Space::io, tlm::TLM_READ_COMMAND, port, &value, size) ? value : ~u64{0};
}

void BusInitiator::out(u16 port, unsigned size, u64 value) { transfer(Space::io, tlm::TLM_WRITE_COMMAND, port, &value, size); }

bool BusInitiator::read_block(u64 address, void* to, unsigned bytes) { return transfer(Space::memory, tlm::TLM_READ_COMMAND, address, to, bytes); }

bool BusInitiator::write_block(u64 address, const void* from, unsigned bytes) {
    // TLM's data pointer is not const; a write command only reads through it.
    return transfer(Space::memory, tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(from), bytes);
}

BusInitiator::Direct BusInitiator::direct(u64 address) {
    extension_.info.space = Space::memory;
    payload_.set_command(tlm::TLM_READ_COMMAND);
    payload_.set_address(address);
    tlm::tlm_dmi dmi;
    if (!socket->get_direct_mem_ptr(payload_, dmi)) return {};
    return {dmi.get_dmi_ptr() + (address - dmi.get_start_address()), dmi.get_end_address() - address + 1};
}

void BusInitiator::invalidate(sc_dt::uint64 first, sc_dt::uint64 last) {
    if (invalidated_) invalidated_(first, last);
}

}  // namespace vtsim::platform
