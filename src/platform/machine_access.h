// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/machine.h>

#include "platform/system.h"

namespace vtsim::platform {

// Behind the public interface: machines from parameters and with processors of the caller's choice (tests), and the modules of a machine.
struct MachineAccess {
    [[nodiscard]] static Machine make(const MachineParams& params);
    [[nodiscard]] static Machine make(const MachineParams& params, const ProcessorFactory& make_processor);
    [[nodiscard]] static System& system(Machine& machine);
};

}  // namespace vtsim::platform
