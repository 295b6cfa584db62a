// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"

namespace vtsim::tlb {

// One bank of a TLB: the entries for pages of one size. 0 entries: larger pages are held as fragments of the next smaller size.
struct BankParams {
    unsigned entries = 0;
    unsigned ways = 1;
};

struct TlbParams {
    BankParams pages_4k{64, 4};
    BankParams pages_2m{32, 4};
    BankParams pages_1g{4, 4};
    bool shared_2m = false;
    std::string index = "linear";
    std::string replacement = "lru";
    unsigned latency = 0;

    void validate(const std::string& key) const;    // throws ConfigError naming `key`
};

// How many entries each level's paging-structure cache holds (fully associative); 0: none.
struct PagingStructureCacheParams {
    unsigned level5 = 0;
    unsigned level4 = 2;
    unsigned level3 = 4;
    unsigned level2 = 32;

    void validate(const std::string& key) const;
};

}  // namespace vtsim::tlb

namespace vtsim::config {
template <>
inline constexpr auto schema<tlb::BankParams> = std::tuple{
    Param{"entries", &tlb::BankParams::entries, "capacity in entries; a multiple of ways, with a power of two of sets; 0 for none"},
    Param{"ways", &tlb::BankParams::ways, "associativity; equal to entries for a fully associative bank"},
};
template <>
inline constexpr auto schema<tlb::TlbParams> = std::tuple{
    Param{"pages_4k", &tlb::TlbParams::pages_4k, "the bank for 4-KByte pages"},
    Param{"pages_2m", &tlb::TlbParams::pages_2m, "the bank for 2-MByte pages (and halves of 4-MByte pages)"},
    Param{"pages_1g", &tlb::TlbParams::pages_1g, "the bank for 1-GByte pages"},
    Param{"shared_2m", &tlb::TlbParams::shared_2m, "2-MByte pages share the bank of the 4-KByte pages"},
    Param{"index", &tlb::TlbParams::index, "set index: linear (low bits of the page number) or xor (two adjacent fields of it)"},
    Param{"replacement", &tlb::TlbParams::replacement, "name of a registered replacement policy"},
    Param{"latency", &tlb::TlbParams::latency, "cycles that a hit in this level adds to an access"},
};
template <>
inline constexpr auto schema<tlb::PagingStructureCacheParams> = std::tuple{
    Param{"level5", &tlb::PagingStructureCacheParams::level5, "entries that hold PML5Es"},
    Param{"level4", &tlb::PagingStructureCacheParams::level4, "entries that hold PML4Es"},
    Param{"level3", &tlb::PagingStructureCacheParams::level3, "entries that hold PDPTEs"},
    Param{"level2", &tlb::PagingStructureCacheParams::level2, "entries that hold PDEs"},
};
}  // namespace vtsim::config
