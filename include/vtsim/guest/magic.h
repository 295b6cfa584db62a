// SPDX-License-Identifier: Apache-2.0
// Magic instructions: how a guest program talks to the simulator about its own run.
//
// A magic instruction is the long NOP `nopl disp32(%rax)`, 0F 1F 80 disp32, whose displacement is 0x5654'0000 ("VT")
// plus a function number. SDM vol. 2, "NOP": the multi-byte form does not access its memory operand. So on hardware, and on
// any simulator that does not know it, the instruction does nothing, and in VMX non-root operation it causes no VM exit.
//
// C and C++ use the inline functions, assembly the macros (`vtsim_magic VTSIM_MAGIC_ROI_BEGIN`). The header is freestanding.
#ifndef VTSIM_GUEST_MAGIC_H
#define VTSIM_GUEST_MAGIC_H

#define VTSIM_MAGIC_DISPLACEMENT 0x56540000 /* bits 31:16; the function is in bits 15:0 */

#define VTSIM_MAGIC_ROI_BEGIN 1       /* the region of interest begins; it is the whole machine's and lasts until there were as many ends */
#define VTSIM_MAGIC_ROI_END 2         /* the region of interest ends; nothing outside a region */
#define VTSIM_MAGIC_STATS_RESET 3     /* every statistic starts again from zero */
#define VTSIM_MAGIC_STATS_DUMP 4      /* write a report of the statistics so far */
#define VTSIM_MAGIC_EXIT 5            /* end the simulation; EDI: status */
#define VTSIM_MAGIC_MODE_FUNCTIONAL 6 /* go on in functional mode */
#define VTSIM_MAGIC_MODE_WARM 7       /* go on in warm mode */
#define VTSIM_MAGIC_MODE_TIMING 8     /* go on in timing mode */
#define VTSIM_MAGIC_MARK 9            /* put a label into the report and the trace; RDI: label */

#ifdef __ASSEMBLER__

.macro vtsim_magic function
    .byte 0x0f, 0x1f, 0x80
    .long VTSIM_MAGIC_DISPLACEMENT | \function
.endm

#else

#define VTSIM_MAGIC_STRING_(text) #text
#define VTSIM_MAGIC_STRING(text) VTSIM_MAGIC_STRING_(text)
#define VTSIM_MAGIC_CODE(function) \
    ".byte 0x0f, 0x1f, 0x80\n\t.long " VTSIM_MAGIC_STRING(VTSIM_MAGIC_DISPLACEMENT) " | " VTSIM_MAGIC_STRING(function)

/* The memory clobber keeps the work of a region inside the region. */
#define VTSIM_MAGIC_FUNCTION(name, function) \
    static inline void name(void) { __asm__ volatile(VTSIM_MAGIC_CODE(function) ::: "memory"); }

VTSIM_MAGIC_FUNCTION(vtsim_magic_roi_begin, VTSIM_MAGIC_ROI_BEGIN)
VTSIM_MAGIC_FUNCTION(vtsim_magic_roi_end, VTSIM_MAGIC_ROI_END)
VTSIM_MAGIC_FUNCTION(vtsim_magic_stats_reset, VTSIM_MAGIC_STATS_RESET)
VTSIM_MAGIC_FUNCTION(vtsim_magic_stats_dump, VTSIM_MAGIC_STATS_DUMP)
VTSIM_MAGIC_FUNCTION(vtsim_magic_mode_functional, VTSIM_MAGIC_MODE_FUNCTIONAL)
VTSIM_MAGIC_FUNCTION(vtsim_magic_mode_warm, VTSIM_MAGIC_MODE_WARM)
VTSIM_MAGIC_FUNCTION(vtsim_magic_mode_timing, VTSIM_MAGIC_MODE_TIMING)

/* On hardware this returns: a program that must end puts its own way out behind it. */
static inline void vtsim_magic_exit(int status) { __asm__ volatile(VTSIM_MAGIC_CODE(VTSIM_MAGIC_EXIT)::"D"(status) : "memory"); }

static inline void vtsim_magic_mark(unsigned long long label) { __asm__ volatile(VTSIM_MAGIC_CODE(VTSIM_MAGIC_MARK)::"D"(label) : "memory"); }

#endif
#endif
