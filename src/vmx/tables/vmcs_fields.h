// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bits.h"
#include "vmx/tables/existence.h"

namespace vtsim::vmx {

enum class FieldWidth : u8 { bits16, bits64, bits32, natural };
enum class FieldArea : u8 { control, exit_information, guest, host };

// VM-entry checks that are due again after something changed. A row that reads several groups belongs to each; a VM exit makes due at most
// `state`, as everything else that execution left behind has passed through the processor.
namespace group {
using Mask = u32;
inline constexpr Mask none = 0;
inline constexpr Mask controls = 1U << 0;       // VM-execution, VM-exit and VM-entry controls
inline constexpr Mask intercepts = 1U << 1;     // fields without a check, but with a part in vmx::Intercepts
inline constexpr Mask host = 1U << 2;
inline constexpr Mask guest = 1U << 3;          // control and debug registers, MSRs, descriptor tables, PDPTEs
inline constexpr Mask segments = 1U << 4;
inline constexpr Mask rip = 1U << 5;
inline constexpr Mask state = 1U << 6;          // activity, interruptibility, pending debug exceptions, link pointer
inline constexpr Mask injection = 1U << 7;
inline constexpr Mask processor = 1U << 8;      // EFER.LMA as it is when the VMM enters
inline constexpr Mask memory = 1U << 9;         // rows that read memory: due whenever the VMCS makes them read it
inline constexpr Mask rflags = 1U << 10;
inline constexpr Mask all = (1U << 11) - 1;
}  // namespace group

struct VmcsFieldRow {
    u16 encoding;
    std::string_view identifier;
    std::string_view name;       // as the SDM writes it
    Existence exists;
    group::Mask group;
    [[nodiscard]] constexpr FieldWidth width() const { return static_cast<FieldWidth>(Field<14, 13>::get(encoding)); }
    [[nodiscard]] constexpr FieldArea area() const { return static_cast<FieldArea>(Field<11, 10>::get(encoding)); }
    [[nodiscard]] constexpr unsigned index() const { return static_cast<unsigned>(Field<9, 1>::get(encoding)); }
    [[nodiscard]] constexpr u64 mask() const {
        constexpr std::array<u64, 4> masks{0xffff, ~u64{0}, 0xffff'ffff, ~u64{0}};
        return masks[static_cast<unsigned>(width())];
    }
};

inline constexpr std::array vmcs_fields = {
#define VTSIM_VMCS_FIELD(identifier, encoding, text, exists, due) VmcsFieldRow{encoding, #identifier, text, exists, group::due},
#include "vmx/tables/vmcs_fields.def"
#undef VTSIM_VMCS_FIELD
};
static_assert(std::ranges::is_sorted(vmcs_fields, {}, &VmcsFieldRow::encoding));

// The contents of a VMCS, one member a field in the order of the table: member i is row i.
struct VmcsData {
#define VTSIM_VMCS_FIELD(identifier, encoding, text, exists, due) u64 identifier = 0;
#include "vmx/tables/vmcs_fields.def"
#undef VTSIM_VMCS_FIELD
    [[nodiscard]] u64& at(unsigned row) { return reinterpret_cast<u64*>(this)[row]; }
    [[nodiscard]] u64 at(unsigned row) const { return reinterpret_cast<const u64*>(this)[row]; }
};
static_assert(sizeof(VmcsData) == vmcs_fields.size() * sizeof(u64));

inline constexpr unsigned no_field = 0xff;
static_assert(vmcs_fields.size() < no_field);

// Rows by width, area and index: 16 combinations of the first two, 6 bits of index.
inline constexpr auto field_rows = [] {
    std::array<u8, 1024> rows{};
    rows.fill(no_field);
    for (unsigned i = 0; i < vmcs_fields.size(); ++i) {
        const auto& field = vmcs_fields[i];
        rows[static_cast<unsigned>(field.width()) << 8 | static_cast<unsigned>(field.area()) << 6 | field.index()] = static_cast<u8>(i);
    }
    return rows;
}();

// Row of an encoding (either access type of a 64-bit field), or no_field. Existence is not looked at; reserved bits must be 0.
[[nodiscard]] constexpr unsigned field_row(u64 encoding) {
    if ((encoding & ~u64{0x6c7f}) != 0) return no_field;
    if ((encoding & 1) != 0 && Field<14, 13>::get(encoding) != static_cast<u64>(FieldWidth::bits64)) return no_field;
    return field_rows[Field<14, 13>::get(encoding) << 8 | Field<11, 10>::get(encoding) << 6 | Field<6, 1>::get(encoding)];
}

}  // namespace vtsim::vmx
