// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/events/events.h"
#include "vmx/exit/exit_details.h"

namespace vtsim::cpu::events {

// The parts of the exit information that the core parked while an instruction ran.
[[nodiscard]] vmx::ExitDetails details_of(const Core& core);
// Performs the VM exit: the host state is loaded and execution goes on there.
void leave_guest(Core& core, vmx::ExitReason reason, const vmx::ExitDetails& details);

}  // namespace vtsim::cpu::events
