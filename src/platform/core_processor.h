// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/core_params.h"
#include "platform/processor.h"

namespace vtsim::platform {

// Makes the processors of a machine: cpu::Core behind the interface that core modules drive.
[[nodiscard]] ProcessorFactory core_factory(const cpu::CoreParams& params);

}  // namespace vtsim::platform
