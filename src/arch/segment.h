// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"

namespace vtsim::arch {

// Numbered as instructions and VMCS fields number them.
enum SegmentRegister : u8 { es, cs, ss, ds, fs, gs, ldtr, tr, segment_count };

// A segment register with its hidden part. `rights` has the format of the VMCS access-rights fields, so that entry and exit copy it.
// SDM vol. 3, "Format of Access Rights".
struct Segment {
    u64 base = 0;
    u32 limit = 0;            // in bytes: granularity applied
    u32 rights = unusable_bit;
    u16 selector = 0;

    using Type = Field<3, 0>;
    using CodeOrData = Field<4>;      // the descriptor's S flag
    using Dpl = Field<6, 5>;
    using Present = Field<7>;
    using Long = Field<13>;
    using DefaultBig = Field<14>;
    using Granularity = Field<15>;
    static constexpr u32 unusable_bit = 1U << 16;

    [[nodiscard]] bool unusable() const { return (rights & unusable_bit) != 0; }
    [[nodiscard]] unsigned type() const { return rights & 15; }
    [[nodiscard]] bool is_code() const { return (rights & 0x18) == 0x18; }
    [[nodiscard]] bool is_data() const { return (rights & 0x18) == 0x10; }
    [[nodiscard]] bool writable() const { return is_data() && (rights & 2) != 0; }
    [[nodiscard]] bool readable() const { return is_data() || (is_code() && (rights & 2) != 0); }
    [[nodiscard]] bool expands_down() const { return is_data() && (rights & 4) != 0; }
    [[nodiscard]] bool conforming() const { return is_code() && (rights & 4) != 0; }
    [[nodiscard]] unsigned dpl() const { return (rights >> 5) & 3; }
    [[nodiscard]] bool present() const { return (rights & 0x80) != 0; }
    [[nodiscard]] bool long_mode() const { return (rights & (1U << 13)) != 0; }
    [[nodiscard]] bool default_big() const { return (rights & (1U << 14)) != 0; }
    [[nodiscard]] unsigned rpl() const { return selector & 3; }
};

struct DescriptorTable {
    u64 base = 0;
    u16 limit = 0xffff;
};

}  // namespace vtsim::arch
