// SPDX-License-Identifier: Apache-2.0
// Instructions that C++ has no words for, and the names of the registers they touch.
#pragma once
#include "common/types.h"

namespace guest {

// SDM vol. 3, "Control Registers".
enum Cr0 : u64 { cr0_pe = 1u << 0, cr0_mp = 1u << 1, cr0_ts = 1u << 3, cr0_et = 1u << 4, cr0_ne = 1u << 5, cr0_wp = 1u << 16, cr0_pg = 1u << 31 };
enum Cr4 : u64 {
    cr4_tsd = 1u << 2,
    cr4_pae = 1u << 5,
    cr4_mce = 1u << 6,
    cr4_pge = 1u << 7,
    cr4_pce = 1u << 8,
    cr4_osfxsr = 1u << 9,
    cr4_osxmmexcpt = 1u << 10,
    cr4_umip = 1u << 11,
    cr4_vmxe = 1u << 13,
    cr4_fsgsbase = 1u << 16,
    cr4_pcide = 1u << 17,
    cr4_osxsave = 1u << 18,
};

// SDM vol. 4, "Architectural MSRs".
enum Msr : u32 {
    msr_tsc = 0x10,
    msr_apic_base = 0x1b,
    msr_feature_control = 0x3a,
    msr_sysenter_cs = 0x174,
    msr_sysenter_esp = 0x175,
    msr_sysenter_eip = 0x176,
    msr_x2apic = 0x800,
    msr_efer = 0xc0000080,
    msr_star = 0xc0000081,
    msr_lstar = 0xc0000082,
    msr_fmask = 0xc0000084,
    msr_fs_base = 0xc0000100,
    msr_gs_base = 0xc0000101,
    msr_kernel_gs_base = 0xc0000102,
    msr_tsc_aux = 0xc0000103,
};
enum Efer : u64 { efer_sce = 1u << 0, efer_nxe = 1u << 11 };

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
inline void out16(u16 port, u16 value) { asm volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 in32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline u64 read_msr(u32 msr) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}
inline void write_msr(u32 msr, u64 value) { asm volatile("wrmsr" ::"c"(msr), "a"(u32(value)), "d"(u32(value >> 32)) : "memory"); }

struct CpuidResult {
    u32 eax, ebx, ecx, edx;
};
inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidResult r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}
inline bool cpuid_1_ecx(unsigned bit) { return cpuid(1).ecx >> bit & 1; }
inline bool cpuid_1_edx(unsigned bit) { return cpuid(1).edx >> bit & 1; }
inline bool intel_processor() { return cpuid(0).ebx == 0x756e6547; }  // "Genu" of "GenuineIntel"
inline bool cpuid_extended_edx(unsigned bit) { return cpuid(0x80000000).eax >= 0x80000001 && (cpuid(0x80000001).edx >> bit & 1); }

inline u64 rdtsc() {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}
// SDM vol. 2, "RDTSC": LFENCE on both sides orders the reading with the instructions around it.
inline u64 rdtsc_ordered() {
    u32 low, high;
    asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
    return u64{high} << 32 | low;
}

inline u64 read_cr0() {
    u64 value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
inline u64 read_cr2() {
    u64 value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}
inline u64 read_cr3() {
    u64 value;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
inline u64 read_cr4() {
    u64 value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr0(u64 value) { asm volatile("mov %0, %%cr0" ::"r"(value) : "memory"); }
inline void write_cr3(u64 value) { asm volatile("mov %0, %%cr3" ::"r"(value) : "memory"); }
inline void write_cr4(u64 value) { asm volatile("mov %0, %%cr4" ::"r"(value) : "memory"); }
enum Xcr0 : u64 { xcr0_x87 = 1u << 0, xcr0_sse = 1u << 1, xcr0_avx = 1u << 2 };
inline u64 read_xcr0() {
    u32 low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}
inline void write_xcr0(u64 value) { asm volatile("xsetbv" ::"c"(0), "a"(u32(value)), "d"(u32(value >> 32)) : "memory"); }
inline void invlpg(u64 address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }
inline void pause() { asm volatile("pause" ::: "memory"); }

}  // namespace guest
