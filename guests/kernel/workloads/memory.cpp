// SPDX-License-Identifier: Apache-2.0
// random, gups, stream, chase: how memory is reached. Large buffers begin on a 2-MiB boundary, whatever the page size.
#include "workload.h"

namespace guest {
namespace {

constexpr u64 filling(u64 index) { return index * 0x9e3779b97f4a7c15 ^ index >> 7; }

u64* take_filled(Context& context, u64 words) {
    u64* const array = static_cast<u64*>(context.memory.take(words * 8, 2 * mib));
    for (u64 i = 0; i < words; ++i) array[i] = filling(i);
    return array;
}

}  // namespace

Outcome run_random(Context& context) {
    const u64 words = context.options.number("mb", 16) * mib / 8;
    const u64 reads = context.options.number("count", 1'000'000);
    const u64* const array = take_filled(context, words);
    Xorshift random{88172645463325252};
    u64 sum = 0;
    const Region region;
    for (u64 i = 0; i < reads; ++i) sum += array[random.below(words)] ^ i;
    return {.checksum = mix(sum, reads), .cycles = region.end(), .count = reads, .unit = "read"};
}

// As RandomAccess of the HPC Challenge: each update reads a word and writes it back.
Outcome run_gups(Context& context) {
    const u64 words = context.options.number("mb", 16) * mib / 8;
    const u64 updates = context.options.number("count", 1'000'000);
    u64* const array = take_filled(context, words);
    Xorshift random{88172645463325252};
    const Region region;
    for (u64 i = 0; i < updates; ++i) array[random.below(words)] += i * 2 + 1;
    const u64 cycles = region.end();
    u64 sum = 0;
    for (u64 i = 0; i < words; ++i) sum += array[i] * (i | 1);
    return {.checksum = mix(sum, updates), .cycles = cycles, .count = updates, .unit = "update"};
}

Outcome run_stream(Context& context) {
    const u64 words = context.options.number("mb", 16) * mib / 8;
    const u64 passes = context.options.number("iters", 4);
    u64* const array = take_filled(context, words);
    u64 sum = 0;
    const Region region;
    for (u64 pass = 0; pass < passes; ++pass)
        for (u64 i = 0; i < words; ++i) {
            sum += array[i];
            array[i] = sum;
        }
    return {.checksum = mix(sum, passes), .cycles = region.end(), .count = passes * words, .unit = "word"};
}

// One node per stride, each pointing to the next of one cycle through all: Sattolo's shuffle makes exactly one.
Outcome run_chase(Context& context) {
    const u64 stride = align_up(context.options.number("stride", 64), 8);
    const u64 nodes = context.options.number("bytes", 256 * kib) / (stride ? stride : 8);
    const u64 loads = align_up(context.options.number("count", 1'000'000), 32);
    if (!stride || !nodes) return {.checksum = 0, .passed = false};
    char* const base = static_cast<char*>(context.memory.take(nodes * stride, 2 * mib));
    const auto link = [=](u64 node) -> u64& { return *reinterpret_cast<u64*>(base + node * stride); };
    for (u64 i = 0; i < nodes; ++i) link(i) = i;
    Xorshift random{123456789};
    for (u64 i = nodes - 1; i > 0; --i) {
        const u64 other = random.below(i);
        const u64 kept = link(i);
        link(i) = link(other);
        link(other) = kept;
    }
    for (u64 i = 0; i < nodes; ++i) link(i) = reinterpret_cast<u64>(base + link(i) * stride);

    u64 at = reinterpret_cast<u64>(base);
    u64 rounds = loads / 32;
    const u64 start_of_warm_up = at;
    for (u64 i = 0; i < nodes; ++i) at = *reinterpret_cast<const volatile u64*>(at);  // once around: back at the start
    const bool one_cycle = at == start_of_warm_up;
    const Region region;
    if (rounds)
        asm volatile(
            "1:\t.rept 32\n\t"
            "movq (%0), %0\n\t"
            ".endr\n\t"
            "decq %1\n\t"
            "jnz 1b"
            : "+a"(at), "+r"(rounds)::"memory", "cc");
    const u64 cycles = region.end();
    const u64 offset = at - reinterpret_cast<u64>(base);
    return {.checksum = mix(mix(offset, nodes), loads), .cycles = cycles, .count = loads, .unit = "load", .passed = one_cycle};
}

}  // namespace guest
