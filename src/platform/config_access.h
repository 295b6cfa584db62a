// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/config.h>

#include "platform/machine_params.h"

namespace vtsim::platform {

// Behind the public interface: the parameters of a configuration.
struct ConfigAccess {
    [[nodiscard]] static const MachineParams& params(const Config& config);
};

}  // namespace vtsim::platform
