// SPDX-License-Identifier: Apache-2.0
// MSRs. The ones that VM entry and VM exit switch, or that the VMM itself never uses, belong to the guest and do not exit; so do the
// local APIC's, which is the guest's too (README.md). The others do not exist for the guest.
#include "common/cpu.h"
#include "common/interrupts.h"
#include "exits.h"
#include "shadow/shadow.h"

namespace guest {
namespace {

constexpr u32 msr_pat = 0x277, first_x2apic = msr_x2apic, last_x2apic = msr_x2apic + 0xff;
constexpr u32 msr_cstar = 0xc0000083, msr_tsc_deadline = 0x6e0;
constexpr u32 guests_own[] = {
    msr_tsc,  msr_sysenter_cs, msr_sysenter_esp, msr_sysenter_eip, msr_pat,     msr_tsc_deadline,   msr_efer,   msr_star,
    msr_lstar, msr_cstar,      msr_fmask,        msr_fs_base,      msr_gs_base, msr_kernel_gs_base, msr_tsc_aux,
};

// SDM vol. 3, "MSR-Bitmap Address": four bitmaps of 1 KiB: reads of 0..1FFF and of C0000000..C0001FFF, then writes of both.
void clear_bits(u8* bitmap, u32 msr) {
    const u32 bit = msr & 0x1fff, offset = msr >= 0xc0000000 ? 1024 : 0;
    for (u32 at = offset; at < 4096; at += 2048) bitmap[at + bit / 8] &= u8(~(1u << bit % 8));
}

constexpr u64 apic_base_x2apic = 1u << 10, apic_base_enabled = 1u << 11;

// The guest may change the mode of its APIC, not move it: its page is mapped at the place where it is.
bool write_apic_base(u64 value) {
    const u64 now = read_msr(msr_apic_base);
    constexpr u64 mode = apic_base_x2apic | apic_base_enabled;
    if ((value & ~mode) != (now & ~mode)) return false;
    const bool to_x2apic = value & apic_base_x2apic, was_x2apic = now & apic_base_x2apic;
    if (to_x2apic && (!(value & apic_base_enabled) || !cpuid_1_ecx(21) || !(now & apic_base_enabled))) return false;
    if (was_x2apic && !to_x2apic && value & apic_base_enabled) return false;  // SDM vol. 3, "x2APIC State Transitions"
    write_msr(msr_apic_base, value);
    return true;
}

}  // namespace

u64 make_msr_bitmap(MemoryPool& pool, bool shadow, bool alone) {
    u8* const bitmap = static_cast<u8*>(pool.take(4096));
    for (u32 i = 0; i < 4096; ++i) bitmap[i] = 0xff;
    for (const u32 msr : guests_own)
        if ((msr != msr_efer || !shadow) && (msr != msr_tsc_deadline || alone)) clear_bits(bitmap, msr);        // shadow paging: the processor's LMA is not always the guest's
    for (u32 msr = first_x2apic; alone && msr <= last_x2apic; ++msr) clear_bits(bitmap, msr);
    return reinterpret_cast<u64>(bitmap);
}

void handle_rdmsr(Vcpu& vcpu) {
    GuestRegisters& r = vcpu.registers;
    const bool efer = u32(r.rcx) == msr_efer && vcpu.shadow;
    if ((u32(r.rcx) != msr_apic_base || !vcpu.alone) && !efer) return inject_exception(general_protection, 0);
    const u64 value = efer ? vcpu.shadow->efer() : read_msr(msr_apic_base);
    r.rax = u32(value);
    r.rdx = u32(value >> 32);
    skip_instruction(vcpu);
}

void handle_wrmsr(Vcpu& vcpu) {
    const GuestRegisters& r = vcpu.registers;
    const u64 value = u64{u32(r.rdx)} << 32 | u32(r.rax);
    const bool efer = u32(r.rcx) == msr_efer && vcpu.shadow;
    const bool done = efer ? vcpu.shadow->load_efer(value) : u32(r.rcx) == msr_apic_base && vcpu.alone && write_apic_base(value);
    if (!done) return inject_exception(general_protection, 0);
    skip_instruction(vcpu);
}

}  // namespace guest
