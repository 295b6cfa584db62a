// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <algorithm>
#include <cstring>
#include <systemc>
#include <utility>

#include "base/types.h"

namespace vtsim::platform {

// A model of registers: `access_size` is the widest access its registers take; wider ones arrive as several, lowest address first.
template <class T>
concept RegisterModel = requires(T model, u64 offset, unsigned size, u64 value) {
    { model.read(offset, size) } -> std::convertible_to<u64>;
    model.write(offset, size, value);
    { T::access_size } -> std::convertible_to<unsigned>;
};

// The module of a device that is nothing but registers: a target socket before the model. It adds no delay: cores charge for I/O.
template <RegisterModel Model>
class DeviceModule final : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<DeviceModule> socket{"socket"};
    Model model;

    template <class... Args>
    explicit DeviceModule(const sc_core::sc_module_name& name, Args&&... args) : sc_module(name), model(std::forward<Args>(args)...) {
        socket.register_b_transport(this, &DeviceModule::transport);
    }

private:
    void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
        auto* const data = payload.get_data_ptr();
        for (unsigned done = 0; done < payload.get_data_length();) {
            const unsigned size = std::min(payload.get_data_length() - done, Model::access_size);
            const u64 offset = payload.get_address() + done;
            u64 value = 0;
            if (payload.is_write()) {
                std::memcpy(&value, data + done, size);
                model.write(offset, size, value);
            } else {
                value = model.read(offset, size);
                std::memcpy(data + done, &value, size);
            }
            done += size;
        }
        payload.set_response_status(tlm::TLM_OK_RESPONSE);
    }
};

}  // namespace vtsim::platform
