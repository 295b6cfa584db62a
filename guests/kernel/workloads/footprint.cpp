// SPDX-License-Identifier: Apache-2.0
// footprint: a rotation through more code than a block cache or an instruction cache likes.
#include "workload.h"

extern "C" std::uint32_t footprint_blocks(std::uint32_t value, std::uint32_t blocks);
extern "C" const std::uint32_t footprint_block_count;

namespace guest {

Outcome run_footprint(Context& context) {
    u64 blocks = context.options.number("blocks", footprint_block_count);
    const u64 iterations = context.options.number("iters", 100);
    if (blocks > footprint_block_count) blocks = footprint_block_count;
    if (!blocks) blocks = 1;
    u32 value = 1;
    const Region region;
    for (u64 i = 0; i < iterations; ++i) value = footprint_blocks(value + u32(i), u32(blocks));
    return {.checksum = mix(mix(value, blocks), iterations), .cycles = region.end(), .count = iterations * blocks, .unit = "block"};
}

}  // namespace guest
