// SPDX-License-Identifier: Apache-2.0
#include "platform/bus/address_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace vtsim::platform {

void AddressMap::add(Range range) {
    if (range.last < range.first) throw ConfigError(fmt::format("address range of {} is empty or wraps around: {:#x} to {:#x}", range.name, range.first, range.last));
    const auto above = std::ranges::upper_bound(ranges_, range.first, {}, &Range::first);
    const Range* clash = nullptr;
    if (above != ranges_.end() && above->first <= range.last) clash = &*above;
    if (above != ranges_.begin() && std::prev(above)->last >= range.first) clash = &*std::prev(above);
    if (clash != nullptr)
        throw ConfigError(fmt::format("address ranges of {} ({:#x} to {:#x}) and {} ({:#x} to {:#x}) overlap", range.name, range.first, range.last, clash->name,
                                      clash->first, clash->last));
    ranges_.insert(above, std::move(range));
}

const AddressMap::Range* AddressMap::find(u64 address) const {
    if (last_found_ < ranges_.size() && ranges_[last_found_].contains(address)) return &ranges_[last_found_];
    const auto above = std::ranges::upper_bound(ranges_, address, {}, &Range::first);
    if (above == ranges_.begin() || !std::prev(above)->contains(address)) return nullptr;
    last_found_ = static_cast<std::size_t>(std::prev(above) - ranges_.begin());
    return &ranges_[last_found_];
}

}  // namespace vtsim::platform
