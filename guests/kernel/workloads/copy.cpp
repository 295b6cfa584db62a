// SPDX-License-Identifier: Apache-2.0
// copy: eight bytes at a time between two buffers that together fit a 32-KiB data cache.
// copyalias: the same with the buffers exactly 1 MiB apart, so that both fall into the same sets and low address bits.
#include "workload.h"

namespace guest {
namespace {

void copy_words(u64* to, const u64* from, u64 words) {
    asm volatile(
        "1:\tmovq (%1), %%rax\n\t"
        "movq %%rax, (%0)\n\t"
        "addq $8, %1\n\t"
        "addq $8, %0\n\t"
        "decq %2\n\t"
        "jnz 1b"
        : "+r"(to), "+r"(from), "+r"(words)::"rax", "memory", "cc");
}

Outcome copy(Context& context, u64 distance) {
    const u64 words = context.options.number("size", 16 * kib) / 8;
    const u64 passes = context.options.number("iters", 1000);
    if (!distance) distance = align_up(words * 8, 64);
    u64* const from = static_cast<u64*>(context.memory.take(distance + words * 8, 2 * mib));
    u64* const to = from + distance / 8;
    Xorshift random{42};
    for (u64 i = 0; i < words; ++i) from[i] = random.next(), to[i] = 0;

    const Region region;
    for (u64 pass = 0; pass < passes; ++pass) {
        if (words) copy_words(to, from, words);
        if (words) from[pass % words] += pass;  // what the next pass copies differs
    }
    const u64 cycles = region.end();
    u64 checksum = mix(words, passes);
    for (u64 i = 0; i < words; ++i) checksum = mix(checksum, to[i]);
    return {.checksum = checksum, .cycles = cycles, .count = passes * words, .unit = "word"};
}

}  // namespace

Outcome run_copy(Context& context) { return copy(context, 0); }

Outcome run_copyalias(Context& context) { return copy(context, 1 * mib); }

}  // namespace guest
