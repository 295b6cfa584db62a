// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>

#include "base/types.h"

namespace vtsim {

// An address of one space. Spaces do not mix: only a paging structure turns a linear address into a guest-physical
// one, only EPT (or its absence) makes a physical one.
template <class Space>
class Address {
public:
    constexpr Address() = default;
    constexpr explicit Address(u64 value) : value_{value} {}
    [[nodiscard]] constexpr u64 value() const { return value_; }
    [[nodiscard]] constexpr u64 page() const { return value_ >> 12; }
    [[nodiscard]] constexpr u64 page_offset() const { return value_ & page_offset_mask; }
    [[nodiscard]] constexpr Address page_base() const { return Address{value_ & ~page_offset_mask}; }
    friend constexpr auto operator<=>(Address, Address) = default;
    friend constexpr Address operator+(Address a, u64 offset) { return Address{a.value_ + offset}; }
    friend constexpr u64 operator-(Address a, Address b) { return a.value_ - b.value_; }

private:
    u64 value_ = 0;
};

using LinearAddress = Address<struct LinearSpace>;
using GuestPhysicalAddress = Address<struct GuestPhysicalSpace>;
using PhysicalAddress = Address<struct PhysicalSpace>;

}  // namespace vtsim
