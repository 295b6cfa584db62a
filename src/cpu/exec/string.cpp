// SPDX-License-Identifier: Apache-2.0
// MOVS, STOS, LODS, CMPS, SCAS with their repeat prefixes. A repeated instruction commits after every element, so that faults and interrupts find the registers where a
// restart goes on. SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ - Repeat String Operation Prefix".
#include <algorithm>
#include <utility>

#include "cpu/events/events.h"
#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"
#include "cpu/exec/vector/move.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

enum class StringOp : u8 { movs, stos, lods, cmps, scas };
constexpr bool has_source(StringOp op) { return op == StringOp::movs || op == StringOp::lods || op == StringOp::cmps; }
constexpr bool has_destination(StringOp op) { return op != StringOp::lods; }
constexpr bool compares(StringOp op) { return op == StringOp::cmps || op == StringOp::scas; }

u64 address_mask(const MicroOp& op) {
    switch (op.address_size()) {
        case AddressSize::a16: return 0xffff;
        case AddressSize::a32: return 0xffff'ffff;
        default: return ~u64{0};
    }
}

// A register that is written with the address size: 32 bits clear the upper half, 16 bits keep the rest.
void set_counter(Core& core, arch::Gpr number, u64 value, u64 mask) {
    core.s.gpr[number] = mask == 0xffff ? (core.s.gpr[number] & ~mask) | (value & mask) : value & mask;
}

void advance(Core& core, arch::Gpr number, u64 bytes, u64 mask) {
    const u64 step = (core.s.rflags & arch::rflags::df) != 0 ? u64{0} - bytes : bytes;
    set_counter(core, number, (core.s.gpr[number] & mask) + step, mask);
}

// One element. `src` holds the source segment.
template <StringOp kind, class T>
Event element(Core& core, const MicroOp& op, u64 mask) {
    const auto source_segment = static_cast<arch::SegmentRegister>(op.src);
    T value{};
    if constexpr (has_source(kind)) {
        const auto loaded = core.read<T>(source_segment, core.s.gpr[arch::rsi] & mask);
        if (!loaded) return loaded.event;
        value = loaded.value;
    } else {
        value = core.reg<T>(arch::rax);
    }
    if constexpr (kind == StringOp::movs || kind == StringOp::stos) {
        if (const auto event = core.write<T>(arch::es, core.s.gpr[arch::rdi] & mask, value)) return event;
    } else if constexpr (kind == StringOp::lods) {
        core.set_reg<T>(arch::rax, value);
    } else {
        const auto other = core.read<T>(arch::es, core.s.gpr[arch::rdi] & mask);
        if (!other) return other.event;
        alu<Alu::cmp, T, true>(core, value, other.value);
    }
    if constexpr (has_source(kind)) advance(core, arch::rsi, sizeof(T), mask);
    if constexpr (has_destination(kind)) advance(core, arch::rdi, sizeof(T), mask);
    return {};
}

// What one half of a fast string operation does to TLB and caches: one translation and one reference a line. nullptr: not RAM.
arch::Outcome<u8*> touch_run(Core& core, u64 linear, u64 bytes, bool write, u64& excess) {
    const auto place = core.mmu.translate(linear, core.access(write ? arch::AccessKind::store : arch::AccessKind::load));
    if (!place) {
        core.fault = core.mmu.details;
        return place.event;
    }
    if (place.value.host == nullptr) return static_cast<u8*>(nullptr);
    core.charge_translation(place.value);
    const u64 first = place.value.physical.value() >> timing::line_log2, last = (place.value.physical.value() + bytes - 1) >> timing::line_log2;
    for (u64 line = first; line <= last; ++line) {
        const PhysicalAddress address{line << timing::line_log2};
        excess += (write ? core.port.store(address) : core.port.load(address)) - core.port.load_hit_latency();
    }
    return place.value.host;
}

