// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace vtsim::timing {

// What an instruction costs beside its memory accesses: those are added from its shape (block_timing.h). One row of the table
// [core] instructions = [...] of a timing preset.
struct InstructionCost {
    static constexpr unsigned max_port_groups = 6;
    enum class Fuse : u8 { no, first, second };     // macro-fusion: compare-like first half, conditional jump second half

    // `uops` micro-operations that may execute on any port of `mask`.
    struct Ports {
        u8 mask = 0;
        u8 uops = 0;
    };

    std::string name = "*";             // for people: the row's mnemonics
    u32 latency = 1;                    // cycles from the last source to the result, without the load
    u32 uops = 1;                       // issued (fused domain), without loads and stores
    std::array<Ports, max_port_groups> ports{};       // executed
    u32 busy = 0;                       // cycles that the divider (or another unit that is not pipelined) is taken
    Fuse fuse = Fuse::no;
};

// What an instruction's operands are, as far as its cost depends on it. A move to or from a control or debug register has MOV's mnemonic.
enum class OperandForm : u8 { reg, memory, to_control, from_control };

// The classes of instructions: mnemonic x form x width -> cost. Built once from a preset, read at decode.
class InstructionCosts {
public:
    // A table with one class for everything: 1 micro-operation, 1 cycle.
    InstructionCosts();
    // Throws ConfigError with the row that is wrong.
    static InstructionCosts load(const std::filesystem::path& preset);
    static InstructionCosts parse(std::string_view toml, std::string_view name);

    // The class of an instruction. `mnemonic` is Zydis' number, `width` the operand size in bits (8 to 256).
    // No row of that name: the row without a leading 'v', then the row with the longest fitting "prefix*".
    [[nodiscard]] u16 class_of(u16 mnemonic, OperandForm form, unsigned width) const;
    [[nodiscard]] const InstructionCost& operator[](u16 cost_class) const { return costs_[cost_class]; }
    [[nodiscard]] std::size_t size() const { return costs_.size(); }

private:
    static constexpr unsigned width_count = 6;      // 8, 16, 32, 64, 128, 256 bits
    static constexpr unsigned form_count = 4;
    void fill(u16 mnemonic, const std::vector<struct CostRow>& rows);
    std::vector<InstructionCost> costs_;
    std::vector<std::array<u16, form_count * width_count>> class_by_mnemonic_;
};

}  // namespace vtsim::timing
