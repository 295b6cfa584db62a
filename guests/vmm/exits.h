// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "vcpu.h"

namespace guest {

void handle_exit(Vcpu& vcpu, ExitReason reason);
const char* exit_name(ExitReason reason);  // nullptr: the VMM has no handler for it

// Which ports and MSRs exit: all ports; all MSRs but those that belong to the guest alone. The local APIC's belong to a guest that is alone.
u64 make_io_bitmaps(MemoryPool& pool);
u64 make_msr_bitmap(MemoryPool& pool, bool shadow, bool alone);

// The handlers that are more than a line. (cpuid.cpp, io.cpp, msr.cpp, control_registers.cpp)
void handle_cpuid(Vcpu& vcpu);
void handle_xsetbv(Vcpu& vcpu);
void handle_io(Vcpu& vcpu);
void handle_rdmsr(Vcpu& vcpu);
void handle_wrmsr(Vcpu& vcpu);
void handle_cr_access(Vcpu& vcpu);

}  // namespace guest
