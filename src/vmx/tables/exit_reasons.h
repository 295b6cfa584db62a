// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/types.h"

namespace vtsim::vmx {

enum class ExitReason : u16 {
#define VTSIM_EXIT_REASON(identifier, number, text, trigger, length, format) identifier = number,
#include "vmx/tables/exit_reasons.def"
#undef VTSIM_EXIT_REASON
};

enum class ExitTrigger : u8 { unconditional, control, event, entry_failure };
// Whether the VM-exit instruction length is valid. SDM vol. 3, "Information for VM Exits Due to Instruction Execution".
enum class LengthValidity : u8 { valid, sometimes, no, unmodified };
// Formats of the VM-exit instruction-information field, in the order of the SDM's tables.
enum class InformationFormat : u8 { none, a, b, c, d, e, f, g, h, i };

struct ExitReasonRow {
    ExitReason reason;
    std::string_view name;          // in statistics and scripts
    std::string_view text;          // as the SDM writes it
    ExitTrigger trigger;
    LengthValidity length;
    InformationFormat format;
};

inline constexpr std::array exit_reasons = {
#define VTSIM_EXIT_REASON(identifier, number, text, trigger, length, format) \
    ExitReasonRow{ExitReason::identifier, #identifier, text, ExitTrigger::trigger, LengthValidity::length, InformationFormat::format},
#include "vmx/tables/exit_reasons.def"
#undef VTSIM_EXIT_REASON
};

inline constexpr unsigned exit_reason_limit = 86;      // one above the largest basic exit reason

inline constexpr auto exit_reason_positions = [] {
    std::array<u8, exit_reason_limit> positions{};
    positions.fill(static_cast<u8>(exit_reasons.size()));
    for (unsigned i = 0; i < exit_reasons.size(); ++i) positions[static_cast<u16>(exit_reasons[i].reason)] = static_cast<u8>(i);
    return positions;
}();

// Position in exit_reasons, or exit_reasons.size() for a number that is not a reason.
[[nodiscard]] constexpr unsigned exit_reason_index(u16 number) {
    return number < exit_reason_limit ? exit_reason_positions[number] : static_cast<unsigned>(exit_reasons.size());
}

[[nodiscard]] constexpr std::string_view name_of(ExitReason reason) {
    const auto index = exit_reason_index(static_cast<u16>(reason));
    return index < exit_reasons.size() ? exit_reasons[index].name : "unknown";
}

}  // namespace vtsim::vmx
