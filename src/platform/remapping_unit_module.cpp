// SPDX-License-Identifier: Apache-2.0
#include "platform/remapping_unit_module.h"

#include <algorithm>
#include <cstring>

namespace vtsim::platform {
namespace {

iommu::TableRead read_table(void* self, PhysicalAddress address) {
    auto& port = *static_cast<BusInitiator*>(self);
    iommu::TableRead result;
    port.info().kind = TransactionKind::walk;
    result.ok = port.read_block(address.value(), &result.value, sizeof result.value);
    port.info().kind = TransactionKind::data;
    return result;
}

void send_message(void* self, u64 address, u32 data) { static_cast<BusInitiator*>(self)->write(PhysicalAddress{address}, sizeof data, data); }

}  // namespace

RemappingUnitModule::RemappingUnitModule(const sc_core::sc_module_name& name, const iommu::RemappingUnitParams& params, u32 initiator, const Clock& clock,
                                         stats::Group& parent)
    : sc_module(name), memory{"memory", initiator}, clock_{clock}, model_{params, iommu::TablePort{read_table, &memory}, &parent} {
    model_.attach(iommu::MessagePort{send_message, &memory});
    requests.register_b_transport(this, &RemappingUnitModule::transport_request);
    registers.register_b_transport(this, &RemappingUnitModule::transport_register);
}

// A request is translated page by page: neighbouring pages may lie anywhere.
void RemappingUnitModule::transport_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const auto info = info_of(payload);
    iommu::DmaRequest request;
    request.source = iommu::SourceId{info.requester_id.value_or(0)};
    request.write = payload.is_write();
    request.type = static_cast<iommu::RequestType>(info.address_type);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    for (unsigned done = 0; done < payload.get_data_length(); done += request.size) {
        request.address = payload.get_address() + done;
        request.size = static_cast<u32>(std::min<u64>(payload.get_data_length() - done, page_size - (request.address & page_offset_mask)));
        if (forward(request, payload.get_data_ptr() + done, delay)) continue;
        payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
        return;
    }
}

bool RemappingUnitModule::forward(const iommu::DmaRequest& request, u8* data, sc_core::sc_time& delay) {
    const auto result = model_.translate(request);
    delay += clock_.time_of(result.cycles);
    if (result.status == iommu::DmaStatus::blocked) return false;
    const u64 address = result.status == iommu::DmaStatus::interrupt ? request.address : result.address.value();
    memory.info().requester_id = request.source.value;
    const bool done = request.write ? memory.write_block(address, data, request.size) : memory.read_block(address, data, request.size);
    memory.info().requester_id.reset();
    return done;
}

void RemappingUnitModule::transport_register(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
    const auto offset = static_cast<u32>(payload.get_address());
    const unsigned size = std::min(payload.get_data_length(), 8U);
    u64 value = 0;
    if (payload.is_write()) {
        std::memcpy(&value, payload.get_data_ptr(), size);
        model_.write_mmio(offset, size, value);
    } else {
        value = model_.read_mmio(offset, size);
        std::memcpy(payload.get_data_ptr(), &value, size);
    }
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

}  // namespace vtsim::platform
