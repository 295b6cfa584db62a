// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"
#include "base/types.h"

namespace vtsim::iommu {

// The requester that a DMA request carries: bus, device and function. VT-d, "Source Identifier".
struct SourceId {
    u16 value = 0;
    constexpr SourceId() = default;
    constexpr SourceId(u16 raw) : value{raw} {}         // NOLINT: the number is the identity
    static constexpr SourceId of(unsigned bus, unsigned device, unsigned function) {
        return {static_cast<u16>(bus << 8 | device << 3 | function)};
    }
    [[nodiscard]] constexpr unsigned bus() const { return value >> 8; }
    [[nodiscard]] constexpr unsigned device_function() const { return value & 0xffU; }
    friend constexpr bool operator==(SourceId, SourceId) = default;
};

}  // namespace vtsim::iommu
