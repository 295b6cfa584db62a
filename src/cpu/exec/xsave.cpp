// SPDX-License-Identifier: Apache-2.0
// Extended states: XCR0, the XSAVE family, PKRU. SDM vol. 1, "Managing State Using the XSAVE Feature Set"; vol. 2, the instruction of each name. The modified
// optimization, which a processor need not have, is left out: every state component counts as modified since the last XRSTOR.
#include "cpu/exec/xsave.h"

#include "cpu/exec/exit_operands.h"
#include "cpu/exec/vector/move.h"
#include "cpu/exec/x87.h"
#include "cpu/state_components.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
namespace component = arch::xcr0;

constexpr u32 initial_mxcsr = 0x1f80;
constexpr u64 compacted = bit(63);                                 // of XCOMP_BV
constexpr u32 mxcsr_offset = offsetof(FxsaveArea, mxcsr), stack_offset = offsetof(FxsaveArea, st), xmm_offset = offsetof(FxsaveArea, xmm);

u64 edx_eax(const Core& core) { return core.s.gpr[arch::rdx] << 32 | static_cast<u32>(core.s.gpr[arch::rax]); }

void set_edx_eax(Core& core, u64 value) {
    core.s.gpr[arch::rax] = static_cast<u32>(value);
    core.s.gpr[arch::rdx] = value >> 32;
}

bool enabled(const Core& core) { return (core.s.cr4 & arch::cr4::osxsave) != 0; }

// Vector registers that there are in this mode.
unsigned vector_registers(const Core& core) { return core.code64() ? 16 : 8; }

bool in_use(const arch::X87State& x87) {
    const arch::X87State initial;
    return x87.control != initial.control || x87.status != 0 || x87.valid != 0 || x87.opcode != 0 || x87.instruction_pointer != 0 || x87.data_pointer != 0 ||
           std::memcmp(x87.reg, initial.reg, sizeof x87.reg) != 0;
}

// ---- XCR0 ---------------------------------------------------------------------------------------------------------------------

Event xgetbv(Core& core, const MicroOp&) {
    if (!enabled(core)) return arch::undefined_opcode;
    const auto number = static_cast<u32>(core.s.gpr[arch::rcx]);
    if (number > 1 || (number == 1 && !core.params.features.xgetbv1)) return arch::general_protection();
    u64 value = core.s.xcr0;
    if (number == 1) value &= state_in_use(core) | (core.s.mxcsr != initial_mxcsr ? component::sse : 0);
    set_edx_eax(core, value);
    return {};
}

bool xcr0_allowed(const FeatureParams& features, u64 value) {
    if ((value & component::x87) == 0 || (value & ~xcr0_supported(features)) != 0) return false;
    return (value & component::avx) == 0 || (value & component::sse) != 0;
}

// Faults by privilege come before the VM exit. SDM vol. 3, "Relative Priority of Faults and VM Exits".
Event xsetbv(Core& core, const MicroOp&) {
    if (!enabled(core)) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->non_root()) return exit_with(core, vmx::ExitReason::xsetbv);
    if (static_cast<u32>(core.s.gpr[arch::rcx]) != 0 || !xcr0_allowed(core.params.features, edx_eax(core))) return arch::general_protection();
    core.s.xcr0 = edx_eax(core);
    core.context_changed();
    return {};
}

// ---- PKRU ---------------------------------------------------------------------------------------------------------------------

Event rdpkru(Core& core, const MicroOp&) {
    if ((core.s.cr4 & arch::cr4::pke) == 0) return arch::undefined_opcode;
    if (static_cast<u32>(core.s.gpr[arch::rcx]) != 0) return arch::general_protection();
    set_edx_eax(core, core.s.pkru);
    return {};
}

Event wrpkru(Core& core, const MicroOp&) {
    if ((core.s.cr4 & arch::cr4::pke) == 0) return arch::undefined_opcode;
    if (static_cast<u32>(core.s.gpr[arch::rcx]) != 0 || static_cast<u32>(core.s.gpr[arch::rdx]) != 0) return arch::general_protection();
    core.s.pkru = static_cast<u32>(core.s.gpr[arch::rax]);
    core.context_changed();
    return {};
}

// ---- the instructions -----------------------------------------------------------------------------------------------------------

struct Header {
    u64 xstate_bv, xcomp_bv, reserved[6];
};
static_assert(sizeof(Header) == extended_region_offset - xsave_header_offset);

enum class Kind : u8 { save, optimized, compacting, supervisor };

