// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "vmx/vmx.h"

// Which instructions and accesses exit, and what they do when they do not. SDM vol. 3, "Instructions That Cause VM Exits Conditionally" and
// "Changes to Instruction Behavior in VMX Non-Root Operation".
namespace vtsim::vmx {

namespace {

enum CrAccessType : u8 { to_cr, from_cr, clts_type, lmsw_type };

constexpr u64 virtual_tpr_offset = 0x80;

bool bit_set(const PhysicalMemory& memory, u64 bitmap, u64 number) {
    return ((memory.read<u8>(PhysicalAddress{bitmap + number / 8}) >> (number % 8)) & 1) != 0;
}

// MSR bitmaps: four bitmaps of 1 KByte; what lies outside of both ranges always exits.
bool msr_exits(const PhysicalMemory& memory, const Intercepts& intercepts, u32 number, u64 offset) {
    if (!intercepts.non_root) return false;
    if (!intercepts.msr_bitmaps) return true;
    if (number < 0x2000) return bit_set(memory, intercepts.msr_bitmap + offset, number);
    if (number >= 0xc000'0000 && number < 0xc000'2000) return bit_set(memory, intercepts.msr_bitmap + offset + 1024, number - 0xc000'0000);
    return true;
}

// A bit that the mask gives to the host exits when it would differ from the read shadow, else keeps its value.
CrAccess mov_to_masked(unsigned cr, u64 source, u64 current, u64 mask, u64 shadow, unsigned gpr) {
    if (((source ^ shadow) & mask) != 0) return {cr_access_qualification(cr, to_cr, gpr), true};
    return {(source & ~mask) | (current & mask), false};
}

}  // namespace

bool Vmx::exits_on_io(u16 port, unsigned bytes) const {
    if (!intercepts.io_bitmaps) return intercepts.io_unconditional;
    for (u32 accessed = port; accessed < port + bytes; ++accessed) {
        if (accessed > 0xffff) return true;
        if (bit_set(memory_, accessed < 0x8000 ? intercepts.io_bitmap_a : intercepts.io_bitmap_b, accessed & 0x7fff)) return true;
    }
    return false;
}

bool Vmx::exits_on_msr_read(u32 number) const { return msr_exits(memory_, intercepts, number, 0); }
bool Vmx::exits_on_msr_write(u32 number) const { return msr_exits(memory_, intercepts, number, 2048); }

CrAccess Vmx::mov_to_cr0(u64 source, unsigned gpr) const {
    return mov_to_masked(0, source, state_.cr0, intercepts.cr0_mask, intercepts.cr0_shadow, gpr);
}

CrAccess Vmx::mov_to_cr4(u64 source, unsigned gpr) const {
    return mov_to_masked(4, source, state_.cr4, intercepts.cr4_mask, intercepts.cr4_shadow, gpr);
}

CrAccess Vmx::mov_to_cr3(u64 source, unsigned gpr) const {
    const auto targets_end = intercepts.cr3_targets.begin() + intercepts.cr3_target_count;
    if (intercepts.cr3_load && std::find(intercepts.cr3_targets.begin(), targets_end, source) == targets_end) return {cr_access_qualification(3, to_cr, gpr), true};
    return {source, false};
}

CrAccess Vmx::mov_from_cr3(unsigned gpr) const {
    if (intercepts.cr3_store) return {cr_access_qualification(3, from_cr, gpr), true};
    return {state_.cr3, false};
}

CrAccess Vmx::mov_to_cr8(u64 source, unsigned gpr) const {
    if (intercepts.cr8_load) return {cr_access_qualification(8, to_cr, gpr), true};
    return {source, false};
}

CrAccess Vmx::mov_from_cr8(unsigned gpr) const {
    if (intercepts.cr8_store) return {cr_access_qualification(8, from_cr, gpr), true};
    if (!intercepts.tpr_shadow) return {state_.cr8, false};
    return {u64{memory_.read<u8>(PhysicalAddress{intercepts.virtual_apic_page + virtual_tpr_offset})} >> 4, false};
}

CrAccess Vmx::clts() const {
    if ((intercepts.cr0_mask & arch::cr0::ts) == 0) return {state_.cr0 & ~arch::cr0::ts, false};
    if ((intercepts.cr0_shadow & arch::cr0::ts) != 0) return {cr_access_qualification(0, clts_type), true};
    return {state_.cr0, false};
}

CrAccess Vmx::lmsw(u16 source, bool memory_operand) const {
    using namespace arch::cr0;
    constexpr u64 task_bits = mp | em | ts;
    const u64 mask = intercepts.cr0_mask;
    const bool sets_protection = (source & pe) != 0;
    if ((sets_protection && (mask & pe) != 0 && (intercepts.cr0_shadow & pe) == 0) || ((source ^ intercepts.cr0_shadow) & mask & task_bits) != 0)
        return {cr_access_qualification(0, lmsw_type, 0, memory_operand, source), true};
    const u64 writable = task_bits & ~mask;
    const u64 protection = sets_protection ? pe & ~mask : 0;         // LMSW never clears PE
    return {(state_.cr0 & ~writable) | (source & writable) | protection, false};
}

// SDM vol. 3, "TPR Virtualization": without virtual-interrupt delivery the threshold decides.
bool Vmx::write_virtual_tpr(u64 cr8) {
    memory_.write<u32>(PhysicalAddress{intercepts.virtual_apic_page + virtual_tpr_offset}, static_cast<u32>((cr8 & 15) << 4));
    return tpr_below_threshold();
}

bool Vmx::tpr_below_threshold() const {
    if (!intercepts.tpr_shadow || intercepts.virtual_interrupt_delivery) return false;
    const u32 priority = memory_.read<u8>(PhysicalAddress{intercepts.virtual_apic_page + virtual_tpr_offset}) >> 4;
    return priority < (intercepts.tpr_threshold & 15);
}

void Vmx::iret_unblocks_nmi() {
    if (intercepts.virtual_nmis) virtual_nmi_blocking = false;
    else if (!intercepts.nmi) state_.blocked_by_nmi = false;
}

void Vmx::complete(arch::PagingContext& context) const {
    context.guest = intercepts.non_root;
    context.ept = intercepts.ept;
    context.eptp = intercepts.eptp;
    context.mode_based_execute = intercepts.mode_based_execute;
    context.vpid = intercepts.vpid;
}

}  // namespace vtsim::vmx
