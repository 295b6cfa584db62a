// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "differential/encodings.h"
#include "differential/random.h"

namespace vtsim::differential {

struct Choice {
    unsigned longest = 1;                            // instructions in a case
    std::optional<ZydisMnemonic> only;
    bool integer = true, string = true, sse = true, x87 = true, avx = true;
    bool bases = true;                               // FSGSBASE, and operands in FS and GS
};

// A few instructions and the state they start from. Memory operands lie in the data area for the most part.
struct Case {
    std::vector<u8> code;
    Registers start;
    struct Instruction {
        u64 offset;                                  // in the code
        ZydisMnemonic mnemonic;
        u64 undefined_before;                        // flags that are undefined when it starts
    };
    std::vector<Instruction> instructions;
    u64 undefined_after = 0;
    bool zero_source_undefined = false;              // BSF, BSR: the destination is undefined for a zero
    bool compares_to_flags = false;                  // FCOMI and its relatives
    struct Mask {
        unsigned number;                             // of the vector register
        unsigned element;                            // bytes of one of its elements
    };
    std::optional<Mask> gather_mask;                 // a gather, alone in its case
    bool transcendental = false;                     // FSIN and its relatives: alone in its case, as its results are compared roughly
};

class Generator {
public:
    Generator(u64 seed, const Choice& choice);
    Case make(Data& data);                           // changes parts of the data
    [[nodiscard]] const std::vector<ZydisMnemonic>& chosen() const { return mnemonics_; }

private:
    struct Draft;                                    // an instruction that is being made
    void append(Case& c, Data& data);
    bool draft(Draft& d);
    bool acceptable(const Draft& d) const;
    bool place_operands(Draft& d, Data& data);
    bool place_memory(Draft& d, const ZydisDecodedOperand& operand, Data& data);
    bool in_reach(const ZydisDecodedOperand& operand) const;
    bool place_gather(Draft& d, const ZydisDecodedOperand& operand);
    u64 target(unsigned bytes);
    std::optional<u64> base_of(const ZydisDecodedOperand& operand) const;      // of the operand's segment; none: an instruction has changed it
    u64 random_base();
    bool place_base(const Draft& d);
    void account_base(const Draft& d);
    u64 claim(unsigned number, u64 value);
    void claim_special(const Draft& d);
    void account_flags(Case& c, const Draft& d);
    void start_state(Case& c);

    Random random_;
    Choice choice_;
    std::vector<ZydisMnemonic> mnemonics_;
    std::map<ZydisMnemonic, std::vector<std::vector<Encoding>>> forms_;      // the encodings of each form
    std::array<u64, 16> gpr_{};
    std::array<u64, 2> start_bases_{};               // of FS and GS
    std::array<std::optional<u64>, 2> bases_{};      // before the next instruction, where that is known
    u32 claimed_ = 0, written_ = 0;                  // registers whose start value is fixed; that an instruction has changed
    struct Gather {
        unsigned index;                              // number of the register with the indices
        bool wide;                                   // of 64 bits
        u64 limit;                                   // below which they are, if they are not to fault
    };
    std::optional<Gather> gather_;
    u64 undefined_ = 0;
    std::optional<u64> branch_;                      // where the displacement of a branch over the next instruction goes
    unsigned branch_bytes_ = 0;
};

}  // namespace vtsim::differential
