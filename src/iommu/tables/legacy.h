// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/address.h"
#include "base/bits.h"

namespace vtsim::iommu {

// VT-d, "Root Entry": one for each bus; 128 bits.
struct RootEntry {
    u64 low = 0, high = 0;
    static constexpr u64 bytes = 16;
    using Present = Field<0>;
    using ContextTable = Field<63, 12>;

    [[nodiscard]] bool present() const { return Present::test(low); }
    [[nodiscard]] PhysicalAddress context_table() const { return PhysicalAddress{low & ContextTable::mask}; }
    [[nodiscard]] bool reserved_bits_set(unsigned host_width) const {
        return (low & ~(Present::mask | (ContextTable::mask & low_bits(host_width)))) != 0 || high != 0;
    }
};

enum class TranslationType : u8 { untranslated = 0, with_device_tlb = 1, pass_through = 2, reserved = 3 };

// VT-d, "Context Entry": one for each device and function of a bus; 128 bits.
struct ContextEntry {
    u64 low = 0, high = 0;
    static constexpr u64 bytes = 16;
    using Present = Field<0>;
    using FaultDisable = Field<1>;
    using Type = Field<3, 2>;
    using SecondLevel = Field<63, 12>;
    using AddressWidth = Field<2, 0>;       // of the high quadword, as the following
    using Software = Field<6, 3>;
    using Domain = Field<23, 8>;

    [[nodiscard]] bool present() const { return Present::test(low); }
    [[nodiscard]] bool fault_disable() const { return FaultDisable::test(low); }
    [[nodiscard]] TranslationType type() const { return static_cast<TranslationType>(Type::get(low)); }
    [[nodiscard]] PhysicalAddress second_level() const { return PhysicalAddress{low & SecondLevel::mask}; }
    [[nodiscard]] unsigned address_width() const { return static_cast<unsigned>(AddressWidth::get(high)); }       // 1: 39 bits, 2: 48 bits
    [[nodiscard]] u16 domain() const { return static_cast<u16>(Domain::get(high)); }
    [[nodiscard]] unsigned levels() const { return address_width() + 2; }
    [[nodiscard]] unsigned width() const { return 12 + 9 * levels(); }
    [[nodiscard]] bool reserved_bits_set(unsigned host_width) const {
        const u64 low_defined = Present::mask | FaultDisable::mask | Type::mask | (SecondLevel::mask & low_bits(host_width));
        return (low & ~low_defined) != 0 || (high & ~(AddressWidth::mask | Software::mask | Domain::mask)) != 0;
    }
};

}  // namespace vtsim::iommu
