// SPDX-License-Identifier: Apache-2.0
// What the snippets (snippets.S) and the program agree on. Numbers only: the assembler reads it too.
#pragma once

// Selectors beyond those of common/descriptors.h; LDT and TSS descriptors take two entries each.
#define SELECTOR_OTHER_TSS 0x48
#define SELECTOR_LDT 0x58
#define SELECTOR_OTHER_LDT 0x68
#define SELECTOR_CODE32_RING0 0x78
#define SELECTOR_CODE32_RING1 0x80
#define SELECTOR_DATA_RING1 0x88
#define SELECTOR_CODE64_RING1 0x90
#define SELECTOR_PROBE_DATA 0x98    /* open to ring 3 */
#define SELECTOR_PROBE_CODE 0xa0    /* conforming: every ring may go there and stays what it is */

// What the other form of the probes has as base: the landing pads lie so far apart.
#define LANDING_DISTANCE 32

// Vectors: a snippet ends in END_VECTOR; handlers of the others put a number of their own into EAX and return.
#define END_VECTOR 0x80
#define SERVICE_VECTOR 0x81         /* open to ring 3 */
#define OTHER_SERVICE_VECTOR 0x82
#define RING0_SERVICE_VECTOR 0x83   /* ring 0 only */
#define TIMER_VECTOR 0x40

// What a snippet needs.
#define NEEDS_INTERRUPTS 1          /* RFLAGS.IF set before it */
#define NEEDS_TIMER 2               /* and a timer that wakes the processor */
#define NEEDS_OSXSAVE 4             /* CR4.OSXSAVE stays set */
#define NEEDS_TSD 8                 /* CR4.TSD */
#define NEEDS_PCE 16                /* CR4.PCE */
#define NEEDS_FSGSBASE 32           /* CR4.FSGSBASE, where there is such a thing */
#define NEEDS_VMX_ROOT 64           /* VMX root operation with a current VMCS */
#define NEEDS_UMIP 128              /* CR4.UMIP; not tried where there is no such thing */

#define PORT 0xa1                   /* the second 8259's mask: reads back what was written */
#define PORT_OTHER_VALUE 0x7f
#define FLAGS_OTHER 0x3202          /* IF and IOPL 3 */
