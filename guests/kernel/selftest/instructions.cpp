// SPDX-License-Identifier: Apache-2.0
// String instructions, segment bases, time stamps, SSE2.
#include <bit>

#include "checks.h"
#include "common/descriptors.h"

namespace guest {
namespace {

u8 source[64], target[64];

void check_strings(Checks& checks) {
    for (unsigned i = 0; i < sizeof source; ++i) source[i] = u8(i * 7 + 1), target[i] = 0;
    void* to = target;
    const void* from = source;
    u64 count = 40;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    bool equal = to == target + 40 && from == source + 40 && count == 0;
    for (unsigned i = 0; i < 64; ++i) equal = equal && target[i] == (i < 40 ? source[i] : 0);
    checks.check("REP MOVSB", equal);

    to = target + 63, from = source + 63, count = 64;
    asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    checks.check("REP MOVSB downwards", reinterpret_cast<u64>(to) + 1 == reinterpret_cast<u64>(target) && target[0] == source[0] && target[63] == source[63]);

    to = target, count = 4;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x0123456789abcdef) : "memory");
    checks.check("REP STOSQ", to == target + 32 && target[31] == 0x01 && target[24] == 0xef && target[32] == source[32]);

    to = target, from = source, count = 64;
    bool same;
    asm volatile("repe cmpsb" : "+D"(to), "+S"(from), "+c"(count), "=@cce"(same)::"memory");
    checks.check("REPE CMPSB stops at the first difference", !same && count == 63);

    to = source, count = 64;
    asm volatile("repne scasb" : "+D"(to), "+c"(count), "=@cce"(same) : "a"(source[9]) : "memory");
    checks.check("REPNE SCASB finds a byte", same && to == source + 10 && count == 54);

    u64 loaded;
    from = source;
    asm volatile("lodsq" : "=a"(loaded), "+S"(from)::"memory");
    checks.check("LODSQ", from == source + 8 && (loaded & 0xffff) == 0x0801);
}

u64 through_fs() {
    u64 value;
    asm volatile("movq %%fs:8, %0" : "=r"(value)::"memory");
    return value;
}
u64 through_gs() {
    u64 value;
    asm volatile("movq %%gs:8, %0" : "=r"(value)::"memory");
    return value;
}

void check_segment_bases(Checks& checks) {
    const u64 a[2] = {0, 0xaaaa}, b[2] = {0, 0xbbbb};
    write_msr(msr_fs_base, reinterpret_cast<u64>(a));
    write_msr(msr_gs_base, reinterpret_cast<u64>(b));
    write_msr(msr_kernel_gs_base, reinterpret_cast<u64>(a));
    checks.check("FS base by MSR", through_fs() == a[1] && read_msr(msr_fs_base) == reinterpret_cast<u64>(a));
    checks.check("GS base by MSR", through_gs() == b[1] && read_msr(msr_gs_base) == reinterpret_cast<u64>(b));
    asm volatile("swapgs");
    checks.check("SWAPGS", through_gs() == a[1] && read_msr(msr_kernel_gs_base) == reinterpret_cast<u64>(b));
}

// The kernel is compiled without SSE so that handlers need not save it; operands travel as bit patterns.
u64 sse2(u64 x, u64 y) {
    asm volatile(
        "movq %0, %%xmm0\n\t"
        "movq %1, %%xmm1\n\t"
        "mulsd %%xmm1, %%xmm0\n\t"   // x * y
        "addsd %%xmm1, %%xmm0\n\t"   // + y
        "sqrtsd %%xmm0, %%xmm0\n\t"
        "divsd %%xmm1, %%xmm0\n\t"
        "movq %%xmm0, %0"
        : "+r"(x)
        : "r"(y));
    return x;
}

// EDX of leaf 8000_0001H as compatibility mode sees it. The kernel has no 32-bit code segment of its own: one behind a copy of the GDT, which lies below 4 GiB as the
// code does.
u32 extended_features_in_compatibility_mode() {
    constexpr u64 code_32 = 0x00cf9b000000ffff;
    const DescriptorTablePointer own = read_gdtr();
    const u64 entries = (u64{own.limit} + 1) / 8;
    static u64 gdt[32];
    for (u64 i = 0; i < entries; ++i) gdt[i] = reinterpret_cast<const u64*>(own.base)[i];
    gdt[entries] = code_32;
    const DescriptorTablePointer longer{u16(own.limit + 8), reinterpret_cast<u64>(gdt)};
    u32 edx;
    asm volatile(
        "lgdt %1\n\t"
        "pushq %2\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "lretq\n"
        ".code32\n"
        "1:\tmovl $0x80000001, %%eax\n\t"
        "cpuid\n\t"
        "ljmp %3, $2f\n"
        ".code64\n"
        "2:\tlgdt %4"
        : "=&d"(edx)
        : "m"(longer), "r"(entries * 8), "i"(kernel_code), "m"(own)
        : "rax", "rbx", "rcx", "memory");
    return edx;
}

// SDM vol. 2, "CPUID", leaf 8000_0001H. AMD's processors show SYSCALL in every mode.
void check_system_call_bit(Checks& checks) {
    constexpr const char* name = "CPUID shows SYSCALL in 64-bit mode, not in compatibility mode";
    constexpr unsigned syscall = 11;
    if (!intel_processor()) return checks.skip(name, "the processor is not Intel's");
    checks.check(name, cpuid_extended_edx(syscall) && !(extended_features_in_compatibility_mode() >> syscall & 1));
}

}  // namespace

void check_instructions(Checks& checks, Context&) {
    check_strings(checks);
    check_segment_bases(checks);

    bool monotone = true;
    u64 before = rdtsc();
    const u64 first = before;
    for (int i = 0; i < 1000; ++i) {
        const u64 now = rdtsc();
        monotone = monotone && now >= before;
        before = now;
    }
    checks.check("RDTSC does not run backwards, and runs", monotone && before > first);

    constexpr u64 one = std::bit_cast<u64>(1.0), three = std::bit_cast<u64>(3.0), four = std::bit_cast<u64>(4.0);
    check_system_call_bit(checks);
    checks.check("SSE2 doubles", sse2(three, four) == one);                            // sqrt(3 * 4 + 4) / 4
    checks.check("SSE2 rounding to nearest", sse2(one, three) == 0x3fea20bd700c2c3d);  // sqrt(6) / 3 = 0.8164965809277260...
}

}  // namespace guest
