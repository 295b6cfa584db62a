// SPDX-License-Identifier: Apache-2.0
#include "iommu/register_map.h"

#include <algorithm>

namespace vtsim::iommu {

RegisterBase::RegisterBase(RegisterMap& map, u32 offset, unsigned width, std::string name, Rw access, const Rules& rules)
    : offset_{offset},
      width_{width},
      name_{std::move(name)},
      access_{access},
      writable_{access == Rw::read_only ? 0 : rules.writable},
      clears_{rules.clears},
      reset_{rules.reset},
      value_{rules.reset},
      hook_{rules.hook} {
    const auto place = std::ranges::upper_bound(map.registers_, offset, {}, &RegisterBase::offset);
    map.registers_.insert(place, this);
}

void RegisterBase::software_write(u64 written, u64 mask) {
    const u64 assigned = writable_ & mask & ~clears_;
    value_ = (value_ & ~assigned) | (written & assigned);
    value_ &= ~(written & mask & writable_ & clears_);
    if (access_ != Rw::read_only && hook_.function != nullptr) hook_.function(hook_.self, written & mask);
}

RegisterBase* RegisterMap::covering(u32 offset) const {
    const auto after = std::ranges::upper_bound(registers_, offset, {}, &RegisterBase::offset);
    if (after == registers_.begin()) return nullptr;
    auto* candidate = *(after - 1);
    return offset < candidate->offset() + candidate->width() ? candidate : nullptr;
}

u64 RegisterMap::read(u32 offset, unsigned size) const {
    if ((size != 4 && size != 8) || offset % size != 0) return 0;
    const auto* found = covering(offset);
    if (size == 8 && (found == nullptr || found->width() == 4)) return read(offset, 4) | read(offset + 4, 4) << 32;
    if (found == nullptr) return 0;
    return (found->software_read() >> ((offset - found->offset()) * 8)) & low_bits(size * 8);
}

void RegisterMap::write(u32 offset, unsigned size, u64 value) {
    if ((size != 4 && size != 8) || offset % size != 0) return;
    auto* found = covering(offset);
    if (size == 8 && (found == nullptr || found->width() == 4)) {
        write(offset, 4, value & low_bits(32));
        return write(offset + 4, 4, value >> 32);
    }
    if (found == nullptr) return;
    const unsigned shift = (offset - found->offset()) * 8;
    found->software_write((value & low_bits(size * 8)) << shift, low_bits(size * 8) << shift);
}

void RegisterMap::reset() {
    for (auto* entry : registers_) entry->reset();
}

}  // namespace vtsim::iommu
