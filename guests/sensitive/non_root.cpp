// SPDX-License-Identifier: Apache-2.0
#include "non_root.h"

#include <cstddef>

#include "common/cpu.h"
#include "vmm/capabilities.h"
#include "vmm/exit_reasons.h"
#include "vmm/stop.h"
#include "vmm/vcpu.h"

extern "C" guest::u64 enter_guest(guest::Vcpu* vcpu);
extern "C" char vm_exit[];

namespace guest {

void vmwrite_failed(Field field, u64 value) { stop("VMWRITE of ", hex(value), " to field ", hex(u32(field)), " failed: error ", vmread(Field::instruction_error)); }

namespace {

constexpr u64 rflags_fixed = 2, dr7_fixed = 0x400;
constexpr u32 access_code_64 = 0xa09b, access_ldt = 0x82, flat_limit = 0xffffffff, vector_mask = 0xff, has_error_code = 1u << 11, basic_reason = 0xffff, entry_failure = 1u << 31;
constexpr u32 dpl_shift = 5;

Vcpu vcpu;
Tables *guest_tables, *host_tables;
u64 other_root;
ExitPolicy exit_policy;
Resources host_changed;

void write_controls() {
    const bool all = exit_policy == ExitPolicy::all;
    // What a VMM cannot do without: the state behind them is the host's, and no field of the VMCS holds a guest's.
    constexpr u32 few_primary = hlt_exiting | mwait_exiting | monitor_exiting | rdpmc_exiting | mov_dr_exiting | unconditional_io_exiting | cr8_load_exiting | cr8_store_exiting;
    constexpr u32 more_primary = invlpg_exiting | rdtsc_exiting | cr3_load_exiting | cr3_store_exiting | pause_exiting;
    constexpr u32 few_secondary = enable_rdtscp | enable_invpcid;
    constexpr u32 more_secondary = descriptor_table_exiting | wbinvd_exiting | rdrand_exiting | rdseed_exiting;
    vmwrite(Field::pin_controls, choose_controls(Controls::pin, external_interrupt_exiting | nmi_exiting));
    vmwrite(Field::primary_controls, choose_controls(Controls::primary, few_primary | use_tsc_offsetting | (all ? more_primary : 0), activate_secondary));
    if (vmread(Field::primary_controls) & activate_secondary) vmwrite(Field::secondary_controls, choose_controls(Controls::secondary, 0, few_secondary | (all ? more_secondary : 0)));
    vmwrite(Field::exit_controls, choose_controls(Controls::exit, host_is_64_bit));
    vmwrite(Field::entry_controls, choose_controls(Controls::entry, guest_is_ia32e));
    vmwrite(Field::exception_bitmap, flat_limit);
    vmwrite(Field::page_fault_mask, 0);
    vmwrite(Field::page_fault_match, 0);
    vmwrite(Field::vmcs_link_pointer, ~u64{0});
    vmwrite(Field::cr0_mask, all ? ~u64{0} : cr0_ne);
    vmwrite(Field::cr4_mask, all ? ~u64{0} : cr4_fixed_ones());
}

void write_segment(Segment segment, u16 selector, u64 base, u32 limit, u32 access) {
    vmwrite(of_segment(Field::guest_es_selector, segment), selector);
    vmwrite(of_segment(Field::guest_es_base, segment), base);
    vmwrite(of_segment(Field::guest_es_limit, segment), limit);
    vmwrite(of_segment(Field::guest_es_access_rights, segment), access);
}

void write_segments(const World& world, u8 cpl, unsigned bits) {
    const u64 gdt = world.value(Resource::gdtr);
    const Selectors selectors = selectors_of(cpl, bits);
    write_segment(cs, selectors.code, 0, flat_limit, (bits == 32 ? access_code_32 : access_code_64) | u32{cpl} << dpl_shift);
    write_segment(ss, selectors.stack, 0, flat_limit, access_data_32 | u32{cpl} << dpl_shift);
    for (const Segment segment : {ds, es}) write_segment(segment, user_data | ring3, 0, flat_limit, access_data_32 | u32{ring3} << dpl_shift);
    write_segment(fs, 0, fs_base_of_snippets, flat_limit, access_unusable);
    write_segment(gs, 0, 0, flat_limit, access_unusable);
    const u16 ldt_selector = u16(world.value(Resource::ldtr)), task_selector = u16(world.value(Resource::tr));
    write_segment(ldtr, ldt_selector, system_segment_base(gdt, ldt_selector), system_segment_limit(gdt, ldt_selector), access_ldt);
    write_segment(tr, task_selector, system_segment_base(gdt, task_selector), system_segment_limit(gdt, task_selector), access_busy_tss_32);
}

void write_guest_state(const World& world, const Snippet& snippet, u8 cpl) {
    write_segments(world, cpl, snippet.bits);
    vmwrite(Field::guest_gdtr_base, world.value(Resource::gdtr));
    vmwrite(Field::guest_gdtr_limit, world.tables().gdt(false).limit);
    vmwrite(Field::guest_idtr_base, world.value(Resource::idtr));
    vmwrite(Field::guest_idtr_limit, world.tables().idt(false).limit);
    vmwrite(Field::guest_cr0, world.value(Resource::cr0) | cr0_fixed_ones());
    vmwrite(Field::cr0_shadow, world.value(Resource::cr0));
    vmwrite(Field::guest_cr3, world.value(Resource::cr3));
    vmwrite(Field::guest_cr4, world.value(Resource::cr4) | cr4_fixed_ones());
    vmwrite(Field::cr4_shadow, world.value(Resource::cr4));
    vmwrite(Field::guest_dr7, dr7_fixed);
    vmwrite(Field::guest_rip, snippet.code);
    vmwrite(Field::guest_rsp, reinterpret_cast<u64>(snippet_stack_top));
    vmwrite(Field::guest_rflags, rflags_fixed | world.value(Resource::flags));
    vmwrite(Field::guest_sysenter_cs, kernel_code);
    vmwrite(Field::guest_sysenter_esp, reinterpret_cast<u64>(entry_stack_top));
    vmwrite(Field::guest_sysenter_eip, world.value(Resource::sysenter));
    for (const Field field : {Field::guest_pending_debug, Field::guest_debugctl}) vmwrite(field, 0);
    for (const Field field : {Field::guest_interruptibility, Field::guest_activity, Field::entry_interruption}) vmwrite(field, 0);
}

// As the registers of the processor are.
void write_host_state() {
    for (const Field field : {Field::host_es_selector, Field::host_ss_selector, Field::host_ds_selector}) vmwrite(field, kernel_data);
    for (const Field field : {Field::host_fs_selector, Field::host_gs_selector}) vmwrite(field, 0);
    const u64 gdt = current_value(Resource::gdtr), task_selector = current_value(Resource::tr);
    vmwrite(Field::host_cs_selector, kernel_code);
    vmwrite(Field::host_tr_selector, task_selector);
    vmwrite(Field::host_tr_base, system_segment_base(gdt, u16(task_selector)));
    vmwrite(Field::host_fs_base, 0);
    vmwrite(Field::host_gs_base, 0);
    vmwrite(Field::host_gdtr_base, gdt);
    vmwrite(Field::host_idtr_base, current_value(Resource::idtr));
    vmwrite(Field::host_cr0, read_cr0());
    vmwrite(Field::host_cr3, read_cr3());
    vmwrite(Field::host_cr4, read_cr4());
    vmwrite(Field::host_sysenter_cs, kernel_code);
    vmwrite(Field::host_sysenter_esp, reinterpret_cast<u64>(entry_stack_top));
    vmwrite(Field::host_sysenter_eip, read_msr(msr_sysenter_eip));
    vmwrite(Field::host_rip, reinterpret_cast<u64>(vm_exit));
}

// What a MOV would read: the guest's own bits, and those of the shadow where the host owns them.
u64 control_register(Field value, Field mask, Field shadow) { return (vmread(value) & ~vmread(mask)) | (vmread(shadow) & vmread(mask)); }

// After the exit and before the host's state is back: what software switches is still the guest's.
State guest_state() {
    State state;
    const u64 gdt = vmread(Field::guest_gdtr_base), idt = vmread(Field::guest_idtr_base);
    state[Resource::gdtr] = gdt;
    state[Resource::gdt] = probe_descriptors(gdt);
    state[Resource::idtr] = idt;
    state[Resource::idt] = service_gate(idt);
    state[Resource::ldtr] = vmread(of_segment(Field::guest_es_selector, ldtr));
    state[Resource::tr] = vmread(of_segment(Field::guest_es_selector, tr));
    state[Resource::cr0] = control_register(Field::guest_cr0, Field::cr0_mask, Field::cr0_shadow);
    state[Resource::cr3] = vmread(Field::guest_cr3);
    state[Resource::cr4] = control_register(Field::guest_cr4, Field::cr4_mask, Field::cr4_shadow);
    state[Resource::sysenter] = vmread(Field::guest_sysenter_eip);
    for (const Resource resource : switched_by_software) state[resource] = current_value(resource);
    return state;
}

// In the guest's handler, at its CPL 0: the exit ends the run.
u64 flags_at_end;
void leave_non_root(InterruptFrame& frame) {
    flags_at_end = frame.rflags & privileged_flags;
    for (;;) asm volatile("vmcall");
}

void record_exit(Observation& o) {
    const u32 reason = vmread(Field::exit_reason);
    if (reason & entry_failure) {
        o.end = Observation::End::entry_failed;
        o.exit_reason = reason & basic_reason;
        return;
    }
    o.end = Observation::End::exit;
    o.exit_reason = reason & basic_reason;
    if (o.exit_reason != u32(ExitReason::exception_or_nmi)) return;
    const u32 interruption = u32(vmread(Field::exit_interruption));
    o.vector = interruption & vector_mask;
    o.error_code = interruption & has_error_code ? vmread(Field::exit_interruption_error_code) : 0;
}

}  // namespace

bool has_vmx() {
    constexpr unsigned cpuid_vmx = 5;
    return cpuid_1_ecx(cpuid_vmx);
}

void initialize_non_root(MemoryPool& memory, Tables& tables_for_guest, Tables& tables_for_host, u64 other_cr3, ExitPolicy policy) {
    guest_tables = &tables_for_guest;
    host_tables = &tables_for_host;
    other_root = other_cr3;
    exit_policy = policy;
    enter_vmx_operation(memory);
    vcpu.vmcs = memory.take_zeroed_page();
    *reinterpret_cast<u32*>(vcpu.vmcs) = vmcs_revision();
    if (!vmclear(vcpu.vmcs) || !vmptrld(vcpu.vmcs)) stop("VMCLEAR or VMPTRLD of the VMCS at ", hex(vcpu.vmcs), " failed");
    operands.vmx_region = memory.take_zeroed_page();
    write_controls();
}

Observation run_in_non_root(const Snippet& snippet, u8 cpl, Resources other, Resources host_other) {
    Observation observation;
    const World world{*guest_tables, snippet, other}, host_world{*host_tables, snippet, host_other, true};
    clear_output();
    set_operands(*guest_tables, other_root, cpl);
    load(host_world);
    world.prepare();
    guest_tables->occupy_task_state(u16(world.value(Resource::tr)));
    write_guest_state(world, snippet, cpl);
    write_host_state();
    vmwrite(Field::tsc_offset, world.value(Resource::tsc) - host_world.value(Resource::tsc));
    const State host_before = current_state(0);
    for (const Resource resource : switched_by_software) load_one(world, resource);
    observation.before = guest_state();
    observation.before[Resource::flags] = world.value(Resource::flags);
    running = {&observation, snippet.code, snippet.bits, leave_non_root};
    flags_at_end = ~u64{0};
    vcpu.registers = {};
    wait_a_while();
    if (enter_guest(&vcpu)) stop("VM entry failed: error ", vmread(Field::instruction_error));
    observation.after = guest_state();
    observation.after[Resource::flags] = flags_at_end;
    if (flags_at_end == ~u64{0}) record_exit(observation);
    asm volatile("mov %0, %%fs; mov %0, %%gs" ::"r"(0));
    load_one(host_world, Resource::ldtr);               // an exit leaves LDTR unusable
    for (const Resource resource : switched_by_software) load_one(host_world, resource);
    host_changed = current_state(0).differs_from(host_before);
    load(World{*host_tables, snippet, Resources{}, true});
    return observation;
}

Resources host_resources_changed() { return host_changed; }

}  // namespace guest
