// SPDX-License-Identifier: Apache-2.0
// Segment registers: MOV, PUSH, POP, LDS and relatives.
#include "cpu/exec/segment_load.h"

#include "cpu/exec/build.h"
#include "cpu/exec/far_rows.h"
#include "cpu/exec/integer_rows.h"

namespace vtsim::cpu {

using arch::Event;
using arch::Outcome;
using arch::Vector;

Event load_segment(Core& core, arch::SegmentRegister number, u16 value) {
    if (!core.s.protected_mode() || core.s.virtual8086()) {
        load_real_segment(core, number, value);
        core.segments_changed();
        return {};
    }
    auto& segment = core.s.segment[number];
    if (selector::null(value)) {
        // A null selector is fine for data segments; for SS in 64-bit mode below CPL 3 with RPL = CPL.
        if (number == arch::ss && (!core.code64() || core.s.cpl == 3 || (value & 3) != core.s.cpl)) return arch::general_protection();
        segment = arch::Segment{};               // base 0 as well: what Intel processors do
        segment.selector = value;
        if (number == arch::ss) segment.rights = arch::Segment::unusable_bit | static_cast<u32>(core.s.cpl << 5);
        core.segments_changed();
        return {};
    }
    const auto found = read_descriptor(core, value);
    if (!found) return found.event;
    auto descriptor = found.value;
    const u32 error = selector::error_code(value);
    const unsigned rpl = value & 3;
    if (number == arch::ss) {
        if (rpl != core.s.cpl || !descriptor.writable_data() || descriptor.dpl() != core.s.cpl) return arch::general_protection(error);
        if (!descriptor.present()) return arch::exception(Vector::ss, error);
    } else {
        if (!descriptor.is_code_or_data() || !descriptor.readable()) return arch::general_protection(error);
        if (!descriptor.conforming() && (rpl > descriptor.dpl() || core.s.cpl > descriptor.dpl())) return arch::general_protection(error);
        if (!descriptor.present()) return arch::exception(Vector::np, error);
    }
    if (const auto event = mark_accessed(core, value, descriptor)) return event;
    segment = descriptor.segment(value);
    core.segments_changed();
    return {};
}

void drop_inner_segments(Core& core, unsigned cpl) {
    for (auto number : {arch::es, arch::ds, arch::fs, arch::gs}) {
        auto& segment = core.s.segment[number];
        if (segment.unusable() || (segment.is_code() && segment.conforming())) continue;
        if (segment.dpl() >= cpl) continue;
        const u64 base = core.s.long_mode_active() ? segment.base : 0;           // FS.base and GS.base stay: they are MSRs
        segment = arch::Segment{};
        segment.base = base;
    }
}

arch::Segment flat_code(u16 value, unsigned dpl, bool long_mode) {
    return {0, 0xffff'ffff, static_cast<u32>(0x8b | 0x10 | dpl << 5 | 0x8000 | (long_mode ? 0x2000 : 0x4000)), value};
}
arch::Segment flat_stack(u16 value, unsigned dpl) { return {0, 0xffff'ffff, static_cast<u32>(0x83 | 0x10 | dpl << 5 | 0xc000), value}; }

namespace exec {
namespace {

// MOV Sreg, r/m16.
Event mov_to_segment(Core& core, const MicroOp& op) {
    u16 value;
    if (op.memory()) {
        const auto loaded = core.read<u16>(op);
        if (!loaded) return loaded.event;
        value = loaded.value;
    } else {
        value = core.reg<u16>(op.src);
    }
    const auto number = static_cast<arch::SegmentRegister>(op.dst);
    if (const auto event = load_segment(core, number, value)) return event;
    if (number == arch::ss) {
        core.s.blocked_by_mov_ss = true;
        core.inhibit_interrupts_once();
    }
    return {};
}

// MOV r/m, Sreg: 16 bits to memory; a register gets the selector zero-extended to the operand size.
Event mov_from_segment(Core& core, const MicroOp& op) {
    const u16 value = core.s.segment[op.src].selector;
    if (op.memory()) return core.write<u16>(op, value);
    core.set_reg_sized(op.dst, op.width, value);
    return {};
}

template <class T>
struct PushSegment {
    static Event run(Core& core, const MicroOp& op) { return core.push<T>(static_cast<T>(core.s.segment[op.dst].selector)); }
};

template <class T>
struct PopSegment {
    static Event run(Core& core, const MicroOp& op) {
        const u64 rsp = core.s.gpr[arch::rsp];
        const auto value = core.pop<T>();
        if (!value) return value.event;
        const auto number = static_cast<arch::SegmentRegister>(op.dst);
        if (const auto event = load_segment(core, number, static_cast<u16>(value.value))) {
            core.s.gpr[arch::rsp] = rsp;
            return event;
        }
        if (number == arch::ss) {
            core.s.blocked_by_mov_ss = true;
            core.inhibit_interrupts_once();
        }
        return {};
    }
};

// LDS, LES, LFS, LGS, LSS: offset first, selector behind it.
template <arch::SegmentRegister number, class T>
Event load_far_pointer(Core& core, const MicroOp& op) {
    const u64 address = core.effective_address(op);
    const auto offset = core.read<T>(op.segment(), address);
    if (!offset) return offset.event;
    const auto value = core.read<u16>(op.segment(), address + sizeof(T));
    if (!value) return value.event;
    if (const auto event = load_segment(core, number, value.value)) return event;
    core.set_reg<T>(op.dst, offset.value);
    return {};
}

template <arch::SegmentRegister number>
bool build_load_far_pointer(const Decoded& decoded, Built& op) {
    op.flow = Flow::ends;
    switch (op.width) {
        case 1: return build_body<load_far_pointer<number, u16>, Flow::ends>(decoded, op);
        case 2: return build_body<load_far_pointer<number, u32>, Flow::ends>(decoded, op);
        default: return build_body<load_far_pointer<number, u64>, Flow::ends>(decoded, op);
    }
}

unsigned stack_width(const Decoded& decoded) { return decoded.instruction.operand_width == 16 ? 1 : decoded.instruction.operand_width == 32 ? 2 : 3; }

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_LDS, &build_load_far_pointer<arch::ds>},
    {ZYDIS_MNEMONIC_LES, &build_load_far_pointer<arch::es>},
    {ZYDIS_MNEMONIC_LFS, &build_load_far_pointer<arch::fs>},
    {ZYDIS_MNEMONIC_LGS, &build_load_far_pointer<arch::gs>},
    {ZYDIS_MNEMONIC_LSS, &build_load_far_pointer<arch::ss>},
};

}  // namespace

bool build_mov_segment(const Decoded& decoded, Built& op) {
    if (decoded.is_register(0) && ZydisRegisterGetClass(decoded.operand(0).reg.value) == ZYDIS_REGCLASS_SEGMENT) {
        if (op.dst == arch::cs) return build_undefined(op);
        op.flow = Flow::ends;
        return build_body<mov_to_segment, Flow::ends>(decoded, op);
    }
    return build_body<mov_from_segment, Flow::next>(decoded, op);
}

bool build_push_segment(const Decoded& decoded, Built& op) {
    op.width = static_cast<u8>(stack_width(decoded));
    return build_sized<PushSegment, Flow::next>(decoded, op);
}

bool build_pop_segment(const Decoded& decoded, Built& op) {
    op.width = static_cast<u8>(stack_width(decoded));
    op.flow = Flow::ends;
    return build_sized<PopSegment, Flow::ends>(decoded, op);
}

std::span<const Row> segment_rows() { return rows; }

}  // namespace exec
}  // namespace vtsim::cpu
