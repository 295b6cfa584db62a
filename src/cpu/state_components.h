// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/bits.h"
#include "cpu/features.h"

// The state components of the XSAVE feature set and where they lie in an XSAVE area. SDM vol. 1, "XSAVE-Managed Features"; "XSAVE Area".
namespace vtsim::cpu {

// One component of the extended region. The model has user state components only, and none that the compacted format aligns.
struct StateComponent {
    unsigned number;
    u32 size;                            // bytes
    u32 offset;                          // in the standard format, bytes from the begin of the area
    bool FeatureParams::*exists;
};

// Ascending. The offset of PKRU is that of processors with AVX-512, whose components lie before it.
inline constexpr StateComponent extended_components[] = {
    {2, 256, 576, &FeatureParams::avx},
    {9, 8, 2688, &FeatureParams::pku},
};

inline constexpr u32 xsave_header_offset = 512;            // behind the legacy region
inline constexpr u32 extended_region_offset = 576;
inline constexpr u32 largest_xsave_area = std::end(extended_components)[-1].offset + std::end(extended_components)[-1].size;

// Bytes of an area with these components, bit by bit as in XCR0.
constexpr u32 standard_area_size(u64 components) {
    u32 end = extended_region_offset;
    for (const auto& component : extended_components)
        if ((components >> component.number & 1) != 0) end = std::max(end, component.offset + component.size);
    return end;
}

constexpr u32 compacted_area_size(u64 components) {
    u32 end = extended_region_offset;
    for (const auto& component : extended_components)
        if ((components >> component.number & 1) != 0) end += component.size;
    return end;
}

}  // namespace vtsim::cpu
