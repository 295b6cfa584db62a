// SPDX-License-Identifier: Apache-2.0
// Runs a snippet at a ring of the processor itself.
#pragma once
#include "observation.h"

namespace guest {

// Outside VMX operation, or in VMX root operation for a snippet that needs it.
Observation run_at_ring(const Snippet& snippet, u8 ring, Resources other);
// The tables, and what else a snippet never changes.
void initialize_rings(Tables& tables, u64 other_cr3);

}  // namespace guest
