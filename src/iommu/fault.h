// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/types.h"

namespace vtsim::iommu {

// VT-d, "Fault Reason Encodings", legacy mode.
enum class FaultReason : u8 {
    none = 0,
    root_not_present = 0x01,
    context_not_present = 0x02,
    context_invalid = 0x03,
    beyond_width = 0x04,
    no_write = 0x05,
    no_read = 0x06,
    second_level_access = 0x07,
    root_access = 0x08,
    context_access = 0x09,
    root_reserved = 0x0a,
    context_reserved = 0x0b,
    second_level_reserved = 0x0c,
    request_blocked = 0x0d,
    interrupt_range = 0x0e,
};

struct FaultRow {
    FaultReason reason;
    std::string_view name;
    std::string_view description;
    bool qualified;             // FPD=1 in the context entry keeps it from being recorded
};

inline constexpr std::array fault_table{
    FaultRow{FaultReason::root_not_present, "root_not_present", "present bit clear in the root entry", false},
    FaultRow{FaultReason::context_not_present, "context_not_present", "present bit clear in the context entry", true},
    FaultRow{FaultReason::context_invalid, "context_invalid", "translation type or address width not supported in the context entry", true},
    FaultRow{FaultReason::beyond_width, "beyond_width", "address beyond the width of the domain or of the unit", true},
    FaultRow{FaultReason::no_write, "no_write", "write without write permission", true},
    FaultRow{FaultReason::no_read, "no_read", "read without read permission", true},
    FaultRow{FaultReason::second_level_access, "second_level_access", "second-level entry not readable", true},
    FaultRow{FaultReason::root_access, "root_access", "root entry not readable", false},
    FaultRow{FaultReason::context_access, "context_access", "context entry not readable", false},
    FaultRow{FaultReason::root_reserved, "root_reserved", "reserved bits set in a present root entry", false},
    FaultRow{FaultReason::context_reserved, "context_reserved", "reserved bits set in a present context entry", true},
    FaultRow{FaultReason::second_level_reserved, "second_level_reserved", "reserved bits set in a present second-level entry", true},
    FaultRow{FaultReason::request_blocked, "request_blocked", "translation or translated request blocked by the translation type", true},
    FaultRow{FaultReason::interrupt_range, "interrupt_range", "translated into the interrupt address range", true},
};

constexpr bool qualified(FaultReason reason) {
    for (const auto& row : fault_table)
        if (row.reason == reason) return row.qualified;
    return false;
}

}  // namespace vtsim::iommu
