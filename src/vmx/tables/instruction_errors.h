// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/types.h"

namespace vtsim::vmx {

enum class InstructionError : u8 {
#define VTSIM_INSTRUCTION_ERROR(identifier, number, text) identifier = number,
#include "vmx/tables/instruction_errors.def"
#undef VTSIM_INSTRUCTION_ERROR
};

struct InstructionErrorRow {
    InstructionError error;
    std::string_view text;       // as the SDM writes it
};

inline constexpr std::array instruction_errors = {
#define VTSIM_INSTRUCTION_ERROR(identifier, number, text) InstructionErrorRow{InstructionError::identifier, text},
#include "vmx/tables/instruction_errors.def"
#undef VTSIM_INSTRUCTION_ERROR
};

}  // namespace vtsim::vmx
