// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/event.h"
#include "cpu/core.h"
#include "cpu/events/delivery_request.h"

// Events: what happens between instructions and instead of them. SDM vol. 3, "Interrupt and Exception Handling"; with VMX, "VM Exits" and "Event Delivery".
namespace vtsim::cpu::events {


// An instruction raised `event` (exception or vm_exit), RIP is at the instruction: delivers it with all its consequences: exception bitmap and VM exit, IDT delivery, nested
// faults to double and triple fault, VM exits during delivery with IDT-vectoring information. Afterwards RIP and the state are where execution goes on.
void handle(Core& core, arch::Event event, u8 instruction_length);

// Delivers one event through the IDT of the current mode, without exception-bitmap checks for itself but with nested events handled: INT n, INT3, external interrupts, VM-entry
// injection. RIP must already be what is to be pushed.
void deliver(Core& core, const Delivery& delivery);

// INT n in virtual-8086 mode that the redirection bitmap sends to the program's own interrupt vector table (CR4.VME).
[[nodiscard]] arch::Event virtual8086_interrupt(Core& core, u8 vector);

// At an instruction boundary, in the architecture's order (SDM vol. 3, "Priority Among Concurrent Events"): pending debug traps, MTF, preemption timer, NMI and interrupt windows,
// NMI, INIT, SIPI, external interrupts of the local APIC. `shadow`: the boundary after STI or MOV SS. True when it changed what runs next.
bool take_pending(Core& core, bool shadow);

// True when the next instruction must run alone: monitor trap flag armed, instruction breakpoints, ...
bool single_steps(Core& core);
// After a lone instruction: single-step trap (RFLAGS.TF before it) and monitor trap flag. `retired`: it completed.
void after_step(Core& core, bool trap_flag, bool retired);
void end_of_shadow(Core& core);

// VM exit with what `handle` knows; loads the host state. Used by everything that exits. `length` 0 where the manual saves no instruction length.
void vm_exit(Core& core, u16 reason, u8 length);
// VM entry (VMLAUNCH, VMRESUME) after the VMX instruction was vetted: checks, loads, injects.
void vm_entry(Core& core, bool launch);

}  // namespace vtsim::cpu::events
