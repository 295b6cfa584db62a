// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"

// SDM vol. 3, "Checks on Guest Non-Register State". Due after VM exits that save anything of it.
namespace vtsim::vmx {

namespace {

using In = const CheckInputs&;
using namespace arch;
using group::state;
constexpr group::Mask state_and_injection = group::state | group::injection;

constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }

using StiBlocking = Field<0>;
using MovSsBlocking = Field<1>;
using SmiBlocking = Field<2>;
using NmiBlocking = Field<3>;
using EnclaveInterruption = Field<4>;

u64 interruptibility(In in) { return in.v.guest_interruptibility_state; }
bool activity(In in, Activity value) { return in.v.guest_activity_state == static_cast<u64>(value); }

// Whether the pending debug exceptions must tell of a single step: STI or MOV-SS blocking or HLT hold one back.
bool holds_back_step(In in) { return StiBlocking::test(interruptibility(in)) || MovSsBlocking::test(interruptibility(in)) || activity(in, Activity::hlt); }
bool single_steps(In in) {
    constexpr u64 branch_trap_flag = bit(1);
    return (in.v.guest_rflags & rflags::tf) != 0 && (in.v.guest_debugctl & branch_trap_flag) == 0;
}
constexpr group::Mask step_inputs = group::state | group::rflags | group::guest;

constexpr u64 pending_bs = bit(14);
constexpr u64 pending_rtm = bit(16);
constexpr u64 pending_enabled_breakpoint = bit(12);

bool has_link(In in) { return in.v.link_pointer != ~u64{0}; }
bool readable_link(In in) { return has_link(in) && in.c.page(in.v.link_pointer); }
u32 link_header(In in) { return in.memory.read<u32>(PhysicalAddress{in.v.link_pointer}); }
constexpr group::Mask link = group::state | group::memory | group::controls;

constexpr EntryCheck rows[] = {
    {"guest.activity.range", "the activity state is 0 to 3", state, [](In in) { return in.v.guest_activity_state <= 3; }},
    {"guest.activity.hlt-dpl", "HLT needs an SS with DPL 0", state | group::segments, [](In in) { return implies(activity(in, Activity::hlt), Segment::Dpl::get(in.rights(ss)) == 0); }},
    {"guest.activity.blocking", "STI or MOV-SS blocking needs the active state", state,
     [](In in) { return implies(StiBlocking::test(interruptibility(in)) || MovSsBlocking::test(interruptibility(in)), activity(in, Activity::active)); }},
    {"guest.activity.inject-hlt", "HLT: what is injected is an external interrupt, an NMI, #DB, #MC or a pending MTF VM exit", state_and_injection,
     [](In in) {
         if (!activity(in, Activity::hlt) || !in.injects()) return true;
         switch (in.inject_type()) {
             case EventType::external_interrupt: case EventType::nmi: return true;
             case EventType::hardware_exception: return in.inject_vector() == 1 || in.inject_vector() == 18;
             case EventType::other: return in.inject_vector() == 0;
             default: return false;
         }
     }},
    {"guest.activity.inject-shutdown", "shutdown: what is injected is an NMI or #MC", state_and_injection,
     [](In in) {
         return !activity(in, Activity::shutdown) || !in.injects() || in.injects(EventType::nmi) || (in.injects(EventType::hardware_exception) && in.inject_vector() == 18);
     }},
    {"guest.activity.inject-sipi", "wait-for-SIPI: nothing is injected", state_and_injection, [](In in) { return !activity(in, Activity::wait_for_sipi) || !in.injects(); }},
    {"guest.intr.reserved", "bits 31:5 of the interruptibility state are 0", state, [](In in) { return (interruptibility(in) >> 5) == 0; }},
    {"guest.intr.sti-movss", "not both STI and MOV-SS blocking", state, [](In in) { return !(StiBlocking::test(interruptibility(in)) && MovSsBlocking::test(interruptibility(in))); }},
    {"guest.intr.sti-if", "STI blocking needs RFLAGS.IF", state | group::rflags, [](In in) { return implies(StiBlocking::test(interruptibility(in)), (in.v.guest_rflags & rflags::if_) != 0); }},
    {"guest.intr.extint", "an injected external interrupt needs no STI and no MOV-SS blocking", state_and_injection,
     [](In in) { return implies(in.injects(EventType::external_interrupt), !StiBlocking::test(interruptibility(in)) && !MovSsBlocking::test(interruptibility(in))); }},
    {"guest.intr.nmi-movss", "an injected NMI needs no MOV-SS blocking", state_and_injection, [](In in) { return implies(in.injects(EventType::nmi), !MovSsBlocking::test(interruptibility(in))); }},
    {"guest.intr.nmi-sti", "an injected NMI needs no STI blocking", state_and_injection, [](In in) { return implies(in.injects(EventType::nmi), !StiBlocking::test(interruptibility(in))); }, 3},
    {"guest.intr.smi", "outside SMM there is no SMI blocking", state, [](In in) { return !SmiBlocking::test(interruptibility(in)); }},
    {"guest.intr.nmi-virtual", "an NMI injected with virtual NMIs needs no virtual-NMI blocking", state_and_injection | group::controls,
     [](In in) { return implies((in.pin & control::pin::virtual_nmis) != 0 && in.injects(EventType::nmi), !NmiBlocking::test(interruptibility(in))); }},
    {"guest.intr.enclave", "there are no enclaves to interrupt", state, [](In in) { return !EnclaveInterruption::test(interruptibility(in)); }},
    {"guest.pdbg.reserved", "reserved bits of the pending debug exceptions are 0", state,
     [](In in) { return (in.v.guest_pending_debug_exceptions & ~(Field<3, 0>::mask | pending_enabled_breakpoint | pending_bs | pending_rtm)) == 0; }},
    {"guest.pdbg.bs-set", "a step held back by blocking or HLT is pending", step_inputs,
     [](In in) { return implies(holds_back_step(in) && single_steps(in), (in.v.guest_pending_debug_exceptions & pending_bs) != 0); }},
    {"guest.pdbg.bs-clear", "without single-stepping no step is held back", step_inputs,
     [](In in) { return implies(holds_back_step(in) && !single_steps(in), (in.v.guest_pending_debug_exceptions & pending_bs) == 0); }},
    {"guest.pdbg.rtm", "a pending debug exception of a transaction stands alone", state,
     [](In in) {
         const u64 pending = in.v.guest_pending_debug_exceptions;
         return implies((pending & pending_rtm) != 0, pending == (pending_rtm | pending_enabled_breakpoint) && in.c.limits.rtm && !MovSsBlocking::test(interruptibility(in)));
     }},
    {"guest.link.align", "the VMCS link pointer is all ones or a page", state, [](In in) { return implies(has_link(in), in.c.page(in.v.link_pointer)); }, 4},
    {"guest.link.revision", "the linked region has the revision identifier", link, [](In in) { return !readable_link(in) || (link_header(in) & ~region::shadow_bit) == in.c.params.revision; }, 4},
    {"guest.link.shadow", "the linked region is a shadow VMCS exactly with VMCS shadowing", link,
     [](In in) { return !readable_link(in) || ((link_header(in) & region::shadow_bit) != 0) == ((in.secondary & control::secondary::vmcs_shadowing) != 0); }, 4},
    {"guest.link.not-current", "the VMCS link pointer is not the current VMCS", state, [](In in) { return implies(has_link(in), in.v.link_pointer != in.current_pointer); }, 4},
};

}  // namespace

constinit const CheckTable guest_state_checks{rows};

}  // namespace vtsim::vmx
