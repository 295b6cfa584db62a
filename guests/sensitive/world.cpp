// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "common/cpu.h"
#include "vmm/capabilities.h"

namespace guest {
namespace {

constexpr u64 base_cr0 = cr0_pe | cr0_mp | cr0_ts | cr0_et | cr0_wp | cr0_pg;
constexpr u64 base_cr4 = cr4_pae | cr4_osfxsr | cr4_osxmmexcpt;
constexpr u64 interrupt_flag = 0x200;

constexpr const char* names[resource_count] = {"GDTR", "GDT", "IDTR", "IDT",      "LDTR",  "TR",             "CR0", "CR2",     "CR3",  "CR4",
                                               "IF/IOPL", "CR8", "DR0", "SYSENTER_EIP", "LSTAR", "KERNEL_GS_BASE", "TSC", "TSC_AUX", "XCR0", "port"};

u64 roots[2];

bool has_fsgsbase() { return cpuid(7).ebx & 1; }
bool has_umip() { return cpuid(7).ecx >> 2 & 1; }
bool has_rdtscp() { return cpuid_extended_edx(27); }

u64 cr4_of(const Snippet& snippet, bool other) {
    u64 cr4 = base_cr4;
    if (has_xsave()) cr4 |= cr4_osxsave;
    if (snippet.needs & NEEDS_TSD) cr4 |= cr4_tsd;
    if (snippet.needs & NEEDS_PCE) cr4 |= cr4_pce;
    if (snippet.needs & NEEDS_FSGSBASE && has_fsgsbase()) cr4 |= cr4_fsgsbase;
    if (snippet.needs & NEEDS_UMIP) cr4 |= cr4_umip;
    if (!other) return cr4;
    cr4 |= cr4_mce;
    return snippet.needs & NEEDS_OSXSAVE ? cr4 : cr4 & ~u64{cr4_osxsave};
}

u16 read_ldtr() {
    u16 selector;
    asm volatile("sldt %0" : "=r"(selector));
    return selector;
}
u16 read_tr() {
    u16 selector;
    asm volatile("str %0" : "=r"(selector));
    return selector;
}
u64 read_dr0() {
    u64 value;
    asm volatile("mov %%dr0, %0" : "=r"(value));
    return value;
}
u64 read_cr8() {
    u64 value;
    asm volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

// XSETBV and XGETBV need CR4.OSXSAVE, which a snippet need not have.
template <class Body>
void with_osxsave(Body body) {
    if (!has_xsave()) return;
    const u64 cr4 = read_cr4();
    write_cr4(cr4 | cr4_osxsave);
    body();
    write_cr4(cr4);
}

}  // namespace

const char* name_of(Resource resource) { return names[unsigned(resource)]; }

Resources State::differs_from(const State& other) const {
    Resources different;
    for (unsigned i = 0; i < resource_count; ++i)
        if (values[i] != other.values[i]) different.add(Resource(i));
    return different;
}

bool is_possible(const Snippet& snippet) { return !(snippet.needs & NEEDS_UMIP) || has_umip(); }

Resources fixed_for(const Snippet& snippet) {
    Resources fixed;
    if (snippet.needs & NEEDS_TIMER) return Resources::all();
    if (snippet.needs & NEEDS_INTERRUPTS) fixed.add(Resource::flags);
    return fixed;
}

void initialize_worlds(u64 root, u64 other_root) {
    roots[0] = root;
    roots[1] = other_root;
}

u64 World::value(Resource resource) const {
    const bool other = other_.has(resource);
    switch (resource) {
    case Resource::gdtr: return tables_.gdt(other).base;
    case Resource::idtr: return tables_.idt(other).base;
    case Resource::gdt: return probe_descriptors(tables_.gdt(false).base);
    case Resource::idt: return service_gate(tables_.idt(false).base);
    case Resource::ldtr: return other ? other_ldt : first_ldt;
    case Resource::tr: return other ? u16{other_task_state} : u16{task_state};
    case Resource::cr0: return (other ? base_cr0 & ~u64{cr0_ts} : base_cr0) | (vmx_operation_ ? cr0_fixed_ones() : 0);
    case Resource::cr2: return other ? 0x222000 : 0x111000;
    case Resource::cr3: return roots[other];
    case Resource::cr4: return cr4_of(snippet_, other) | (vmx_operation_ ? cr4_fixed_ones() : 0);
    case Resource::flags: return other || snippet_.needs & (NEEDS_INTERRUPTS | NEEDS_TIMER) ? interrupt_flag : 0;
    case Resource::tpr: return other ? 2 : 0;
    case Resource::dr0: return other ? 0x222000 : 0x111000;
    case Resource::sysenter: return reinterpret_cast<u64>(other ? other_sysenter_entry : sysenter_entry);
    case Resource::lstar: return reinterpret_cast<u64>(other ? other_syscall_entry : syscall_entry);
    case Resource::kernel_gs_base: return other ? 0x222000 : 0x111000;
    case Resource::tsc: return other ? u64{1} << 40 : 0;
    case Resource::tsc_aux: return other ? 2 : 1;
    case Resource::xcr0: return other ? xcr0_x87 | xcr0_sse : xcr0_x87;
    case Resource::port: return other ? PORT_OTHER_VALUE : 0xff;
    case Resource::count: break;
    }
    return 0;
}

void World::prepare() const {
    tables_.change_probes(other_.has(Resource::gdt));
    tables_.change_service_gate(other_.has(Resource::idt));
}

void load_one(const World& world, Resource resource) {
    const u64 value = world.value(resource);
    switch (resource) {
    case Resource::gdtr: {
        const DescriptorTablePointer pointer = world.tables().gdt(world.has_other(Resource::gdtr));
        asm volatile("lgdt %0" ::"m"(pointer));
        break;
    }
    case Resource::idtr: {
        const DescriptorTablePointer pointer = world.tables().idt(world.has_other(Resource::idtr));
        asm volatile("lidt %0" ::"m"(pointer));
        break;
    }
    case Resource::ldtr: asm volatile("lldt %w0" ::"r"(value)); break;
    case Resource::tr:
        world.tables().free_task_states();
        asm volatile("ltr %w0" ::"r"(value));
        break;
    case Resource::cr0: write_cr0(value); break;
    case Resource::cr2: asm volatile("mov %0, %%cr2" ::"r"(value)); break;
    case Resource::cr3: write_cr3(value); break;
    case Resource::cr4: write_cr4(value); break;
    case Resource::tpr: asm volatile("mov %0, %%cr8" ::"r"(value)); break;
    case Resource::dr0: asm volatile("mov %0, %%dr0" ::"r"(value)); break;
    case Resource::sysenter:
        write_msr(msr_sysenter_cs, kernel_code);
        write_msr(msr_sysenter_esp, reinterpret_cast<u64>(entry_stack_top));
        write_msr(msr_sysenter_eip, value);
        break;
    case Resource::lstar: write_msr(msr_lstar, value); break;
    case Resource::kernel_gs_base: write_msr(msr_kernel_gs_base, value); break;
    case Resource::tsc: write_msr(msr_tsc, value); break;
    case Resource::tsc_aux:
        if (has_rdtscp()) write_msr(msr_tsc_aux, value);
        break;
    case Resource::xcr0: with_osxsave([value] { write_xcr0(value); }); break;
    case Resource::port: out8(PORT, u8(value)); break;
    case Resource::gdt:
    case Resource::idt:
    case Resource::flags:
    case Resource::count: break;
    }
}

// CR4 last: what is before it must not depend on a bit of the snippet's.
void load(const World& world) {
    world.prepare();
    for (unsigned i = 0; i < resource_count; ++i)
        if (Resource(i) != Resource::cr4) load_one(world, Resource(i));
    load_one(world, Resource::cr4);
}

u64 current_value(Resource resource) {
    u64 value = 0;
    switch (resource) {
    case Resource::gdtr: return read_gdtr().base;
    case Resource::idtr: return read_idtr().base;
    case Resource::gdt: return probe_descriptors(read_gdtr().base);
    case Resource::idt: return service_gate(read_idtr().base);
    case Resource::ldtr: return read_ldtr();
    case Resource::tr: return read_tr();
    case Resource::cr0: return read_cr0();
    case Resource::cr2: return read_cr2();
    case Resource::cr3: return read_cr3();
    case Resource::cr4: return read_cr4();
    case Resource::tpr: return read_cr8();
    case Resource::dr0: return read_dr0();
    case Resource::sysenter: return read_msr(msr_sysenter_eip);
    case Resource::lstar: return read_msr(msr_lstar);
    case Resource::kernel_gs_base: return read_msr(msr_kernel_gs_base);
    case Resource::tsc_aux: return has_rdtscp() ? read_msr(msr_tsc_aux) : 0;
    case Resource::xcr0: with_osxsave([&value] { value = read_xcr0(); }); return value;
    case Resource::port: return in8(PORT);
    case Resource::flags:
    case Resource::tsc:         // runs on by itself: no value to compare
    case Resource::count: break;
    }
    return 0;
}

State current_state(u64 rflags) {
    State state;
    for (unsigned i = 0; i < resource_count; ++i) state.values[i] = current_value(Resource(i));
    state[Resource::flags] = rflags & privileged_flags;
    return state;
}

}  // namespace guest
