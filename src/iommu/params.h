// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::iommu {

struct CacheParams {
    unsigned entries = 64;
    unsigned ways = 4;
    unsigned latency = 0;
    void validate(const char* key) const;       // throws ConfigError
};

// A VT-d remapping unit. Defaults: what a Broadwell server reports, without the parts that CAP and ECAP then say are absent.
struct RemappingUnitParams {
    unsigned host_address_width = 46;
    unsigned guest_address_width = 48;
    bool agaw_39 = true;
    bool agaw_48 = true;
    bool large_2m = true;
    bool large_1g = true;
    bool pass_through = true;
    bool snoop_control = true;
    bool coherent = true;
    bool page_selective = true;
    unsigned max_address_mask = 18;
    unsigned fault_records = 8;
    CacheParams iotlb{64, 4, 0};
    CacheParams context_cache{32, 4, 0};
    CacheParams paging_structure_cache{16, 16, 0};

    void validate() const;                      // throws ConfigError
};

}  // namespace vtsim::iommu

namespace vtsim::config {

template <>
inline constexpr auto schema<iommu::CacheParams> = std::tuple{
    Param{"entries", &iommu::CacheParams::entries, "capacity in entries; a multiple of ways, with a power of two of sets; 0 for none"},
    Param{"ways", &iommu::CacheParams::ways, "associativity; equal to entries for a fully associative cache"},
    Param{"latency", &iommu::CacheParams::latency, "cycles that a lookup takes"},
};
template <>
inline constexpr auto schema<iommu::RemappingUnitParams> = std::tuple{
    Param{"host_address_width", &iommu::RemappingUnitParams::host_address_width, "bits of a physical address; higher ones are reserved in every table"},
    Param{"guest_address_width", &iommu::RemappingUnitParams::guest_address_width, "CAP.MGAW: bits of the widest DMA address"},
    Param{"agaw_39", &iommu::RemappingUnitParams::agaw_39, "CAP.SAGAW: 39-bit domains with 3-level tables"},
    Param{"agaw_48", &iommu::RemappingUnitParams::agaw_48, "CAP.SAGAW: 48-bit domains with 4-level tables"},
    Param{"large_2m", &iommu::RemappingUnitParams::large_2m, "CAP.SLLPS: 2-MByte second-level pages"},
    Param{"large_1g", &iommu::RemappingUnitParams::large_1g, "CAP.SLLPS: 1-GByte second-level pages"},
    Param{"pass_through", &iommu::RemappingUnitParams::pass_through, "ECAP.PT: context entries may pass requests through"},
    Param{"snoop_control", &iommu::RemappingUnitParams::snoop_control, "ECAP.SC: bit 11 of a second-level leaf is not reserved"},
    Param{"coherent", &iommu::RemappingUnitParams::coherent, "ECAP.C: table reads snoop the processor caches"},
    Param{"page_selective", &iommu::RemappingUnitParams::page_selective, "CAP.PSI: IOTLB invalidation by page"},
    Param{"max_address_mask", &iommu::RemappingUnitParams::max_address_mask, "CAP.MAMV: largest address mask of a page-selective invalidation"},
    Param{"fault_records", &iommu::RemappingUnitParams::fault_records, "CAP.NFR: number of fault recording registers"},
    Param{"iotlb", &iommu::RemappingUnitParams::iotlb, "IOTLB, tagged by domain-id"},
    Param{"context_cache", &iommu::RemappingUnitParams::context_cache, "context-cache, tagged by source-id"},
    Param{"paging_structure_cache", &iommu::RemappingUnitParams::paging_structure_cache, "second-level entries that refer to tables"},
};

}  // namespace vtsim::config