// What comes before any look at the area. XSAVES and XRSTORS: SDM vol. 3, "Changes to Instruction Behavior in VMX Non-Root Operation" and, for their VM exits,
// "Instructions That Cause VM Exits Conditionally".
Event vet(Core& core, const MicroOp& op, Kind kind, vmx::ExitReason reason) {
    if (!enabled(core)) return arch::undefined_opcode;
    if (kind == Kind::supervisor) {
        if (core.vmx->non_root() && !core.vmx->intercepts.xsaves_enabled) return arch::undefined_opcode;
        if (core.s.cpl != 0) return arch::general_protection();
        if (core.vmx->non_root() && (edx_eax(core) & core.s.xss & core.vmx->intercepts.xss_bitmap) != 0) return exit_with_operands(core, op, reason, operand_info(op));
    }
    return core.decode_mode.task_switched ? arch::exception(arch::Vector::nm) : Event{};
}

arch::Outcome<u64> area_address(Core& core, const MicroOp& op, u32 bytes, bool write) {
    const auto linear = core.linear(op, bytes, write);
    if (linear && (linear.value & 63) != 0) return arch::general_protection();
    return linear;
}

// State components that the instruction is asked for: the requested-feature bitmap (RFBM).
u64 requested(const Core& core, Kind kind) { return edx_eax(core) & (core.s.xcr0 | (kind == Kind::supervisor ? core.s.xss : 0)); }

// ---- saving -----------------------------------------------------------------------------------------------------------------------

// An area on its way to memory: the bytes that the instruction writes, in ascending order, neighbours joined.
class Image {
public:
    void add(u32 offset, const void* from, u32 size) {
        std::memcpy(bytes_.data() + offset, from, size);
        if (count_ != 0 && runs_[count_ - 1].end == offset) runs_[count_ - 1].end += size;
        else runs_[count_++] = {offset, offset + size};
    }
    [[nodiscard]] Event write(Core& core, u64 linear) const {
        for (unsigned i = 0; i < count_; ++i)
            if (const auto event = core.write_bytes(linear + runs_[i].begin, bytes_.data() + runs_[i].begin, runs_[i].end - runs_[i].begin, core.access(arch::AccessKind::store))) return event;
        return {};
    }

private:
    struct Run {
        u32 begin, end;
    };
    std::array<u8, largest_xsave_area> bytes_;
    std::array<Run, 8> runs_;
    unsigned count_ = 0;
};

// x87 and SSE state. MXCSR and its mask, between the parts of the x87 state, are asked for on their own.
void add_legacy(const Core& core, Image& image, u64 saved, bool mxcsr, bool wide) {
    FxsaveArea area{};
    area.mxcsr = core.s.mxcsr;
    area.mxcsr_mask = mxcsr_mask;
    if ((saved & component::x87) != 0) {
        x87::save(core.s.x87, area, wide);
        image.add(0, &area, mxcsr_offset);
    }
    if (mxcsr) image.add(mxcsr_offset, &area.mxcsr, 8);
    if ((saved & component::x87) != 0) image.add(stack_offset, area.st, sizeof area.st);
    if ((saved & component::sse) == 0) return;
    for (u32 i = 0; i < vector_registers(core); ++i) image.add(xmm_offset + 16 * i, &core.s.vector[i], 16);
}

void add_component(const Core& core, Image& image, unsigned number, u32 offset) {
    if (bit(number) == component::avx) {
        for (u32 i = 0; i < vector_registers(core); ++i) image.add(offset + 16 * i, &core.s.vector[i].x[1], 16);
    } else {
        const u64 pkru = core.s.pkru;
        image.add(offset, &pkru, sizeof pkru);
    }
}

// XSAVE and XSAVEOPT: the standard format. Components that are not asked for keep their bit of XSTATE_BV.
Event save_standard(Core& core, u64 linear, u64 asked, u64 saved, u64 used, bool wide) {
    const auto old = core.read_linear<u64>(linear + xsave_header_offset);
    if (!old) return old.event;
    const u64 xstate_bv = (old.value & ~asked) | (used & asked);
    Image image;
    add_legacy(core, image, saved, (asked & (component::sse | component::avx)) != 0, wide);
    image.add(xsave_header_offset, &xstate_bv, sizeof xstate_bv);
    for (const auto& row : extended_components)
        if ((saved & bit(row.number)) != 0) add_component(core, image, row.number, row.offset);
    return image.write(core, linear);
}

