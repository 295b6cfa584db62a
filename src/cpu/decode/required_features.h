// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "cpu/features.h"

namespace vtsim::cpu {

// One switch of FeatureParams, by the name that a preset gives it.
struct FeatureSwitch {
    bool FeatureParams::*value;
    const char* name;
};

// The extension of the instruction set that an instruction belongs to.
struct InstructionSet {
    bool known = false;                             // to vtsim: every form of it is there
    std::span<const FeatureSwitch> features;        // its column "CPUID Feature Flag" in SDM vol. 2; empty for what every 64-bit processor has
};
[[nodiscard]] const InstructionSet& instruction_set(const ZydisDecodedInstruction& instruction);

// Whether a form reads or writes MMX registers; it asks for the feature `mmx` beside those of its set. The operands are all of the instruction's, hidden ones too.
[[nodiscard]] bool requires_mmx(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands);

// The name of the first required feature that `features` lacks: the instruction raises #UD. nullptr when it has them all.
[[nodiscard]] const char* lacking_feature(const FeatureParams& features, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands);

}  // namespace vtsim::cpu