// Forward MOVS and STOS where structures are modelled: Intel's fast strings work on whole lines (optimization manual, "Enhanced REP MOVSB and STOSB Operation"), here up to the
// end of a page. Returns the number of elements done; 0: one at a time, please.
template <StringOp kind, class T>
arch::Outcome<u64> timed_run(Core& core, const MicroOp& op, u64 count) {
    if (!core.code64() || op.address_size() != AddressSize::a64 || (core.s.rflags & arch::rflags::df) != 0 || op.src >= arch::fs) return u64{0};
    const u64 to = core.s.gpr[arch::rdi], from = core.s.gpr[arch::rsi];
    const auto whole = [](u64 bytes) { return bytes - bytes % sizeof(T); };
    u64 bytes = whole(std::min(count * sizeof(T), page_size - (to & page_offset_mask)));
    if constexpr (kind == StringOp::movs) bytes = std::min(bytes, whole(page_size - (from & page_offset_mask)));
    if (bytes == 0 || !core.canonical(to) || (kind == StringOp::movs && !core.canonical(from))) return u64{0};
    u64 excess = 0;
    const u8* in = nullptr;
    if constexpr (kind == StringOp::movs) {
        const auto source = touch_run(core, from, bytes, false, excess);
        if (!source) return source.event;
        if (source.value == nullptr) return u64{0};
        in = source.value;
    }
    const auto target = touch_run(core, to, bytes, true, excess);
    if (!target) return target.event;
    if (target.value == nullptr) return u64{0};
    if (core.mode() == Mode::timing) core.model.charge_string(bytes, excess);
    u8* const out = target.value;
    const PhysicalAddress frame{static_cast<u64>(out - core.host_base)};
    const bool by_bus = !core.memory.direct();
    T value = core.reg<T>(arch::rax);
    for (u64 at = 0; at < bytes; at += sizeof(T)) {
        if constexpr (kind == StringOp::movs) std::memcpy(&value, in + at, sizeof(T));
        if (by_bus) core.bus.write(frame + at, sizeof(T), value);
        else std::memcpy(out + at, &value, sizeof(T));
    }
    if (!by_bus && core.memory.holds_code(frame)) core.memory.note_code_write(frame, static_cast<unsigned>(bytes));
    if constexpr (kind == StringOp::movs) core.s.gpr[arch::rsi] += bytes;
    core.s.gpr[arch::rdi] += bytes;
    return bytes / sizeof(T);
}

// Forward MOVS and STOS in functional mode: as many elements as both pages hold, when the translation cache has them. Returns the number done.
template <StringOp kind, class T>
u64 bulk(Core& core, const MicroOp& op, u64 count) {
    if (!core.code64() || op.address_size() != AddressSize::a64 || (core.s.rflags & arch::rflags::df) != 0 || op.src >= arch::fs) return 0;
    const u64 to = core.s.gpr[arch::rdi];
    const auto target = core.mmu.data.at(to);
    if (((to & ~page_offset_mask) | core.data_context) != target.write_tag) return 0;
    u64 bytes = std::min(count * sizeof(T), page_size - (to & page_offset_mask));
    if constexpr (kind == StringOp::movs) {
        const u64 from = core.s.gpr[arch::rsi];
        const auto origin = core.mmu.data.at(from);
        if (((from & ~page_offset_mask) | core.data_context) != origin.read_tag) return 0;
        bytes = std::min(bytes, page_size - (from & page_offset_mask));
        bytes -= bytes % sizeof(T);
        auto* out = reinterpret_cast<u8*>(to + target.addend);
        const auto* in = reinterpret_cast<const u8*>(from + origin.addend);
        // Elements are copied in order: a destination shortly behind the source repeats a pattern, which a block copy would not.
        if (out > in && out < in + bytes) {
            for (u64 at = 0; at < bytes; at += sizeof(T)) std::memcpy(out + at, in + at, sizeof(T));
        } else {
            std::memmove(out, in, bytes);
        }
        core.s.gpr[arch::rsi] += bytes;
    } else {
        bytes -= bytes % sizeof(T);
        const T value = core.reg<T>(arch::rax);
        auto* out = reinterpret_cast<u8*>(to + target.addend);
        for (u64 at = 0; at < bytes; at += sizeof(T)) std::memcpy(out + at, &value, sizeof(T));
    }
    core.s.gpr[arch::rdi] += bytes;
    return bytes / sizeof(T);
}

