// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>

#include "differential/mnemonics.h"
#include "unicorn/scene.h"

namespace vtsim::unicorn {

// One instruction, or one external interrupt, and the state it meets.
struct Case {
    World world{};
    CodeSize size{};
    std::optional<u8> interrupt;                       // instead of an instruction
    std::vector<u8> code;
    u64 linear = 0;                                    // of the code
    arch::State start;
    Port port;
    ZydisDecodedInstruction instruction{};
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT] = {};
    u64 undefined = 0;                                 // flags

    [[nodiscard]] ZydisMnemonic mnemonic() const { return instruction.mnemonic; }
    [[nodiscard]] bool interrupt_return() const;
    [[nodiscard]] bool far() const { return instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || interrupt_return(); }
    [[nodiscard]] bool repeated() const { return (instruction.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0; }
    [[nodiscard]] bool branches() const;
    [[nodiscard]] const char* name() const { return interrupt ? "interrupt" : ZydisMnemonicGetString(mnemonic()); }
};

// What a memory operand comes to.
struct Place {
    arch::SegmentRegister segment;
    u64 offset;
};
[[nodiscard]] Place place_of(const Case& c, const ZydisDecodedOperand& operand);
[[nodiscard]] u64 linear_of(const arch::State& s, const Place& place);
[[nodiscard]] inline bool is_memory(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && (operand.mem.type == ZYDIS_MEMOP_TYPE_MEM || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN);
}
[[nodiscard]] int gpr_number(ZydisRegister reg);
[[nodiscard]] u64 stack_mask(const arch::State& s);

class Generator {
public:
    Generator(u64 seed, World world, std::optional<ZydisMnemonic> only, Memories& memories);
    Case make();
    [[nodiscard]] const std::set<ZydisMnemonic>& chosen() const { return chosen_; }

private:
    // An encoding with its class, to choose by.
    struct Form {
        differential::Encoding encoding;
        ZydisMnemonic mnemonic;
    };
    using Forms = std::vector<std::vector<Form>>;      // a list a mnemonic
    struct Choice {
        Forms integer, string, legacy, io, system;
        std::vector<Form> segments;                    // loads of segment registers and far transfers
    };
    void collect(CodeSize size, std::optional<ZydisMnemonic> only);
    const Form* choose(const Choice& choice);
    bool draft(Case& c);
    void place(Case& c, const ZydisDecodedOperand& operand);
    void fill(Case& c);
    void fill_selectors(Case& c);
    void fill_stack(Case& c);
    void special(Case& c);
    u64 control_value(const arch::State& s, ZydisRegister reg);
    void write_pointer(u64 linear, unsigned offset_bytes, u64 offset, u16 selector);
    u64 target_offset(const Case& c);

    Random random_;
    World world_;
    Memories& memories_;
    Scene scene_;
    std::array<Choice, 4> choices_;
    std::set<ZydisMnemonic> chosen_;
    u32 claimed_ = 0;
    bool interrupts_ = true;
};

}  // namespace vtsim::unicorn
