// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/types.h"

namespace vtsim::vmx {

struct VmcsData;

// What the current VMCS makes of instructions and events, compiled at VM entry so that no handler looks into a VMCS. Outside VMX non-root
// operation everything is off. Addresses of bitmaps are physical; their contents are memory and are never cached.
struct Intercepts {
    bool non_root = false;

    // Instructions.
    bool hlt = false, invlpg = false, mwait = false, monitor = false, pause = false, rdpmc = false, rdtsc = false, mov_dr = false;
    bool cr3_load = false, cr3_store = false, cr8_load = false, cr8_store = false;
    bool descriptor_table = false, wbinvd = false, rdrand = false, rdseed = false;
    bool rdtscp_enabled = false, invpcid_enabled = false, xsaves_enabled = false, vmfunc_enabled = false;   // else #UD in non-root operation
    bool io_unconditional = false, io_bitmaps = false;
    bool msr_bitmaps = false;                    // when off in non-root operation, every RDMSR and WRMSR exits
    bool pause_loop = false, vmcs_shadowing = false;
    u32 ple_gap = 0, ple_window = 0;
    u64 io_bitmap_a = 0, io_bitmap_b = 0, msr_bitmap = 0;
    u64 vmread_bitmap = 0, vmwrite_bitmap = 0;
    u64 xss_bitmap = 0;

    // Events.
    u32 exception_bitmap = 0, page_fault_mask = 0, page_fault_match = 0;
    bool external_interrupt = false, nmi = false, virtual_nmis = false, acknowledge_interrupt = false;
    bool interrupt_window = false, nmi_window = false, monitor_trap_flag = false, preemption_timer = false;

    // Control registers.
    u64 cr0_mask = 0, cr0_shadow = 0, cr4_mask = 0, cr4_shadow = 0;
    unsigned cr3_target_count = 0;
    std::array<u64, 4> cr3_targets{};

    // Time.
    u64 tsc_offset = 0;
    u64 tsc_multiplier = u64{1} << 48;           // 48 fractional bits

    // Translation.
    bool ept = false, vpid_enabled = false, unrestricted = false, mode_based_execute = false, pml = false, violation_ve = false;
    u16 vpid = 0;
    u64 eptp = 0;

    // APIC.
    bool tpr_shadow = false, virtualize_apic_accesses = false, virtualize_x2apic = false, apic_registers = false, virtual_interrupt_delivery = false, posted_interrupts = false;
    u32 tpr_threshold = 0;
    u8 posted_interrupt_vector = 0;
    u64 virtual_apic_page = 0, apic_access_page = 0, posted_interrupt_descriptor = 0;
    std::array<u64, 4> eoi_exit_bitmap{};
};

[[nodiscard]] Intercepts compile_intercepts(const VmcsData& vmcs);

}  // namespace vtsim::vmx
