// SPDX-License-Identifier: Apache-2.0
// The fields and controls that the VMM uses. SDM vol. 3, appendix "Field Encoding in VMCS", and chapter "Virtual-Machine Control Structures".
#pragma once
#include "common/types.h"

namespace guest {

enum class Field : u32 {
    vpid = 0x0000,
    // Selectors, limits, access rights and bases of ES, CS, SS, DS, FS, GS, LDTR, TR: each in steps of 2 from the first.
    guest_es_selector = 0x0800,
    guest_es_limit = 0x4800,
    guest_gdtr_limit = 0x4810,
    guest_idtr_limit = 0x4812,
    guest_es_access_rights = 0x4814,
    guest_es_base = 0x6806,
    guest_gdtr_base = 0x6816,
    guest_idtr_base = 0x6818,

    host_es_selector = 0x0c00,
    host_cs_selector = 0x0c02,
    host_ss_selector = 0x0c04,
    host_ds_selector = 0x0c06,
    host_fs_selector = 0x0c08,
    host_gs_selector = 0x0c0a,
    host_tr_selector = 0x0c0c,

    io_bitmap_a = 0x2000,
    io_bitmap_b = 0x2002,
    msr_bitmap = 0x2004,
    tsc_offset = 0x2010,
    ept_pointer = 0x201a,
    guest_physical_address = 0x2400,
    vmcs_link_pointer = 0x2800,
    guest_debugctl = 0x2802,
    guest_pat = 0x2804,
    guest_efer = 0x2806,
    host_pat = 0x2c00,
    host_efer = 0x2c02,

    pin_controls = 0x4000,
    primary_controls = 0x4002,
    exception_bitmap = 0x4004,
    page_fault_mask = 0x4006,
    page_fault_match = 0x4008,
    exit_controls = 0x400c,
    entry_controls = 0x4012,
    entry_interruption = 0x4016,
    entry_error_code = 0x4018,
    entry_instruction_length = 0x401a,
    secondary_controls = 0x401e,

    instruction_error = 0x4400,
    exit_reason = 0x4402,
    exit_interruption = 0x4404,
    exit_interruption_error_code = 0x4406,
    idt_vectoring = 0x4408,
    idt_vectoring_error_code = 0x440a,
    instruction_length = 0x440c,

    guest_interruptibility = 0x4824,
    guest_activity = 0x4826,
    guest_sysenter_cs = 0x482a,
    preemption_timer = 0x482e,
    host_sysenter_cs = 0x4c00,

    cr0_mask = 0x6000,
    cr4_mask = 0x6002,
    cr0_shadow = 0x6004,
    cr4_shadow = 0x6006,

    exit_qualification = 0x6400,
    guest_linear_address = 0x640a,

    guest_cr0 = 0x6800,
    guest_cr3 = 0x6802,
    guest_cr4 = 0x6804,
    guest_dr7 = 0x681a,
    guest_rsp = 0x681c,
    guest_rip = 0x681e,
    guest_rflags = 0x6820,
    guest_pending_debug = 0x6822,
    guest_sysenter_esp = 0x6824,
    guest_sysenter_eip = 0x6826,

    host_cr0 = 0x6c00,
    host_cr3 = 0x6c02,
    host_cr4 = 0x6c04,
    host_fs_base = 0x6c06,
    host_gs_base = 0x6c08,
    host_tr_base = 0x6c0a,
    host_gdtr_base = 0x6c0c,
    host_idtr_base = 0x6c0e,
    host_sysenter_esp = 0x6c10,
    host_sysenter_eip = 0x6c12,
    host_rsp = 0x6c14,
    host_rip = 0x6c16,
};

enum Segment : u32 { es, cs, ss, ds, fs, gs, ldtr, tr, segment_count };
constexpr Field of_segment(Field of_es, Segment segment) { return Field(u32(of_es) + 2 * segment); }

enum PinControl : u32 { external_interrupt_exiting = 1u << 0, nmi_exiting = 1u << 3, activate_preemption_timer = 1u << 6 };
enum PrimaryControl : u32 {
    use_tsc_offsetting = 1u << 3,
    hlt_exiting = 1u << 7,
    invlpg_exiting = 1u << 9,
    mwait_exiting = 1u << 10,
    rdpmc_exiting = 1u << 11,
    rdtsc_exiting = 1u << 12,
    cr3_load_exiting = 1u << 15,
    cr3_store_exiting = 1u << 16,
    cr8_load_exiting = 1u << 19,
    cr8_store_exiting = 1u << 20,
    mov_dr_exiting = 1u << 23,
    unconditional_io_exiting = 1u << 24,
    use_io_bitmaps = 1u << 25,
    use_msr_bitmaps = 1u << 28,
    monitor_exiting = 1u << 29,
    pause_exiting = 1u << 30,
    activate_secondary = 1u << 31,
};
enum SecondaryControl : u32 {
    enable_ept = 1u << 1,
    descriptor_table_exiting = 1u << 2,
    enable_rdtscp = 1u << 3,
    enable_vpid = 1u << 5,
    wbinvd_exiting = 1u << 6,
    unrestricted_guest = 1u << 7,
    rdrand_exiting = 1u << 11,
    enable_invpcid = 1u << 12,
    rdseed_exiting = 1u << 16,
    enable_xsaves = 1u << 20,
};
enum ExitControl : u32 { save_debug_controls = 1u << 2, host_is_64_bit = 1u << 9, save_pat = 1u << 18, exit_load_pat = 1u << 19, save_efer = 1u << 20, exit_load_efer = 1u << 21, save_preemption_timer = 1u << 22 };
enum EntryControl : u32 { load_debug_controls = 1u << 2, guest_is_ia32e = 1u << 9, entry_load_pat = 1u << 14, entry_load_efer = 1u << 15 };

enum ActivityState : u32 { active = 0, halted = 1 };
enum Interruptibility : u32 { blocked_by_sti = 1u << 0, blocked_by_mov_ss = 1u << 1, blocked_by_nmi = 1u << 3 };

// Access rights as the VMCS has them: type, S, DPL and P in bits 7:0, L in 13, D/B in 14, G in 15, unusable in 16.
constexpr u32 access_code_32 = 0xc09b, access_data_32 = 0xc093, access_busy_tss_32 = 0x8b, access_unusable = 1u << 16;

// SDM vol. 3, "VM-Entry Controls for Event Injection".
enum EventType : u32 { hardware_exception = 3 };
constexpr u32 event_valid = 1u << 31, event_has_error_code = 1u << 11, event_type_shift = 8;

}  // namespace guest