// XSAVEC and XSAVES: the compacted format, with room for every component that is asked for.
Event save_compacted(Core& core, u64 linear, u64 asked, u64 saved, bool wide) {
    const u64 words[] = {saved, asked | compacted};
    Image image;
    add_legacy(core, image, saved, (saved & component::sse) != 0, wide);
    image.add(xsave_header_offset, words, sizeof words);
    u32 offset = extended_region_offset;
    for (const auto& row : extended_components) {
        if ((saved & bit(row.number)) != 0) add_component(core, image, row.number, offset);
        if ((asked & bit(row.number)) != 0) offset += row.size;
    }
    return image.write(core, linear);
}

template <Kind kind, bool wide>
Event xsave(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, kind, vmx::ExitReason::xsaves)) return event;
    const u64 asked = requested(core, kind);
    constexpr bool standard = kind == Kind::save || kind == Kind::optimized;
    const auto linear = area_address(core, op, standard ? standard_area_size(asked) : compacted_area_size(asked), true);
    if (!linear) return linear.event;
    u64 used = state_in_use(core);
    if constexpr (standard) return save_standard(core, linear.value, asked, kind == Kind::save ? asked : asked & used, used, wide);
    if (core.s.mxcsr != initial_mxcsr) used |= component::sse;
    return save_compacted(core, linear.value, asked, asked & used, wide);
}

// ---- restoring ------------------------------------------------------------------------------------------------------------------------

// #GP(0) for a header that does not fit. `components` are those that may be there.
bool header_allowed(const Header& header, bool compact, u64 components) {
    const auto zero = [](u64 word) { return word == 0; };
    if (!compact) return (header.xstate_bv & ~components) == 0 && header.xcomp_bv == 0 && header.reserved[0] == 0;
    return (header.xcomp_bv & ~(components | compacted)) == 0 && (header.xstate_bv & ~(header.xcomp_bv & ~compacted)) == 0 &&
           std::all_of(std::begin(header.reserved), std::end(header.reserved), zero);
}

// Everything that an XRSTOR reads, before any of it becomes state.
struct Loaded {
    FxsaveArea legacy;
    std::array<u128, 16> upper;
    u32 pkru;
};

Event load(Core& core, u64 linear, void* to, u32 bytes) { return core.read_bytes(linear, to, bytes, core.access(arch::AccessKind::load)); }

Event load_legacy(Core& core, u64 linear, u64 restored, bool mxcsr, Loaded& to) {
    auto* const area = reinterpret_cast<u8*>(&to.legacy);
    if ((restored & component::x87) != 0)
        if (const auto event = load(core, linear, area, xmm_offset)) return event;
    if (mxcsr) {
        if (const auto event = load(core, linear + mxcsr_offset, &to.legacy.mxcsr, sizeof to.legacy.mxcsr)) return event;
        if ((to.legacy.mxcsr & ~mxcsr_mask) != 0) return arch::general_protection();
    }
    if ((restored & component::sse) == 0) return {};
    return load(core, linear + xmm_offset, to.legacy.xmm, 16 * vector_registers(core));
}

Event load_extended(Core& core, u64 linear, u64 restored, const Header& header, bool compact, Loaded& to) {
    u32 offset = extended_region_offset;
    for (const auto& row : extended_components) {
        const u64 place = linear + (compact ? offset : row.offset);
        if ((header.xcomp_bv & bit(row.number)) != 0) offset += row.size;
        if ((restored & bit(row.number)) == 0) continue;
        const bool avx = bit(row.number) == component::avx;
        if (const auto event = avx ? load(core, place, to.upper.data(), 16 * vector_registers(core)) : load(core, place, &to.pkru, sizeof to.pkru)) return event;
    }
    return {};
}

// Each component that is asked for gets what was loaded, or its initial configuration.
void commit(Core& core, u64 asked, u64 restored, const Loaded& from, bool wide) {
    if ((restored & component::x87) != 0) x87::restore(core.s.x87, from.legacy, wide);
    else if ((asked & component::x87) != 0) core.s.x87 = {};
    static constexpr u8 zero[16] = {};
    for (unsigned i = 0; i < vector_registers(core); ++i) {
        if ((asked & component::sse) != 0) std::memcpy(&core.s.vector[i].x[0], (restored & component::sse) != 0 ? from.legacy.xmm[i] : zero, 16);
        if ((asked & component::avx) != 0) core.s.vector[i].x[1] = (restored & component::avx) != 0 ? from.upper[i] : 0;
    }
    if ((asked & component::pkru) == 0) return;
    core.s.pkru = (restored & component::pkru) != 0 ? from.pkru : 0;
    core.context_changed();
}

