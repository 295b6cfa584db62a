// SPDX-License-Identifier: Apache-2.0
// What the VMM and its guest agree on.
#pragma once
#include "common/types.h"

namespace guest {

constexpr u32 hypervisor_leaf = 0x40000000;
constexpr u32 hypervisor_signature[3] = {0x69737476, 0x6d76206d, 0x2020206d};  // "vtsim vmm   " in EBX, ECX, EDX

// VMCALL: RAX is the function on the way in and the number of calls so far on the way out.
constexpr u64 hypercall_nop = 0;

}  // namespace guest
