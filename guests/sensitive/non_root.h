// SPDX-License-Identifier: Apache-2.0
// Runs a snippet in VMX non-root operation. Host and guest share the address space; all else that the guest has is its own.
#pragma once
#include "common/memory.h"
#include "observation.h"

namespace guest {

bool has_vmx();

// all: what the processor can make exit, exits. few: what a VMM cannot do without.
enum class ExitPolicy : u8 { all, few };

// Enters VMX operation and sets up a VMCS, which stays current.
void initialize_non_root(MemoryPool& memory, Tables& guest_tables, Tables& host_tables, u64 other_cr3, ExitPolicy policy);
// `other`, `host_other`: the resources of the guest and of the host that have their other form.
Observation run_in_non_root(const Snippet& snippet, u8 cpl, Resources other, Resources host_other);
// What the latest run changed in the host.
Resources host_resources_changed();

}  // namespace guest
