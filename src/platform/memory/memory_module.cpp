// SPDX-License-Identifier: Apache-2.0
#include "platform/memory/memory_module.h"

#include "platform/bus/transaction.h"

namespace vtsim::platform {

MemoryModule::MemoryModule(const sc_core::sc_module_name& name, PhysicalMemory& memory, bool direct) : sc_module(name), memory_{memory}, direct_{direct} {
    socket.register_b_transport(this, &MemoryModule::transport);
    socket.register_transport_dbg(this, &MemoryModule::transport_debug);
    socket.register_get_direct_mem_ptr(this, &MemoryModule::get_dmi);
    memory_.set_direct(direct);
}

void MemoryModule::set_direct(bool direct) {
    direct_ = direct;
    memory_.set_direct(direct);
    if (!direct) socket->invalidate_direct_mem_ptr(0, memory_.high_end() - 1);
}

void MemoryModule::transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
    ++transactions_;
    if (on_device_access && info_of(payload).requester_id) on_device_access(PhysicalAddress{payload.get_address()}, payload.get_data_length(), payload.is_write());
    transport_debug(payload);
    payload.set_dmi_allowed(direct_);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

unsigned MemoryModule::transport_debug(tlm::tlm_generic_payload& payload) {
    const PhysicalAddress address{payload.get_address()};
    const unsigned bytes = payload.get_data_length();
    if (payload.is_write()) memory_.write_block(address, payload.get_data_ptr(), bytes);
    else memory_.read_block(address, payload.get_data_ptr(), bytes);
    return bytes;
}

bool MemoryModule::get_dmi(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
    const u64 address = payload.get_address();
    const bool low = address < memory_.low_end();
    const u64 first = low ? 0 : PhysicalMemory::hole_end;
    dmi.set_start_address(first);
    dmi.set_end_address((low ? memory_.low_end() : memory_.high_end()) - 1);
    if (!direct_ || !memory_.is_ram(PhysicalAddress{address})) return false;
    dmi.set_dmi_ptr(memory_.host(PhysicalAddress{first}));
    dmi.allow_read_write();
    return true;
}

}  // namespace vtsim::platform
