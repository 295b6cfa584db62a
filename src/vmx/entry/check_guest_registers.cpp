// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"

// SDM vol. 3, "Checks on Guest Control Registers, Debug Registers, and MSRs", "Checks on Guest Descriptor-Table Registers", "Checks on Guest RIP, RFLAGS,
// and SSP", "Checks on Guest Page-Directory-Pointer-Table Entries".
namespace vtsim::vmx {

namespace {

using In = const CheckInputs&;
namespace entry_control = control::entry;
using namespace arch;
constexpr group::Mask guest = group::guest;
constexpr group::Mask guest_and_controls = group::guest | group::controls;

constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }
bool loads(In in, u64 control) { return (in.entry & control) != 0; }
bool code64(In in) { return in.ia32e_guest && (in.rights(cs) & Segment::Long::mask) != 0; }

constexpr EntryCheck register_rows[] = {
    {"guest.cr0.fixed", "CR0 respects IA32_VMX_CR0_FIXED0 and FIXED1 (PE and PG free with unrestricted guest)", guest_and_controls,
     [](In in) { return in.c.cr0_allowed(in.v.guest_cr0, in.unrestricted); }},
    {"guest.cr0.pg-pe", "CR0.PG needs CR0.PE", guest, [](In in) { return implies((in.v.guest_cr0 & cr0::pg) != 0, (in.v.guest_cr0 & cr0::pe) != 0); }},
    {"guest.cr4.fixed", "CR4 respects IA32_VMX_CR4_FIXED0 and FIXED1", guest, [](In in) { return in.c.cr4_allowed(in.v.guest_cr4); }},
    {"guest.debugctl", "load debug controls: reserved bits of IA32_DEBUGCTL are 0", guest_and_controls,
     [](In in) { return implies(loads(in, entry_control::load_debug_controls), (in.v.guest_debugctl & ~in.c.limits.debugctl_supported) == 0); }},
    {"guest.ia32e.paging", "IA-32e mode guest needs CR0.PG and CR4.PAE", guest_and_controls,
     [](In in) { return implies(in.ia32e_guest, (in.v.guest_cr0 & cr0::pg) != 0 && (in.v.guest_cr4 & cr4::pae) != 0); }},
    {"guest.cr4.pcide", "CR4.PCIDE needs IA-32e mode guest", guest_and_controls, [](In in) { return in.ia32e_guest || (in.v.guest_cr4 & cr4::pcide) == 0; }},
    {"guest.cr3.reserved", "CR3 fits the physical-address width", guest, [](In in) { return in.c.physical(in.v.guest_cr3); }},
    {"guest.dr7", "load debug controls: DR7[63:32] is 0", guest_and_controls, [](In in) { return implies(loads(in, entry_control::load_debug_controls), (in.v.guest_dr7 >> 32) == 0); }},
    {"guest.sysenter", "IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are canonical", guest, [](In in) { return in.c.canonical(in.v.guest_sysenter_esp) && in.c.canonical(in.v.guest_sysenter_eip); }},
    {"guest.perf-global", "load IA32_PERF_GLOBAL_CTRL: reserved bits are 0", guest_and_controls,
     [](In in) { return implies(loads(in, entry_control::load_perf_global_ctrl), (in.v.guest_perf_global_ctrl & ~in.c.limits.perf_global_ctrl_supported) == 0); }},
    {"guest.pat", "load IA32_PAT: every byte is a memory type", guest_and_controls, [](In in) { return implies(loads(in, entry_control::load_pat), pat_valid(in.v.guest_pat)); }},
    {"guest.efer.reserved", "load IA32_EFER: reserved bits are 0", guest_and_controls,
     [](In in) { return implies(loads(in, entry_control::load_efer), (in.v.guest_efer & ~in.c.limits.efer_supported) == 0); }},
    {"guest.efer.lma", "load IA32_EFER: LMA equals IA-32e mode guest and, with CR0.PG, LME", guest_and_controls,
     [](In in) {
         const bool lma = (in.v.guest_efer & efer::lma) != 0, lme = (in.v.guest_efer & efer::lme) != 0;
         return implies(loads(in, entry_control::load_efer), lma == in.ia32e_guest && implies((in.v.guest_cr0 & cr0::pg) != 0, lma == lme));
     }},
    {"guest.gdtr.base", "the base of GDTR is canonical", guest, [](In in) { return in.c.canonical(in.v.guest_gdtr_base); }},
    {"guest.idtr.base", "the base of IDTR is canonical", guest, [](In in) { return in.c.canonical(in.v.guest_idtr_base); }},
    {"guest.gdtr.limit", "the limit of GDTR fits 16 bits", guest, [](In in) { return in.v.guest_gdtr_limit <= 0xffff; }},
    {"guest.idtr.limit", "the limit of IDTR fits 16 bits", guest, [](In in) { return in.v.guest_idtr_limit <= 0xffff; }},
};

constexpr u64 rflags_reserved = ~low_bits(22) | bit(15) | bit(5) | bit(3);

constexpr EntryCheck rip_rows[] = {
    {"guest.rip.high", "outside 64-bit mode RIP[63:32] is 0", group::rip | group::segments | group::controls, [](In in) { return code64(in) || (in.v.guest_rip >> 32) == 0; }},
    {"guest.rip.width", "in 64-bit mode the bits of RIP beyond the linear-address width are equal", group::rip | group::segments | group::controls,
     [](In in) {
         const u64 beyond = in.v.guest_rip >> in.c.limits.linear_address_bits;
         return implies(code64(in), beyond == 0 || beyond == ~u64{0} >> in.c.limits.linear_address_bits);
     }},
    {"guest.rflags.reserved", "bits 63:22, 15, 5 and 3 of RFLAGS are 0, bit 1 is 1", group::rflags,
     [](In in) { return (in.v.guest_rflags & rflags_reserved) == 0 && (in.v.guest_rflags & rflags::one) != 0; }},
    {"guest.rflags.vm", "RFLAGS.VM is 0 in IA-32e mode and without CR0.PE", group::rflags | guest_and_controls,
     [](In in) { return implies(in.ia32e_guest || (in.v.guest_cr0 & cr0::pe) == 0, !in.v86()); }},
    {"guest.rflags.if", "an injected external interrupt needs RFLAGS.IF", group::rflags | group::state | group::injection,
     [](In in) { return implies(in.injects(EventType::external_interrupt), (in.v.guest_rflags & rflags::if_) != 0); }},
};

bool pae_guest(In in) { return (in.v.guest_cr0 & cr0::pg) != 0 && (in.v.guest_cr4 & cr4::pae) != 0 && !in.ia32e_guest; }

constexpr EntryCheck pdpte_rows[] = {
    {"guest.pdpte.memory", "PAE paging without EPT: the PDPTEs in memory are valid", guest_and_controls | group::memory,
     [](In in) { return !pae_guest(in) || in.ept || pdptes_valid(in.c, read_pdptes(in.memory, in.v.guest_cr3)); }, 2},
    {"guest.pdpte.fields", "PAE paging with EPT: the PDPTE fields are valid", guest_and_controls,
     [](In in) { return implies(pae_guest(in) && in.ept, pdptes_valid(in.c, {in.v.guest_pdpte0, in.v.guest_pdpte1, in.v.guest_pdpte2, in.v.guest_pdpte3})); }, 2},
};

}  // namespace

constinit const CheckTable guest_register_checks{register_rows};
constinit const CheckTable guest_rip_checks{rip_rows};
constinit const CheckTable guest_pdpte_checks{pdpte_rows};

}  // namespace vtsim::vmx
