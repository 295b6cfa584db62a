// SPDX-License-Identifier: Apache-2.0
// vector: eight lanes of 32 bits that stay in vector registers: 256-bit ones where the processor has AVX2, else pairs of 128-bit ones.
#include "workload.h"

namespace guest {
namespace {

struct Lanes {
    alignas(32) u32 value[8];
};

// Marsaglia, "Xorshift RNGs", the 32-bit triple (13, 17, 5) in each lane, and the sums of the values.
void step_256(Lanes& state, Lanes& sums, u64 turns) {
    asm volatile(
        "vmovdqa (%1), %%ymm0\n\t"
        "vmovdqa (%2), %%ymm1\n\t"
        "1:\tvpslld $13, %%ymm0, %%ymm2\n\t"
        "vpxor %%ymm2, %%ymm0, %%ymm0\n\t"
        "vpsrld $17, %%ymm0, %%ymm2\n\t"
        "vpxor %%ymm2, %%ymm0, %%ymm0\n\t"
        "vpslld $5, %%ymm0, %%ymm2\n\t"
        "vpxor %%ymm2, %%ymm0, %%ymm0\n\t"
        "vpaddd %%ymm0, %%ymm1, %%ymm1\n\t"
        "decq %0\n\t"
        "jnz 1b\n\t"
        "vmovdqa %%ymm0, (%1)\n\t"
        "vmovdqa %%ymm1, (%2)\n\t"
        "vzeroupper"
        : "+r"(turns)
        : "r"(&state), "r"(&sums)
        : "memory", "cc");
}

void step_128(Lanes& state, Lanes& sums, u64 turns) {
    asm volatile(
        "movdqa (%1), %%xmm0\n\t"
        "movdqa 16(%1), %%xmm1\n\t"
        "movdqa (%2), %%xmm2\n\t"
        "movdqa 16(%2), %%xmm3\n\t"
        "1:\tmovdqa %%xmm0, %%xmm4\n\t"
        "movdqa %%xmm1, %%xmm5\n\t"
        "pslld $13, %%xmm4\n\t"
        "pslld $13, %%xmm5\n\t"
        "pxor %%xmm4, %%xmm0\n\t"
        "pxor %%xmm5, %%xmm1\n\t"
        "movdqa %%xmm0, %%xmm4\n\t"
        "movdqa %%xmm1, %%xmm5\n\t"
        "psrld $17, %%xmm4\n\t"
        "psrld $17, %%xmm5\n\t"
        "pxor %%xmm4, %%xmm0\n\t"
        "pxor %%xmm5, %%xmm1\n\t"
        "movdqa %%xmm0, %%xmm4\n\t"
        "movdqa %%xmm1, %%xmm5\n\t"
        "pslld $5, %%xmm4\n\t"
        "pslld $5, %%xmm5\n\t"
        "pxor %%xmm4, %%xmm0\n\t"
        "pxor %%xmm5, %%xmm1\n\t"
        "paddd %%xmm0, %%xmm2\n\t"
        "paddd %%xmm1, %%xmm3\n\t"
        "decq %0\n\t"
        "jnz 1b\n\t"
        "movdqa %%xmm0, (%1)\n\t"
        "movdqa %%xmm1, 16(%1)\n\t"
        "movdqa %%xmm2, (%2)\n\t"
        "movdqa %%xmm3, 16(%2)"
        : "+r"(turns)
        : "r"(&state), "r"(&sums)
        : "memory", "cc");
}

// SDM vol. 1, "Detection of Intel AVX2": the operating system must have switched the upper halves on, so that is done too.
bool enable_avx2() {
    constexpr unsigned leaf_1_xsave = 26, leaf_1_avx = 28, leaf_7_avx2 = 5;
    if (!cpuid_1_ecx(leaf_1_xsave) || !cpuid_1_ecx(leaf_1_avx) || !(cpuid(7).ebx >> leaf_7_avx2 & 1)) return false;
    write_cr4(read_cr4() | cr4_osxsave);
    write_xcr0(read_xcr0() | xcr0_x87 | xcr0_sse | xcr0_avx);
    return true;
}

}  // namespace

Outcome run_vector(Context& context) {
    const u64 iterations = context.options.number("iters", 1'000'000), bits = context.options.number("bits", 256);
    if (bits != 128 && bits != 256) refuse("bits", "128 or 256");
    Lanes state{}, sums{};
    for (u32 i = 0; i < 8; ++i) state.value[i] = 0x9e3779b9 * (i + 1);
    const bool wide = bits == 256 && enable_avx2();
    const Region region;
    if (iterations) (wide ? step_256 : step_128)(state, sums, iterations);
    u64 checksum = iterations;
    for (u32 i = 0; i < 8; ++i) checksum = mix(mix(checksum, state.value[i]), sums.value[i]);
    return {.checksum = checksum, .cycles = region.end(), .count = iterations};
}

}  // namespace guest
