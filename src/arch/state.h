// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "arch/lazy_flags.h"
#include "arch/registers.h"
#include "arch/segment.h"
#include "base/types.h"

namespace vtsim::arch {

// One vector register: 256 bits seen in every lane width.
union alignas(32) VectorRegister {
    u64 q[4];
    u32 d[8];
    u16 w[16];
    u8 b[32];
    float f32[8];
    double f64[4];
    u128 x[2];
};

// The x87 unit as FXSAVE shows it; the eight registers are physical (ST(i) is reg[(top + i) & 7]), 80 bits in 16 bytes.
struct X87State {
    u16 control = 0x37f;
    u16 status = 0;
    u8 valid = 0;                 // abridged tag word: bit i set = physical register i is not empty
    u16 opcode = 0;
    u64 instruction_pointer = 0;
    u64 data_pointer = 0;
    alignas(16) u8 reg[8][16] = {};
};

// SDM vol. 3, "Guest Non-Register State": activity states.
enum class Activity : u32 { active = 0, hlt = 1, shutdown = 2, wait_for_sipi = 3 };

// Memory-type range registers. SDM vol. 3, "Memory Type Range Registers (MTRRs)".
struct Mtrrs {
    u64 default_type = 0;              // IA32_MTRR_DEF_TYPE
    std::array<u64, 11> fixed{};       // in the order of their MSR numbers
    std::array<u64, 16> variable{};    // PHYSBASE0, PHYSMASK0, PHYSBASE1, ...
};

// The architectural state of one logical processor, as plain data: VM entry and exit load and save it, checkpoints copy it. Fields the
// engine touches in every instruction come first. RFLAGS' status bits are lazy: use read_rflags / write_rflags.
struct State {
    // gpr[16] is always 0 and stands for "no register" in an address, gpr[17] is the linear address of the page being executed.
    static constexpr u8 zero_register = 16;
    static constexpr u8 code_page_register = 17;
    std::array<u64, 18> gpr{};
    LazyFlags lazy;
    u64 rflags = rflags::one;          // everything but the status bits that `lazy` holds
    u64 rip = 0;                       // exact between instructions of the run loop; inside a block it is code_page + op.offset
    std::array<Segment, segment_count> segment{};
    std::array<VectorRegister, 16> vector{};
    u32 mxcsr = 0x1f80;

    u64 cr0 = 0x60000010, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
    u64 xcr0 = 1, xss = 0;             // state components that XSAVE and, for supervisor state, XSAVES manage
    u32 pkru = 0;
    std::array<u64, 8> dr{0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
    DescriptorTable gdtr, idtr;
    std::array<u64, 4> pdpte{};        // PAE paging: the PDPTE registers

    // MSRs that execution itself reads.
    u64 efer = 0, star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0, tsc_aux = 0;
    u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 pat = 0x0007040600070406, debugctl = 0, misc_enable = 0x41801, apic_base = 0, feature_control = 0, spec_ctrl = 0;
    u64 tsc_offset = 0;                // TSC = the core's own clock + this (IA32_TSC and IA32_TSC_ADJUST writes change it)
    u64 tsc_adjust = 0;
    Mtrrs mtrr;

    Activity activity = Activity::active;
    u8 cpl = 0;
    bool blocked_by_sti = false, blocked_by_mov_ss = false, blocked_by_nmi = false;   // interruptibility state
    u64 pending_debug = 0;             // SDM vol. 3, "Pending Debug Exceptions": same bits

    X87State x87;

    [[nodiscard]] u64 read_rflags() const { return lazy.merge(rflags); }
    void write_rflags(u64 value) {
        rflags = value | rflags::one;
        lazy.set_eager();
    }
    // What leaves the other four arithmetic flags alone (rotates).
    void change_carry_overflow(bool carry, bool overflow) {
        const u64 changed = u64{carry} | u64{overflow} << 11;
        if (lazy.kind == FlagKind::eager) rflags = (rflags & ~(rflags::cf | rflags::of)) | changed;
        else lazy.list(changed | (lazy.carry_overflow_adjust() & rflags::af));
    }
    [[nodiscard]] bool protected_mode() const { return (cr0 & cr0::pe) != 0; }
    [[nodiscard]] bool long_mode_active() const { return (efer & efer::lma) != 0; }
    [[nodiscard]] bool virtual8086() const { return (rflags & rflags::vm) != 0; }
    [[nodiscard]] bool code64() const { return long_mode_active() && segment[cs].long_mode(); }
};

}  // namespace vtsim::arch
