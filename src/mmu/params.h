// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"
#include "tlb/params.h"

namespace vtsim::mmu {

// Geometry, policies and capabilities of one core's MMU.
struct MmuParams {
    unsigned physical_address_bits = 39;
    bool pages_1g = true;
    bool ept_execute_only = true;
    bool ept_2m = true;
    bool ept_1g = true;
    bool advanced_violations = false;

    tlb::TlbParams itlb{.pages_4k = {128, 4}, .pages_2m = {8, 8}, .pages_1g = {0, 1}};
    tlb::TlbParams dtlb{.pages_4k = {64, 4}, .pages_2m = {32, 4}, .pages_1g = {4, 4}};
    tlb::TlbParams stlb{.pages_4k = {1536, 6}, .pages_2m = {0, 1}, .pages_1g = {16, 4}, .shared_2m = true, .latency = 8};
    tlb::TlbParams nested_tlb{.pages_4k = {32, 32}, .pages_2m = {16, 16}, .pages_1g = {4, 4}};
    tlb::PagingStructureCacheParams paging_cache;
    tlb::PagingStructureCacheParams ept_cache;

    bool walk_caches = true;
    std::string stale = "model";
    bool filters = true;
    unsigned seed = 1;

    void validate() const;      // throws ConfigError with key, value and what was expected
};

}  // namespace vtsim::mmu

namespace vtsim::config {
template <>
inline constexpr auto schema<mmu::MmuParams> = std::tuple{
    Param{"physical_address_bits", &mmu::MmuParams::physical_address_bits, "MAXPHYADDR in bits, 32 to 52: higher bits of entries are reserved"},
    Param{"pages_1g", &mmu::MmuParams::pages_1g, "paging supports 1-GByte pages (CPUID.80000001H:EDX.Page1GB)"},
    Param{"ept_execute_only", &mmu::MmuParams::ept_execute_only, "EPT supports execute-only translations"},
    Param{"ept_2m", &mmu::MmuParams::ept_2m, "EPT supports 2-MByte pages"},
    Param{"ept_1g", &mmu::MmuParams::ept_1g, "EPT supports 1-GByte pages"},
    Param{"advanced_violations", &mmu::MmuParams::advanced_violations, "bits 11:9 of the qualification of EPT violations report the paging permissions"},
    Param{"itlb", &mmu::MmuParams::itlb, "first-level instruction TLB"},
    Param{"dtlb", &mmu::MmuParams::dtlb, "first-level data TLB"},
    Param{"stlb", &mmu::MmuParams::stlb, "second-level TLB, for data and instructions"},
    Param{"nested_tlb", &mmu::MmuParams::nested_tlb, "TLB of guest-physical mappings, used by walks"},
    Param{"paging_cache", &mmu::MmuParams::paging_cache, "paging-structure caches of linear and combined mappings"},
    Param{"ept_cache", &mmu::MmuParams::ept_cache, "paging-structure caches of guest-physical mappings"},
    Param{"walk_caches", &mmu::MmuParams::walk_caches, "off: walks use neither paging-structure caches nor the nested TLB"},
    Param{"stale", &mmu::MmuParams::stale, "model, retain (keep mappings as long as the architecture permits) or forget (keep none)"},
    Param{"filters", &mmu::MmuParams::filters, "off: every access of the core looks the modelled TLB up; statistics must not change"},
    Param{"seed", &mmu::MmuParams::seed, "seed of the random replacement policy"},
};
}  // namespace vtsim::config
