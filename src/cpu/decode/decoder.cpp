// SPDX-License-Identifier: Apache-2.0
#include "cpu/decode/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>

#include "cpu/decode/operands.h"
#include "cpu/decode/required_features.h"
#include "cpu/decode/timing_shape.h"
#include "cpu/exec/branch.h"
#include "cpu/exec/pairs.h"
#include "cpu/exec/vector/mmx.h"
#include "cpu/isa/form.h"

namespace vtsim::cpu {
namespace {

using arch::Event;

// ---- micro-ops that are not instructions ---------------------------------------------------------------------------------

// The block goes on elsewhere: page end, or enough instructions.
template <bool timed>
Next go_on(Core& core, const MicroOp& op) {
    return follow<timed>(core, op, link_after(op, 0));
}

Event undefined(Core&, const MicroOp&) { return arch::undefined_opcode; }
Event too_long(Core&, const MicroOp&) { return arch::general_protection(); }
Event device_not_available(Core&, const MicroOp&) { return arch::exception(arch::Vector::nm); }

// An instruction that vtsim does not have: #UD for the guest, its name for the user. `imm` is the mnemonic.
Event missing(Core& core, const MicroOp& op) {
    core.report_missing(op, fmt::format("{} is not there", ZydisMnemonicGetString(static_cast<ZydisMnemonic>(op.imm))));
    return arch::undefined_opcode;
}

// An instruction that this processor does not have. `imm` is the address of the feature's name.
Event not_advertised(Core& core, const MicroOp& op) {
    core.report_missing(op, fmt::format("of features.{} is switched off", std::bit_cast<const char*>(op.imm)));
    return arch::undefined_opcode;
}

// What CR0, CR4 and XCR0 make of an instruction before it does anything. SDM vol. 3, "Emulation Mode and Task Switching" tables; vol. 2, "Instruction Exception
// Specification".
Handler trapped(Needs needs, const DecodeMode& mode) {
    switch (needs) {
        case Needs::sse:
            if (mode.sse_disabled) return &complex_end<undefined>;
            if (mode.task_switched) return &complex_end<device_not_available>;
            return nullptr;
        case Needs::x87:
            if (mode.emulation || mode.task_switched) return &complex_end<device_not_available>;
            return nullptr;
        case Needs::mmx:
            if (mode.emulation) return &complex_end<undefined>;
            if (mode.task_switched) return &complex_end<device_not_available>;
            return nullptr;
        case Needs::wait:
            if (mode.wait_traps) return &complex_end<device_not_available>;
            return nullptr;
        case Needs::avx:
            if (mode.avx_disabled) return &complex_end<undefined>;
            if (mode.task_switched) return &complex_end<device_not_available>;
            return nullptr;
        default: return nullptr;
    }
}

bool uses(const Decoded& decoded, ZydisRegisterClass kind) {
    for (unsigned i = 0; i < decoded.visible(); ++i)
        if (decoded.is_register(i) && ZydisRegisterGetClass(decoded.operand(i).reg.value) == kind) return true;
    return false;
}

// MMX forms share most of their mnemonics, and so their rows, with SSE2.
Needs needs_of(const Decoded& decoded, const Row& row) {
    if (!uses(decoded, ZYDIS_REGCLASS_MMX)) return row.needs;
    return uses(decoded, ZYDIS_REGCLASS_XMM) ? Needs::sse : Needs::mmx;
}
bool build_row(const Decoded& decoded, const Row& row, Built& op) {
    return row.needs != Needs::mmx && uses(decoded, ZYDIS_REGCLASS_MMX) ? exec::build_mmx(decoded, op) : row.build(decoded, op);
}

// Knights Corner, whose VEX forms of POPCNT and the like no other processor has.
bool only_on_knights_corner(const ZydisDecodedInstruction& instruction) {
    return instruction.meta.isa_ext == ZYDIS_ISA_EXT_KNC || instruction.meta.isa_ext == ZYDIS_ISA_EXT_KNCE || instruction.meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

bool is_conditional_branch(const MicroOp& op, Flow flow, const ZydisDecodedInstruction& instruction) {
    return flow == Flow::branch && instruction.meta.category == ZYDIS_CATEGORY_COND_BR && op.aux < 16;
}

// A check of breakpoints stands between instructions.
bool fuses(const Core& core) { return core.params.engine.fusion && !core.decode_mode.breakpoints; }

}  // namespace

bool executes(const Decoded& decoded) {
    if (only_on_knights_corner(decoded.instruction)) return false;
    const Row* row = find_row(decoded.instruction.mnemonic);
    if (row == nullptr) return false;
    Built op{};
    op.length = decoded.instruction.length;
    fill_operands(decoded, op);
    return build_row(decoded, *row, op);
}

Decoders::Decoders(const FeatureParams& features) {
    ZydisDecoderInit(&code16_, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&code32_, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&code64_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    const std::pair<ZydisDecoderMode, bool> modes[] = {{ZYDIS_DECODER_MODE_MPX, false},      {ZYDIS_DECODER_MODE_WBNOINVD, false},       {ZYDIS_DECODER_MODE_CLDEMOTE, false},
                                                       {ZYDIS_DECODER_MODE_CET, false},      {ZYDIS_DECODER_MODE_LZCNT, features.lzcnt}, {ZYDIS_DECODER_MODE_TZCNT, features.bmi1}};
    for (auto* decoder : {&code16_, &code32_, &code64_})
        for (const auto& [mode, on] : modes) ZydisDecoderEnableMode(decoder, mode, on);
}

const ZydisDecoder& Decoders::of(const DecodeMode& mode) const { return mode.code64 ? code64_ : mode.default32 ? code32_ : code16_; }

BlockDecoder::BlockDecoder(const FeatureParams& features) : decoders_(features) { entries_.reserve(max_instructions + 1); }

bool BlockDecoder::append(Core& core, const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, u16 offset) {
    const Decoded decoded{instruction, operands, core.decode_mode};
    Entry entry{};
    Built& op = entry.op;
    op.offset = offset;
    op.length = instruction.length;
    fill_operands(decoded, op);
    const Row* row = find_row(instruction.mnemonic);
    op.flow = row != nullptr ? row->flow : Flow::ends;
    if (core.params.engine.record_forms) ++core.recorded_forms[isa::form_of(instruction, operands)];
    const char* const lacking = lacking_feature(core.params.features, instruction, operands);
    const Handler trap = row != nullptr ? trapped(needs_of(decoded, *row), core.decode_mode) : nullptr;
    if (lacking != nullptr) {
        op.imm = std::bit_cast<u64>(lacking);
        op.handler = &complex_end<not_advertised>;
        op.flow = Flow::ends;
    } else if (trap != nullptr) {
        op.handler = trap;
        op.flow = Flow::ends;
    } else if (row == nullptr || !build_row(decoded, *row, op)) {
        op.imm = static_cast<u64>(instruction.mnemonic);
        op.handler = &complex_end<missing>;
        op.flow = Flow::ends;
        op.without_flags = nullptr;
        op.fuse = nullptr;
    }
    const auto* flags = instruction.cpu_flags;
    const bool touches = flags != nullptr && ((flags->tested | flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & ZYDIS_CPUFLAG_CF) != 0;
    const bool tests = flags != nullptr && flags->tested != 0;
    const bool other = flags != nullptr && ((flags->modified | flags->set_0 | flags->set_1 | flags->undefined) != 0);
    entry.overwrites_flags = op.overwrites_flags && !op.may_leave;
    entry.tests_flags = tests;
    entry.reads_flags = !entry.overwrites_flags && (tests || touches || other);
    if (core.decode_mode.timed) entry.shape = timing_shape(decoded, core.costs, static_cast<u8>(entries_.size()));

    // A pair with the Jcc becomes one dispatch; both micro-ops stay.
    if (fuses(core) && !entries_.empty() && is_conditional_branch(op, op.flow, instruction) && core.decode_mode.code64) {
        auto& before = entries_.back().op;
        if (before.fuse != nullptr)
            if (const Handler fused = before.fuse(before, op, core.decode_mode.timed)) {
                before.handler = fused;
                before.without_flags = nullptr;
                before.simple = Simple::none;
            }
    }
    entries_.push_back(entry);
    return op.flow == Flow::next;
}

void BlockDecoder::append_undefined(u16 offset, u8 length, Handler handler) {
    Entry entry{};
    entry.op.handler = handler;
    entry.op.offset = offset;
    entry.op.length = length;
    entry.op.flow = Flow::ends;
    entry.reads_flags = true;
    entries_.push_back(entry);
}

// A producer of flags is dead when all flags are overwritten before anybody reads them and before anything that may fault or exit.
void BlockDecoder::drop_dead_flags() {
    bool dead = false;
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        auto& op = entry->op;
        if (dead && op.without_flags != nullptr) {
            op.handler = op.without_flags;              // now it does not write them
            op.writes_flags = false;
            dead = !entry->tests_flags;
            continue;
        }
        if (entry->overwrites_flags) dead = true;
        else if (entry->reads_flags || op.may_leave) dead = false;
    }
}

// Neighbours on registers become one dispatch; both micro-ops stay.
void BlockDecoder::fuse_pairs() {
    for (std::size_t i = 0; i + 1 < entries_.size(); ++i) {
        auto& first = entries_[i].op;
        const auto& second = entries_[i + 1].op;
        if (first.simple == Simple::none || second.simple == Simple::none || first.width != second.width) continue;
        const Handler both = first.width == 3 ? exec::pair_handler64(first, first.writes_flags, second, second.writes_flags)
                                              : exec::pair_handler32(first, first.writes_flags, second, second.writes_flags);
        if (both == nullptr) continue;
        first.handler = both;
        ++i;
    }
}

Block* BlockDecoder::finish(Core& core, const Source& source, u16 end_offset, bool crosses) {
    const auto& last = entries_.back().op;
    const bool needs_link = last.flow == Flow::next;
    const auto instructions = static_cast<unsigned>(entries_.size());
    const unsigned each = core.decode_mode.breakpoints ? 2 : 1;         // micro-ops: the check and the instruction
    const unsigned ops = instructions * each + (needs_link ? 1 : 0);
    Block* block = core.blocks.allocate((source.frame | source.offset) | core.mode_bits, ops + 2);
    block->frame = source.frame;
    block->offset = source.offset;
    block->second_frame = crosses ? source.second_frame : Block::no_frame;
    block->count = static_cast<u16>(instructions);
    block->bytes = static_cast<u16>(end_offset - source.offset);
    block->lines = static_cast<u16>(((end_offset - 1) >> timing::line_log2) - (source.offset >> timing::line_log2) + 1);
    block->op_count = static_cast<u16>(ops);
    for (unsigned i = 0; i < instructions; ++i) {
        MicroOp& op = block->ops()[i * each + (each - 1)];
        op = entries_[i].op;
        op.remaining = static_cast<u8>(instructions - i);
        if (each == 2) {
            MicroOp& check = block->ops()[i * each] = MicroOp{};
            check.handler = &check_breakpoints;
            check.offset = op.offset;
            check.remaining = op.remaining;
            check.length = op.length;
        }
    }
    if (needs_link) {
        MicroOp& terminal = block->ops()[ops - 1];
        terminal = MicroOp{};
        terminal.handler = core.decode_mode.code64 ? (core.decode_mode.timed ? &go_on<true> : &go_on<false>) : &enter_at_end;
        terminal.offset = end_offset;
    }
    // Links: the taken and the not taken successor as offsets from the page.
    auto& taken = link_after(block->ops()[ops - 1], 0);
    auto& other = link_after(block->ops()[ops - 1], 1);
    const u64 end = end_offset;
    taken = Link{core.blocks.none(), Link::no_generation, Link::no_generation, needs_link ? end : end + last.imm, 0};
    other = Link{core.blocks.none(), Link::no_generation, Link::no_generation, end, 0};
    if (core.mode() == Mode::timing) {
        shapes_.clear();
        for (const auto& entry : entries_) shapes_.push_back(entry.shape);
        core.attach_timing(*block, shapes_);
    }
    core.blocks.insert(block);
    return block;
}

BlockDecoder::Result BlockDecoder::decode(Core& core, const Source& source, Block*& block) {
    entries_.clear();
    u8 joined[32];
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const auto& decoder = decoders_.of(core.decode_mode);
    unsigned at = 0;
    bool crosses = false;
    const unsigned limit = core.decode_mode.single_step ? 1 : max_instructions;
    while (entries_.size() < limit && at < source.available) {
        const auto offset = static_cast<u16>(source.offset + at);
        const u8* bytes = source.bytes + at;
        unsigned available = source.available - at;
        auto status = ZydisDecoderDecodeFull(&decoder, bytes, available, &instruction, operands);
        if (status == ZYDIS_STATUS_NO_MORE_DATA && available < ZYDIS_MAX_INSTRUCTION_LENGTH) {
            if (!entries_.empty()) break;
            if (source.second == nullptr) return Result::needs_second_page;
            std::copy_n(bytes, available, joined);
            std::copy_n(source.second, ZYDIS_MAX_INSTRUCTION_LENGTH, joined + available);
            status = ZydisDecoderDecodeFull(&decoder, joined, available + ZYDIS_MAX_INSTRUCTION_LENGTH, &instruction, operands);
            crosses = true;
        }
        if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) {
            append_undefined(offset, 1, &complex_end<too_long>);
            at += 1;
            break;
        }
        if (!ZYAN_SUCCESS(status) || only_on_knights_corner(instruction)) {
            append_undefined(offset, 1, &complex_end<undefined>);
            at += 1;
            break;
        }
        at += instruction.length;
        const bool goes_on = append(core, instruction, operands, offset);
        if (!goes_on || crosses) break;
    }
    if (!core.decode_mode.breakpoints) drop_dead_flags();          // before a check nothing is dead
    if (fuses(core)) fuse_pairs();
    block = finish(core, source, static_cast<u16>(source.offset + at), crosses);
    return Result::done;
}

std::string BlockDecoder::disassemble(const DecodeMode& mode, const u8* bytes, unsigned available, u64 rip) const {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders_.of(mode), bytes, available, &instruction, operands))) return "(undefined)";
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    char text[160];
    ZydisFormatterFormatInstruction(&formatter, &instruction, operands, instruction.operand_count_visible, text, sizeof text, rip, nullptr);
    return text;
}

}  // namespace vtsim::cpu
