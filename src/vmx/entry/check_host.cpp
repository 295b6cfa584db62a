// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "vmx/entry/entry_check.h"

// SDM vol. 3, "Checks on Host Control Registers, MSRs, and SSP", "Checks on Host Segment and Descriptor-Table Registers", "Checks Related to
// Address-Space Size".
namespace vtsim::vmx {

namespace {

using In = const CheckInputs&;
namespace exit_control = control::exit;
constexpr group::Mask host = group::host;
constexpr group::Mask host_and_controls = group::host | group::controls;
constexpr group::Mask size = group::controls | group::processor;

constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }
bool loads_efer(In in) { return (in.exit & exit_control::load_efer) != 0; }

constexpr EntryCheck rows[] = {
    {"host.cr0.fixed", "CR0 respects IA32_VMX_CR0_FIXED0 and FIXED1", host, [](In in) { return in.c.cr0_allowed(in.v.host_cr0); }},
    {"host.cr4.fixed", "CR4 respects IA32_VMX_CR4_FIXED0 and FIXED1", host, [](In in) { return in.c.cr4_allowed(in.v.host_cr4); }},
    {"host.cr3.reserved", "CR3 fits the physical-address width", host, [](In in) { return in.c.physical(in.v.host_cr3); }},
    {"host.sysenter", "IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are canonical", host, [](In in) { return in.c.canonical(in.v.host_sysenter_esp) && in.c.canonical(in.v.host_sysenter_eip); }},
    {"host.perf-global", "load IA32_PERF_GLOBAL_CTRL: reserved bits are 0", host_and_controls,
     [](In in) { return implies((in.exit & exit_control::load_perf_global_ctrl) != 0, (in.v.host_perf_global_ctrl & ~in.c.limits.perf_global_ctrl_supported) == 0); }},
    {"host.pat", "load IA32_PAT: every byte is a memory type", host_and_controls, [](In in) { return implies((in.exit & exit_control::load_pat) != 0, pat_valid(in.v.host_pat)); }},
    {"host.efer.reserved", "load IA32_EFER: reserved bits are 0", host_and_controls, [](In in) { return implies(loads_efer(in), (in.v.host_efer & ~in.c.limits.efer_supported) == 0); }},
    {"host.efer.lma-lme", "load IA32_EFER: LMA and LME equal host address-space size", host_and_controls,
     [](In in) {
         const u64 expected = in.host_64 ? arch::efer::lma | arch::efer::lme : 0;
         return implies(loads_efer(in), (in.v.host_efer & (arch::efer::lma | arch::efer::lme)) == expected);
     }},
    {"host.sel.rpl-ti", "selectors have RPL 0 and TI 0", host,
     [](In in) {
         const std::array selectors{in.v.host_cs_selector, in.v.host_ss_selector, in.v.host_ds_selector, in.v.host_es_selector, in.v.host_fs_selector, in.v.host_gs_selector, in.v.host_tr_selector};
         return std::ranges::all_of(selectors, [](u64 selector) { return (selector & 7) == 0; });
     }},
    {"host.sel.cs-nonnull", "the CS selector is not null", host, [](In in) { return in.v.host_cs_selector != 0; }},
    {"host.sel.tr-nonnull", "the TR selector is not null", host, [](In in) { return in.v.host_tr_selector != 0; }},
    {"host.sel.ss-nonnull", "without host address-space size the SS selector is not null", host_and_controls, [](In in) { return in.host_64 || in.v.host_ss_selector != 0; }},
    {"host.base.canonical", "bases of FS, GS, GDTR, IDTR and TR are canonical", host,
     [](In in) {
         const std::array bases{in.v.host_fs_base, in.v.host_gs_base, in.v.host_gdtr_base, in.v.host_idtr_base, in.v.host_tr_base};
         return std::ranges::all_of(bases, [&](u64 base) { return in.c.canonical(base); });
     }},
    {"host.size.legacy-now", "outside IA-32e mode: neither IA-32e mode guest nor host address-space size", size,
     [](In in) { return in.processor.long_mode_active() || (!in.ia32e_guest && !in.host_64); }},
    {"host.size.long-now", "in IA-32e mode: host address-space size", size, [](In in) { return implies(in.processor.long_mode_active(), in.host_64); }},
    {"host.size.hass0", "without host address-space size: no IA-32e mode guest, CR4.PCIDE is 0, RIP fits 32 bits", host_and_controls,
     [](In in) { return in.host_64 || (!in.ia32e_guest && (in.v.host_cr4 & arch::cr4::pcide) == 0 && (in.v.host_rip >> 32) == 0); }},
    {"host.size.hass1", "with host address-space size: CR4.PAE is 1, RIP is canonical", host_and_controls,
     [](In in) { return implies(in.host_64, (in.v.host_cr4 & arch::cr4::pae) != 0 && in.c.canonical(in.v.host_rip)); }},
};

}  // namespace

constinit const CheckTable host_checks{rows};

}  // namespace vtsim::vmx
