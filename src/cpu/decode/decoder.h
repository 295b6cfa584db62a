// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <vector>

#include "cpu/decode/opcode_table.h"
#include "timing/core_model.h"

namespace vtsim::cpu {

// Zydis' decoders for the three code widths, set to what a processor with these features executes: where it lacks CET, MPX, WBNOINVD, CLDEMOTE, LZCNT or TZCNT, their
// opcodes are the older instructions (NOP, WBINVD, BSR, BSF).
class Decoders {
public:
    explicit Decoders(const FeatureParams& features);
    [[nodiscard]] const ZydisDecoder& of(const DecodeMode& mode) const;

private:
    ZydisDecoder code16_, code32_, code64_;
};

// Whether the engine has this form, whatever the processor advertises; what is undefined on all processors by its name (UD2) counts as there.
[[nodiscard]] bool executes(const Decoded& decoded);

// Makes blocks of micro-ops from bytes. Stateless but for scratch space; one per core.
class BlockDecoder {
public:
    static constexpr unsigned max_instructions = 48;      // of a block; bounds how late an interrupt is seen

    explicit BlockDecoder(const FeatureParams& features);

    struct Source {
        const u8* bytes;            // from the first instruction to the end of its page
        unsigned available;         // how many
        const u8* second;           // the beginning of the next page, or nullptr when it is not known
        u64 frame, second_frame;    // physical addresses of the pages
        u16 offset;                 // of the first instruction in its page
    };
    enum class Result : u8 { done, needs_second_page };

    // Decodes at `source` for the core's mode and puts the block into the core's block cache.
    Result decode(Core& core, const Source& source, Block*& block);

    // One instruction as text, for logs and dumps.
    [[nodiscard]] std::string disassemble(const DecodeMode& mode, const u8* bytes, unsigned available, u64 rip) const;

private:
    struct Entry {
        Built op;
        bool reads_flags;           // or changes only some of them: what came before must be right
        bool tests_flags;           // needs some of them even when its own are dead
        bool overwrites_flags;
        timing::InstructionShape shape;
    };
    bool append(Core& core, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, u16 offset);
    void append_undefined(u16 offset, u8 length, Handler handler);
    void drop_dead_flags();
    void fuse_pairs();
    Block* finish(Core& core, const Source& source, u16 end_offset, bool crosses);

    Decoders decoders_;
    std::vector<Entry> entries_;
    std::vector<timing::InstructionShape> shapes_;
};

}  // namespace vtsim::cpu
