// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::timing {

inline constexpr unsigned line_log2 = 6;            // 64-byte lines everywhere
inline constexpr unsigned line_bytes = 1U << line_log2;

struct CacheLevelParams {
    u64 size = 32 * KiB;
    u32 ways = 8;
    u32 latency = 4;

    [[nodiscard]] u64 sets() const { return size / ways >> line_log2; }
    void validate(const std::string& key) const;    // throws ConfigError; `key` is the table's name
};

// The caches of one machine: the first two levels are per core. Defaults: Broadwell (presets/timing/broadwell.toml has the sources).
struct CacheParams {
    CacheLevelParams l1i{32 * KiB, 8, 4};
    CacheLevelParams l1d{32 * KiB, 8, 4};
    CacheLevelParams l2{256 * KiB, 8, 12};
    CacheLevelParams l3{6 * MiB, 12, 50};
    bool l3_inclusive = true;
    u32 snoop_latency = 20;
    bool filters = true;

    void validate() const;                          // throws ConfigError
};

}  // namespace vtsim::timing

namespace vtsim::config {

template <>
inline constexpr auto schema<timing::CacheLevelParams> = std::tuple{
    Param{"size", &timing::CacheLevelParams::size, "capacity in bytes; sets = size / 64 / ways is a power of two"},
    Param{"ways", &timing::CacheLevelParams::ways, "associativity, 1 to 32"},
    Param{"latency", &timing::CacheLevelParams::latency, "load to use of a hit in this level, in core cycles"},
};
template <>
inline constexpr auto schema<timing::CacheParams> = std::tuple{
    Param{"l1i", &timing::CacheParams::l1i, "first-level instruction cache of each core"},
    Param{"l1d", &timing::CacheParams::l1d, "first-level data cache of each core"},
    Param{"l2", &timing::CacheParams::l2, "second-level cache of each core"},
    Param{"l3", &timing::CacheParams::l3, "third-level cache of the machine"},
    Param{"l3_inclusive", &timing::CacheParams::l3_inclusive, "the third level holds every line of the others"},
    Param{"snoop_latency", &timing::CacheParams::snoop_latency, "cycles added when another core holds the line modified, or holds a line that is to be written"},
    Param{"filters", &timing::CacheParams::filters, "way hints in front of the first level (off: always search; results are identical)"},
};

}  // namespace vtsim::config
