// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"
#include "vmx/vmx.h"

// SDM vol. 3, "Loading Host State". Also after a VM-entry failure.
namespace vtsim::vmx {

namespace {

using namespace arch;

constexpr u32 abort_host_pdptes = 2;
constexpr u32 abort_loading_msrs = 4;
constexpr u32 abort_address_space_size = 6;

// CR0 bits that a VM exit leaves alone: ET, NW, CD and the reserved ones.
constexpr u64 cr0_kept = cr0::et | cr0::nw | cr0::cd | ~low_bits(32) | Field<28, 19>::mask | bit(17) | Field<15, 6>::mask;

constexpr u32 data_rights = 0xc093;                  // type 3, S, P, D/B, G
constexpr u32 code_rights = 0x809b;                  // type 11, S, P, G; L or D comes from the address-space size
constexpr u32 tss_rights = 0x8b;
constexpr u32 code_long = 0x2000, code_32 = 0x4000;

}  // namespace

ExitResult Vmx::load_host_state() {
    const VmcsData& v = current_->data;
    const bool host_64 = (v.exit_controls & control::exit::host_address_space_size) != 0;
    const bool vpid_off = (v.primary_controls & control::primary::activate_secondary_controls) == 0 || (v.secondary_controls & control::secondary::enable_vpid) == 0;
    if (intercepts.non_root && state_.long_mode_active() && !host_64) return {.abort = vmx_abort(abort_address_space_size)};
    intercepts = {};
    virtual_nmi_blocking = false;
    timer_deadline_ = EntryResult::no_deadline;

    load_host_control_registers(v, host_64);
    load_host_segments(v, host_64);
    state_.gpr[rsp] = v.host_rsp;
    state_.rip = v.host_rip;
    state_.write_rflags(rflags::one);
    state_.sysenter_cs = v.host_sysenter_cs;
    state_.sysenter_esp = v.host_sysenter_esp;
    state_.sysenter_eip = v.host_sysenter_eip;
    state_.activity = Activity::active;
    state_.blocked_by_sti = state_.blocked_by_mov_ss = false;
    state_.pending_debug = 0;
    state_.cpl = 0;

    if (!host_64 && (state_.cr4 & cr4::pae) != 0) {
        state_.pdpte = read_pdptes(memory_, v.host_cr3);
        if (!pdptes_valid(capabilities, state_.pdpte)) return {.abort = vmx_abort(abort_host_pdptes)};
    }
    if (load_msrs(v.exit_msr_load_address, v.exit_msr_load_count) != 0) return {.abort = vmx_abort(abort_loading_msrs)};
    return {.abort = 0, .flush_vpid0 = vpid_off};
}

void Vmx::load_host_control_registers(const VmcsData& v, bool host_64) {
    namespace c = control::exit;
    state_.cr0 = (state_.cr0 & cr0_kept) | (v.host_cr0 & ~cr0_kept);
    state_.cr3 = v.host_cr3;
    state_.cr4 = host_64 ? v.host_cr4 | cr4::pae : v.host_cr4 & ~cr4::pcide;
    state_.dr[7] = 0x400;
    state_.debugctl = 0;
    if ((v.exit_controls & c::load_efer) != 0) {
        state_.efer = v.host_efer;
    } else {
        constexpr u64 long_mode = efer::lma | efer::lme;
        state_.efer = (state_.efer & ~long_mode) | (host_64 ? long_mode : 0);
    }
    if ((v.exit_controls & c::load_pat) != 0) state_.pat = v.host_pat;
    if ((v.exit_controls & c::load_perf_global_ctrl) != 0) environment_.write_msr(0x38f, v.host_perf_global_ctrl);
}

void Vmx::load_host_segments(const VmcsData& v, bool host_64) {
    const auto data = [](u64 selector, u64 base) {
        return Segment{.base = base, .limit = ~u32{0}, .rights = selector == 0 ? Segment::unusable_bit : data_rights, .selector = static_cast<u16>(selector)};
    };
    auto& segment = state_.segment;
    segment[cs] = {.base = 0, .limit = ~u32{0}, .rights = code_rights | (host_64 ? code_long : code_32), .selector = static_cast<u16>(v.host_cs_selector)};
    segment[ss] = data(v.host_ss_selector, 0);
    segment[ds] = data(v.host_ds_selector, 0);
    segment[es] = data(v.host_es_selector, 0);
    segment[fs] = data(v.host_fs_selector, v.host_fs_base);
    segment[gs] = data(v.host_gs_selector, v.host_gs_base);
    segment[tr] = {.base = v.host_tr_base, .limit = 0x67, .rights = tss_rights, .selector = static_cast<u16>(v.host_tr_selector)};
    segment[ldtr] = {};
    state_.gdtr = {v.host_gdtr_base, 0xffff};
    state_.idtr = {v.host_idtr_base, 0xffff};
}

}  // namespace vtsim::vmx
