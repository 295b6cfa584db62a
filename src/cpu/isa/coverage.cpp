// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa/coverage.h"

#include <map>
#include <utility>

#include "cpu/core.h"
#include "cpu/decode/decoder.h"
#include "cpu/decode/required_features.h"
#include "cpu/isa/encoding.h"
#include "cpu/isa/form.h"

namespace vtsim::cpu::isa {
namespace {

// EMMS to PXOR: XED's set of the MMX instructions holds no other.
std::string extension_of(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
    std::string text;
    for (const auto& feature : instruction_set(instruction).features) text += (text.empty() ? "" : "+") + std::string{feature.name};
    if (requires_mmx(instruction, operands)) text += text.empty() ? "mmx" : "+mmx";
    return text.empty() ? "base" : text;
}

}  // namespace

std::vector<InstructionForm> instruction_forms(const FeatureParams& features) {
    std::map<std::pair<std::string, std::string>, InstructionForm> forms;
    const Decoders decoders{every_feature()};
    struct Width {
        CodeWidth bit;
        DecodeMode mode;
    };
    const Width widths[] = {{code16, {}}, {code32, {.default32 = true, .stack32 = true}}, {code64, {.code64 = true}}};
    for (const auto& [bit, mode] : widths) {
        for_each_encoding(decoders.of(mode), [&, bit = bit, &mode = mode](const Encoding&, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
            if (!instruction_set(instruction).known) return;
            auto extension = extension_of(instruction, operands);
            auto& form = forms[{extension, form_of(instruction, operands)}];
            if (form.widths == 0) {
                form.text = form_of(instruction, operands);
                form.mnemonic = ZydisMnemonicGetString(instruction.mnemonic);
                form.extension = std::move(extension);
                form.advertised = lacking_feature(features, instruction, operands) == nullptr;
            }
            form.widths |= bit;
            if (executes({instruction, operands, mode})) form.implemented |= bit;
        });
    }
    std::vector<InstructionForm> result;
    result.reserve(forms.size());
    for (auto& [key, form] : forms) result.push_back(std::move(form));
    return result;
}

}  // namespace vtsim::cpu::isa
