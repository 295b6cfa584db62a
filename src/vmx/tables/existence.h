// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vmx/vmx_params.h"

namespace vtsim::vmx {

// Whether a field, a control or an MSR exists on a processor with these capabilities.
using Existence = bool (*)(const VmxParams&);

inline constexpr Existence always = [](const VmxParams&) { return true; };
inline constexpr Existence never = [](const VmxParams&) { return false; };
template <bool VmxParams::*capability>
inline constexpr Existence with = [](const VmxParams& params) { return params.*capability; };

}  // namespace vtsim::vmx
