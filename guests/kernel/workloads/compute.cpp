// SPDX-License-Identifier: Apache-2.0
// compute: registers only, eight instructions a turn. branchy: conditional jumps that follow the data.
#include "workload.h"

namespace guest {

Outcome run_compute(Context& context) {
    const u64 iterations = context.options.number("iters", 1'000'000);
    constexpr u64 polynomial = 0xc96c5795d7870f42;  // CRC-64/XZ, reflected
    u64 crc = ~u64{0}, left = iterations;
    const Region region;
    // Eight instructions: the counter goes in, one bit of the CRC, times three plus one so that no value stays.
    if (left)
        asm volatile(
            "1:\txorq %1, %0\n\t"
            "shrq $1, %0\n\t"
            "sbbq %%rax, %%rax\n\t"  // all ones if the bit that fell out was set
            "andq %2, %%rax\n\t"
            "xorq %%rax, %0\n\t"
            "leaq 1(%0, %0, 2), %0\n\t"
            "decq %1\n\t"
            "jnz 1b"
            : "+r"(crc), "+r"(left)
            : "r"(polynomial)
            : "rax", "cc");
    return {.checksum = mix(crc, iterations), .cycles = region.end(), .count = iterations};
}

Outcome run_branchy(Context& context) {
    const u64 iterations = context.options.number("iters", 1'000'000);
    Xorshift random{0x2545f4914f6cdd1d};
    u64 sum = 0;
    const Region region;
    for (u64 i = 0; i < iterations; ++i) {
        const u64 bits = random.next();
        // Empty statements of assembly keep the compiler from turning the branches into conditional moves.
        if (bits & 1) {
            asm volatile("");
            sum += bits;
        }
        if ((bits & 6) == 2) {
            asm volatile("");
            sum ^= bits >> 5;
        } else {
            asm volatile("");
            sum = sum << 1 | sum >> 63;
        }
        switch (bits >> 8 & 3) {
            case 0: asm volatile(""); sum += i; break;
            case 1: asm volatile(""); sum -= bits; break;
            case 2: asm volatile(""); sum ^= i << 7; break;
            default: break;
        }
    }
    return {.checksum = mix(sum, iterations), .cycles = region.end(), .count = iterations};
}

}  // namespace guest