template <Kind kind, bool wide>
Event xrstor(Core& core, const MicroOp& op) {
    if (const auto event = vet(core, op, kind, vmx::ExitReason::xrstors)) return event;
    const auto linear = area_address(core, op, extended_region_offset, false);
    if (!linear) return linear.event;
    Header header;
    if (const auto event = load(core, linear.value + xsave_header_offset, &header, sizeof header)) return event;

    const bool compact = (header.xcomp_bv & compacted) != 0 && (kind == Kind::supervisor || core.params.features.xsavec);
    const u64 components = core.s.xcr0 | (kind == Kind::supervisor ? core.s.xss : 0);
    if ((kind == Kind::supervisor && !compact) || !header_allowed(header, compact, components)) return arch::general_protection();
    const u64 asked = requested(core, kind), restored = asked & header.xstate_bv;
    const u32 size = compact ? compacted_area_size(header.xcomp_bv) : standard_area_size(restored);
    if (const auto end = area_address(core, op, size, false); !end) return end.event;

    // The standard form loads MXCSR for SSE and for AVX, whatever XSTATE_BV says of them; the compacted form takes it as a part of the SSE state.
    const bool mxcsr = compact ? (restored & component::sse) != 0 : (asked & (component::sse | component::avx)) != 0;
    Loaded loaded;
    if (const auto event = load_legacy(core, linear.value, restored, mxcsr, loaded)) return event;
    if (const auto event = load_extended(core, linear.value, restored, header, compact, loaded)) return event;
    if (mxcsr) core.s.mxcsr = loaded.legacy.mxcsr;
    else if ((asked & component::sse) != 0) core.s.mxcsr = initial_mxcsr;
    commit(core, asked, restored, loaded, wide);
    return {};
}

// ---- rows -----------------------------------------------------------------------------------------------------------------------------

// XRSTOR may change PKRU, and with it translations.
constexpr Row rows[] = {
    row<xgetbv>(ZYDIS_MNEMONIC_XGETBV),
    row<xsetbv, Flow::ends>(ZYDIS_MNEMONIC_XSETBV),
    row<rdpkru>(ZYDIS_MNEMONIC_RDPKRU),
    row<wrpkru, Flow::ends>(ZYDIS_MNEMONIC_WRPKRU),
    row<xsave<Kind::save, false>>(ZYDIS_MNEMONIC_XSAVE),
    row<xsave<Kind::save, true>>(ZYDIS_MNEMONIC_XSAVE64),
    row<xsave<Kind::optimized, false>>(ZYDIS_MNEMONIC_XSAVEOPT),
    row<xsave<Kind::optimized, true>>(ZYDIS_MNEMONIC_XSAVEOPT64),
    row<xsave<Kind::compacting, false>>(ZYDIS_MNEMONIC_XSAVEC),
    row<xsave<Kind::compacting, true>>(ZYDIS_MNEMONIC_XSAVEC64),
    row<xsave<Kind::supervisor, false>>(ZYDIS_MNEMONIC_XSAVES),
    row<xsave<Kind::supervisor, true>>(ZYDIS_MNEMONIC_XSAVES64),
    row<xrstor<Kind::save, false>, Flow::ends>(ZYDIS_MNEMONIC_XRSTOR),
    row<xrstor<Kind::save, true>, Flow::ends>(ZYDIS_MNEMONIC_XRSTOR64),
    row<xrstor<Kind::supervisor, false>, Flow::ends>(ZYDIS_MNEMONIC_XRSTORS),
    row<xrstor<Kind::supervisor, true>, Flow::ends>(ZYDIS_MNEMONIC_XRSTORS64),
};

}  // namespace

u64 state_in_use(const Core& core) {
    u64 low = 0, high = 0;
    for (unsigned i = 0; i < vector_registers(core); ++i) {
        const auto& q = core.s.vector[i].q;
        low |= q[0] | q[1];
        high |= q[2] | q[3];
    }
    return (in_use(core.s.x87) ? component::x87 : 0) | (low != 0 ? component::sse : 0) | (high != 0 ? component::avx : 0) | (core.s.pkru != 0 ? component::pkru : 0);
}

std::span<const Row> xsave_rows() { return rows; }

}  // namespace vtsim::cpu::exec
