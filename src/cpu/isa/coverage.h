// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <string>
#include <vector>

#include "cpu/features.h"

namespace vtsim::cpu::isa {

// Code widths, as bits.
enum CodeWidth : u8 { code16 = 1, code32 = 2, code64 = 4 };

// One form (form.h) of an instruction that vtsim knows.
struct InstructionForm {
    std::string text;
    std::string mnemonic;
    std::string extension;      // the preset's name of its feature, or features, as "avx+aes"; "base" for what every 64-bit processor has
    u8 widths = 0;              // where it exists: CodeWidth
    u8 implemented = 0;         // where the engine executes it
    bool advertised = false;    // the processor has its features
};

// All of them, in the order of their extensions and texts: enumerated with Zydis' decoder, not kept in a list of our own. Takes about two seconds.
[[nodiscard]] std::vector<InstructionForm> instruction_forms(const FeatureParams& features);

}  // namespace vtsim::cpu::isa
