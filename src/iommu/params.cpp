// SPDX-License-Identifier: Apache-2.0
#include "iommu/params.h"

#include <bit>
#include <string>

#include "base/error.h"

namespace vtsim::iommu {

void CacheParams::validate(const char* key) const {
    const std::string prefix = std::string{"iommu."} + key;
    if (entries == 0) return;
    if (entries > 1U << 20) throw ConfigError(prefix + ".entries", std::to_string(entries), "at most 1048576");
    if (ways == 0 || ways > entries || entries % ways != 0) throw ConfigError(prefix + ".ways", std::to_string(ways), "a divisor of the number of entries");
    if (!std::has_single_bit(entries / ways)) throw ConfigError(prefix + ".entries", std::to_string(entries), "a power of two of sets");
}

void RemappingUnitParams::validate() const {
    if (host_address_width < 32 || host_address_width > 52) throw ConfigError("iommu.host_address_width", std::to_string(host_address_width), "32 to 52");
    if (guest_address_width < 32 || guest_address_width > 48) throw ConfigError("iommu.guest_address_width", std::to_string(guest_address_width), "32 to 48");
    if (!agaw_39 && !agaw_48) throw ConfigError("iommu.agaw_48", "false", "true, or agaw_39 true: a unit supports at least one width");
    if (max_address_mask > 63) throw ConfigError("iommu.max_address_mask", std::to_string(max_address_mask), "0 to 63");
    if (fault_records == 0 || fault_records > 128) throw ConfigError("iommu.fault_records", std::to_string(fault_records), "1 to 128");
    iotlb.validate("iotlb");
    context_cache.validate("context_cache");
    paging_structure_cache.validate("paging_structure_cache");
}

}  // namespace vtsim::iommu
