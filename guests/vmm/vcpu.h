// SPDX-License-Identifier: Apache-2.0
// A guest's processor: its VMCS, and what VM exits do not save.
#pragma once
#include "exit_reasons.h"
#include "ept.h"
#include "vmx.h"

namespace guest {

// In the order of the registers' numbers (SDM vol. 2, "ModR/M and SIB Bytes"), as exit qualifications name them. RSP is in the VMCS. entry.S knows this layout.
struct GuestRegisters {
    u64 rax, rcx, rdx, rbx, unused_rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

class Shadow;

struct Vcpu {
    GuestRegisters registers{};
    u64 host_rsp = 0;   // what the VMCS has; entry.S renews it when it changes
    u64 launched = 0;   // VMRESUME instead of VMLAUNCH
    u64 vmcs = 0;

    Ept* ept = nullptr;         // one of the two
    Shadow* shadow = nullptr;
    u16 vpid = 0;  // 0: every VM entry and exit flushes

    const char* name = "";
    bool alone = true;      // on its processor; else several guests take turns: none has the local APIC, and slices end
    bool own_serial_port = true;
    bool running = true, slice_over = false;
    char line[120];         // of output, when several guests share the serial port
    unsigned line_used = 0;
    u32 status = 0;         // what the guest wrote to the exit port
    u64 hypercalls = 0;
    u64 exits[exit_reason_count] = {};

    u64& gpr(unsigned number) { return (&registers.rax)[number]; }
};

static_assert(offsetof(Vcpu, registers) == 0 && offsetof(Vcpu, host_rsp) == 128 && offsetof(Vcpu, launched) == 136, "entry.S");

// How the VMCS is set up.
struct VcpuSetup {
    u64 rip;
    u32 eax, ebx;       // at the first instruction, in protected mode without paging
    u64 io_bitmaps;     // two pages
    u64 msr_bitmap;     // one page
};

void set_up(Vcpu& vcpu, MemoryPool& pool, const VcpuSetup& setup);
void run(Vcpu& vcpu);  // until the guest has ended, or its slice

// The instruction that caused the exit has been executed by the VMM: RIP goes on, shadows end, a single-step trap is not lost.
void skip_instruction(Vcpu& vcpu);
void skip_instruction(Vcpu& vcpu, u64 length);
void triple_fault(Vcpu& vcpu);  // ends the guest
// An exception instead of the instruction.
void inject_exception(u8 vector);
void inject_exception(u8 vector, u32 error_code);
void print_guest_state(Vcpu& vcpu);

}  // namespace guest
