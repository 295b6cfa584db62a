/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Magic instructions: how a guest talks to the simulator. A magic instruction is `nopl disp32(%rax)` (0F 1F 80 disp32) with a
 * reserved displacement. Hardware executes it as a no-operation that touches no memory, it never causes a VM exit, and it is
 * harmless at every privilege level. For C, C++ and assembly; freestanding.
 */
#ifndef VTSIM_GUEST_MAGIC_H
#define VTSIM_GUEST_MAGIC_H

#define VTSIM_MAGIC_BASE 0x56540000 /* "VT" */

#define VTSIM_MAGIC_ROI_BEGIN 1       /* a region of interest begins */
#define VTSIM_MAGIC_ROI_END 2         /* and ends */
#define VTSIM_MAGIC_STATS_RESET 3     /* all statistics become zero */
#define VTSIM_MAGIC_STATS_DUMP 4      /* writes the statistics file as it stands */
#define VTSIM_MAGIC_EXIT 5            /* ends the simulation; EDI is the status (0: a clean end) */
#define VTSIM_MAGIC_MODE_FUNCTIONAL 6 /* switches the execution mode of all cores */
#define VTSIM_MAGIC_MODE_WARM 7
#define VTSIM_MAGIC_MODE_TIMING 8
#define VTSIM_MAGIC_MARK 9            /* marks this moment in traces; RDI is a label of the guest's choice */

#ifdef __ASSEMBLER__

.macro VTSIM_MAGIC function
    .byte 0x0f, 0x1f, 0x80
    .long VTSIM_MAGIC_BASE + \function
.endm

#else

#ifdef __cplusplus
extern "C" {
#endif

#define VTSIM_MAGIC(function) __asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long %c0" ::"i"(VTSIM_MAGIC_BASE + (function)) : "memory")
#define VTSIM_MAGIC_WITH(function, argument) \
    __asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long %c0" ::"i"(VTSIM_MAGIC_BASE + (function)), "D"((unsigned long)(argument)) : "memory")

static inline void vtsim_roi_begin(void) { VTSIM_MAGIC(VTSIM_MAGIC_ROI_BEGIN); }
static inline void vtsim_roi_end(void) { VTSIM_MAGIC(VTSIM_MAGIC_ROI_END); }
static inline void vtsim_stats_reset(void) { VTSIM_MAGIC(VTSIM_MAGIC_STATS_RESET); }
static inline void vtsim_stats_dump(void) { VTSIM_MAGIC(VTSIM_MAGIC_STATS_DUMP); }
static inline void vtsim_exit(unsigned status) { VTSIM_MAGIC_WITH(VTSIM_MAGIC_EXIT, status); }
static inline void vtsim_mode_functional(void) { VTSIM_MAGIC(VTSIM_MAGIC_MODE_FUNCTIONAL); }
static inline void vtsim_mode_warm(void) { VTSIM_MAGIC(VTSIM_MAGIC_MODE_WARM); }
static inline void vtsim_mode_timing(void) { VTSIM_MAGIC(VTSIM_MAGIC_MODE_TIMING); }
static inline void vtsim_mark(unsigned long label) { VTSIM_MAGIC_WITH(VTSIM_MAGIC_MARK, label); }

#ifdef __cplusplus
}
#endif

#endif /* __ASSEMBLER__ */
#endif /* VTSIM_GUEST_MAGIC_H */
