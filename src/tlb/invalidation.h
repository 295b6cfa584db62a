// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/types.h"

namespace vtsim::tlb {

// Why mappings were removed; statistics count by it.
enum class Cause : u8 {
    mov_cr3, control_register, invlpg, invpcid, invvpid, invept, vm_transition, eptp_switch, page_fault, ept_violation, permission, reset, mode_switch,
};

inline constexpr std::array<std::string_view, 13> cause_names{
    "mov_cr3", "control_register", "invlpg",        "invpcid",    "invvpid", "invept",      "vm_transition",
    "eptp_switch", "page_fault",   "ept_violation", "permission", "reset",   "mode_switch",
};

}  // namespace vtsim::tlb