template <StringOp kind, class T>
[[gnu::noinline]] Event run_string(Core& core, const MicroOp& op) {
    const u64 mask = address_mask(op);
    if ((op.flags & (MicroOp::rep | MicroOp::repne)) == 0) return element<kind, T>(core, op, mask);
    const bool goes_on = std::exchange(core.interrupted_string, Core::no_string) == core.rip_of(op);
    if constexpr (kind == StringOp::movs || kind == StringOp::stos)
        if (core.mode() == Mode::timing && !goes_on) core.model.charge(timing::Bucket::instruction_issue, core.params.core.string_startup);
    // A trap or a monitor-trap-flag exit after each element: SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"; vol. 3, "Monitor Trap Flag".
    const bool traps = (core.s.rflags & arch::rflags::tf) != 0 || events::single_steps(core);
    const bool singly = traps || core.breakpoints.watches_data();
    for (;;) {
        u64 count = core.s.gpr[arch::rcx] & mask;
        if (count == 0) return {};
        if constexpr (kind == StringOp::movs || kind == StringOp::stos) {
            const auto run = singly ? arch::Outcome<u64>{u64{0}} : core.decode_mode.timed ? timed_run<kind, T>(core, op, count) : arch::Outcome<u64>{bulk<kind, T>(core, op, count)};
            if (!run) return run.event;
            if (const u64 done = run.value; done != 0) {
                set_counter(core, arch::rcx, count - done, mask);
                if (count == done) return {};
                if (core.attention || core.model.cycles() >= core.cycle_limit) return core.leave_string(op);
                continue;
            }
        }
        if (const auto event = element<kind, T>(core, op, mask)) return event;
        set_counter(core, arch::rcx, --count, mask);
        if constexpr (compares(kind)) {
            const bool equal = core.s.lazy.zero(core.s.rflags);
            if (equal == ((op.flags & MicroOp::repne) != 0)) return {};
        }
        if (count == 0) return {};
        if (traps) core.between_elements = core.attention = true;
        if (core.breakpoint_hits != 0) core.attention = true;
        if (core.attention || core.model.cycles() >= core.cycle_limit) return core.leave_string(op);
    }
}

template <StringOp kind>
bool build_string(const Decoded& decoded, Built& op) {
    // MOVSD and CMPSD are names of SSE2 instructions too.
    if (decoded.instruction.meta.category != ZYDIS_CATEGORY_STRINGOP) return build_sse_scalar_double(decoded, op);
    op.src = arch::ds;
    for (unsigned i = 0; i < decoded.instruction.operand_count; ++i) {
        const auto& operand = decoded.operands[i];
        const bool source = operand.type == ZYDIS_OPERAND_TYPE_MEMORY && (operand.mem.base == ZYDIS_REGISTER_RSI || operand.mem.base == ZYDIS_REGISTER_ESI || operand.mem.base == ZYDIS_REGISTER_SI);
        if (source) op.src = static_cast<u8>(ZydisRegisterGetId(operand.mem.segment));
    }
    op.handler = by_width(op.width, []<class T>() -> Handler { return &complex<run_string<kind, T>>; });
    return op.handler != nullptr;
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_MOVSB, &build_string<StringOp::movs>}, {ZYDIS_MNEMONIC_MOVSW, &build_string<StringOp::movs>},
    {ZYDIS_MNEMONIC_MOVSD, &build_string<StringOp::movs>}, {ZYDIS_MNEMONIC_MOVSQ, &build_string<StringOp::movs>},
    {ZYDIS_MNEMONIC_STOSB, &build_string<StringOp::stos>}, {ZYDIS_MNEMONIC_STOSW, &build_string<StringOp::stos>},
    {ZYDIS_MNEMONIC_STOSD, &build_string<StringOp::stos>}, {ZYDIS_MNEMONIC_STOSQ, &build_string<StringOp::stos>},
    {ZYDIS_MNEMONIC_LODSB, &build_string<StringOp::lods>}, {ZYDIS_MNEMONIC_LODSW, &build_string<StringOp::lods>},
    {ZYDIS_MNEMONIC_LODSD, &build_string<StringOp::lods>}, {ZYDIS_MNEMONIC_LODSQ, &build_string<StringOp::lods>},
    {ZYDIS_MNEMONIC_CMPSB, &build_string<StringOp::cmps>}, {ZYDIS_MNEMONIC_CMPSW, &build_string<StringOp::cmps>},
    {ZYDIS_MNEMONIC_CMPSD, &build_string<StringOp::cmps>}, {ZYDIS_MNEMONIC_CMPSQ, &build_string<StringOp::cmps>},
    {ZYDIS_MNEMONIC_SCASB, &build_string<StringOp::scas>}, {ZYDIS_MNEMONIC_SCASW, &build_string<StringOp::scas>},
    {ZYDIS_MNEMONIC_SCASD, &build_string<StringOp::scas>}, {ZYDIS_MNEMONIC_SCASQ, &build_string<StringOp::scas>},
};

}  // namespace

std::span<const Row> string_rows() { return rows; }

}  // namespace vtsim::cpu::exec
