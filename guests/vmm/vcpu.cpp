// SPDX-License-Identifier: Apache-2.0
#include "vcpu.h"

#include <cstddef>

#include "capabilities.h"
#include "common/cpu.h"
#include "common/descriptors.h"
#include "exits.h"
#include "shadow/shadow.h"
#include "stop.h"

extern "C" guest::u64 enter_guest(guest::Vcpu* vcpu);
extern "C" char vm_exit[];

namespace guest {

void vmwrite_failed(Field field, u64 value) { stop("VMWRITE of ", hex(value), " to field ", hex(u32(field)), " failed: error ", vmread(Field::instruction_error)); }

namespace {

constexpr u32 msr_pat = 0x277;
constexpr u64 reset_pat = 0x0007040600070406;  // SDM vol. 3, "Page Attribute Table (PAT)": the value after reset

void write_controls(const Vcpu& vcpu, const VcpuSetup& setup) {
    const u32 vpid = vcpu.vpid ? u32{enable_vpid} : 0;
    vmwrite(Field::pin_controls, choose_controls(Controls::pin, vcpu.alone ? 0 : u32{activate_preemption_timer}));
    const u32 primary = hlt_exiting | use_io_bitmaps | use_msr_bitmaps | activate_secondary;
    vmwrite(Field::primary_controls, choose_controls(Controls::primary, vcpu.shadow ? primary | cr3_load_exiting | cr3_store_exiting | invlpg_exiting : primary));
    if (vcpu.shadow) vmwrite(Field::secondary_controls, choose_controls(Controls::secondary, vpid, enable_rdtscp));
    else vmwrite(Field::secondary_controls, choose_controls(Controls::secondary, enable_ept | unrestricted_guest | vpid, enable_rdtscp | enable_invpcid));
    const u32 exit = host_is_64_bit | save_pat | exit_load_pat | save_efer | exit_load_efer;
    vmwrite(Field::exit_controls, choose_controls(Controls::exit, vcpu.alone ? exit : exit | save_preemption_timer, save_debug_controls));
    vmwrite(Field::entry_controls, choose_controls(Controls::entry, entry_load_pat | entry_load_efer, load_debug_controls));
    vmwrite(Field::exception_bitmap, 0);
    vmwrite(Field::io_bitmap_a, setup.io_bitmaps);
    vmwrite(Field::io_bitmap_b, setup.io_bitmaps + 4096);
    vmwrite(Field::msr_bitmap, setup.msr_bitmap);
    vmwrite(Field::tsc_offset, 0);
    if (vcpu.ept) vmwrite(Field::ept_pointer, vcpu.ept->pointer());
    if (vcpu.vpid) vmwrite(Field::vpid, vcpu.vpid);
    vmwrite(Field::vmcs_link_pointer, ~u64{0});
}

void write_host_state() {
    constexpr Field same_data_selector[] = {Field::host_es_selector, Field::host_ss_selector, Field::host_ds_selector, Field::host_fs_selector, Field::host_gs_selector};
    for (const Field field : same_data_selector) vmwrite(field, kernel_data);
    vmwrite(Field::host_cs_selector, kernel_code);
    vmwrite(Field::host_tr_selector, task_state);
    vmwrite(Field::host_fs_base, read_msr(msr_fs_base));
    vmwrite(Field::host_gs_base, read_msr(msr_gs_base));
    vmwrite(Field::host_tr_base, task_state_base());
    vmwrite(Field::host_gdtr_base, read_gdtr().base);
    vmwrite(Field::host_idtr_base, read_idtr().base);
    vmwrite(Field::host_cr0, read_cr0());
    vmwrite(Field::host_cr3, read_cr3());
    vmwrite(Field::host_cr4, read_cr4());
    vmwrite(Field::host_efer, read_msr(msr_efer));
    vmwrite(Field::host_pat, read_msr(msr_pat));
    vmwrite(Field::host_sysenter_cs, 0);
    vmwrite(Field::host_sysenter_esp, 0);
    vmwrite(Field::host_sysenter_eip, 0);
    vmwrite(Field::host_rip, reinterpret_cast<u64>(vm_exit));
}

// As a multiboot loader leaves the machine: flat protected mode, paging off.
void write_guest_state(const VcpuSetup& setup) {
    for (u32 i = es; i < segment_count; ++i) {
        const auto segment = Segment(i);
        vmwrite(of_segment(Field::guest_es_selector, segment), segment == cs ? 0x08 : segment < ldtr ? 0x10 : 0);
        vmwrite(of_segment(Field::guest_es_base, segment), 0);
        vmwrite(of_segment(Field::guest_es_limit, segment), segment < ldtr ? 0xffffffff : task_state_limit);
        vmwrite(of_segment(Field::guest_es_access_rights, segment),
                segment == cs ? access_code_32 : segment == tr ? access_busy_tss_32 : segment == ldtr ? access_unusable : access_data_32);
    }
    constexpr Field zero[] = {
        Field::guest_gdtr_base,     Field::guest_gdtr_limit,       Field::guest_idtr_base,     Field::guest_idtr_limit,    Field::guest_cr3,
        Field::guest_efer,          Field::guest_debugctl,         Field::guest_sysenter_cs,   Field::guest_sysenter_esp,  Field::guest_sysenter_eip,
        Field::guest_pending_debug, Field::guest_interruptibility, Field::guest_activity,      Field::guest_rsp,
    };
    for (const Field field : zero) vmwrite(field, 0);
    vmwrite(Field::guest_rip, setup.rip);
    vmwrite(Field::guest_rflags, 2);
    vmwrite(Field::guest_dr7, 0x400);
    vmwrite(Field::guest_pat, reset_pat);

    // SDM vol. 3, "Guest/Host Masks and Read Shadows for CR0 and CR4": what VMX operation demands is the VMM's, and the guest sees its own values of it.
    const u64 cr0_demanded = cr0_fixed_ones() & ~(cr0_pe | cr0_pg);  // unrestricted guest
    vmwrite(Field::cr0_mask, cr0_demanded);
    vmwrite(Field::cr4_mask, cr4_fixed_ones());
    vmwrite(Field::cr0_shadow, cr0_pe | cr0_et);
    vmwrite(Field::cr4_shadow, 0);
    vmwrite(Field::guest_cr0, cr0_pe | cr0_et | cr0_demanded);
    vmwrite(Field::guest_cr4, cr4_fixed_ones());
}

// SDM vol. 3, "Information for VM Exits That Occur During Event Delivery": the event did not reach the guest and is delivered again.
void deliver_again() {
    const u32 event = u32(vmread(Field::idt_vectoring));
    if (!(event & event_valid)) return;
    constexpr u32 undefined_bit = 1u << 12;
    vmwrite(Field::entry_interruption, event & ~undefined_bit);
    if (event & event_has_error_code) vmwrite(Field::entry_error_code, vmread(Field::idt_vectoring_error_code));
    constexpr u32 first_software_type = 4;
    if ((event >> event_type_shift & 7) >= first_software_type) vmwrite(Field::entry_instruction_length, vmread(Field::instruction_length));
}

}  // namespace

void set_up(Vcpu& vcpu, MemoryPool& pool, const VcpuSetup& setup) {
    vcpu.vmcs = pool.take_zeroed_page();
    *reinterpret_cast<u32*>(vcpu.vmcs) = vmcs_revision();
    if (!vmclear(vcpu.vmcs) || !vmptrld(vcpu.vmcs)) stop("VMCLEAR or VMPTRLD of the VMCS at ", hex(vcpu.vmcs), " failed");
    vcpu.launched = 0;
    vcpu.registers.rax = setup.eax;
    vcpu.registers.rbx = setup.ebx;
    write_controls(vcpu, setup);
    write_host_state();
    write_guest_state(setup);

    if (vcpu.ept) vcpu.ept->invalidate();
    if (vcpu.shadow) return vcpu.shadow->start();
    if (!vcpu.vpid) return;
    const Invvpid type = ept_capabilities() & invvpid_single ? Invvpid::single_context : Invvpid::all_contexts;
    if (!invvpid(type, vcpu.vpid)) stop("INVVPID failed");
}

void run(Vcpu& vcpu) {
    constexpr u32 entry_failure = 1u << 31;
    while (vcpu.running && !vcpu.slice_over) {
        if (enter_guest(&vcpu)) stop(vcpu.launched ? "VMRESUME" : "VMLAUNCH", " failed: VM-instruction error ", vmread(Field::instruction_error));
        const u32 reason = u32(vmread(Field::exit_reason));
        if (reason & entry_failure) stop("VM entry failed: reason ", reason & 0xffff, ", qualification ", hex(vmread(Field::exit_qualification)));
        deliver_again();
        handle_exit(vcpu, ExitReason(reason));
    }
}

void skip_instruction(Vcpu& vcpu) { skip_instruction(vcpu, vmread(Field::instruction_length)); }

void skip_instruction(Vcpu&, u64 length) {
    constexpr u64 rflags_tf = 1u << 8, single_step = 1u << 14;
    vmwrite(Field::guest_rip, vmread(Field::guest_rip) + length);
    const u64 interruptibility = vmread(Field::guest_interruptibility);
    if (interruptibility & (blocked_by_sti | blocked_by_mov_ss)) vmwrite(Field::guest_interruptibility, interruptibility & ~u64{blocked_by_sti | blocked_by_mov_ss});
    if (vmread(Field::guest_rflags) & rflags_tf) vmwrite(Field::guest_pending_debug, vmread(Field::guest_pending_debug) | single_step);
}

void inject_exception(u8 vector) { vmwrite(Field::entry_interruption, event_valid | hardware_exception << event_type_shift | vector); }

void inject_exception(u8 vector, u32 error_code) {
    vmwrite(Field::entry_interruption, event_valid | event_has_error_code | hardware_exception << event_type_shift | vector);
    vmwrite(Field::entry_error_code, error_code);
}

void print_guest_state(Vcpu& vcpu) {
    constexpr const char* names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    vcpu.registers.unused_rsp = vmread(Field::guest_rsp);
    for (unsigned i = 0; i < 16; ++i) print(i % 4 ? "  " : "vmm:   ", names[i], " ", hex(vcpu.gpr(i), 16), i % 4 == 3 ? "\n" : "");
    print("vmm:   rip ", hex(vmread(Field::guest_rip), 16), "  rflags ", hex(vmread(Field::guest_rflags)), "  cs ", hex(vmread(of_segment(Field::guest_es_selector, cs))),
          "  cr0 ", hex(vmread(Field::guest_cr0)), "  cr3 ", hex(vmread(Field::guest_cr3)), "  cr4 ", hex(vmread(Field::guest_cr4)), "  efer ",
          hex(vmread(Field::guest_efer)), "\n");
}

}  // namespace guest
