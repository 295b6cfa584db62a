// SPDX-License-Identifier: Apache-2.0
// IN, OUT, INS, OUTS. SDM vol. 1, "Input/Output"; vol. 2, the instruction of each name.
#include "cpu/events/events.h"
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/system_rows.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

// SDM vol. 1, "I/O Permission Bit Map": two bytes are read whatever the size of the access.
Event check_permission(Core& core, u16 port, unsigned bytes) {
    const unsigned iopl = static_cast<unsigned>((core.s.rflags & arch::rflags::iopl) >> 12);
    if (!core.s.protected_mode() || (!core.s.virtual8086() && core.s.cpl <= iopl)) return {};
    constexpr unsigned map_base = 0x66;
    const auto& tss = core.s.segment[arch::tr];
    const bool has_map = (tss.type() & 8) != 0 && tss.limit >= map_base + 1;          // a 32- or 64-bit TSS
    if (tss.unusable() || !has_map) return arch::general_protection();
    const auto base = core.read_system<u16>(tss.base + map_base);
    if (!base) return base.event;
    const u32 offset = *base + port / 8U;
    if (offset + 1 > tss.limit) return arch::general_protection();
    const auto map = core.read_system<u16>(tss.base + offset);
    if (!map) return map.event;
    return (*map >> (port % 8) & low_bits(bytes)) != 0 ? arch::general_protection() : Event{};
}

u16 port_of(const Core& core, const MicroOp& op) {
    return (op.flags & MicroOp::has_immediate) != 0 ? static_cast<u16>(op.imm & 0xff) : core.reg<u16>(arch::rdx);
}

// Permission, VM exit, and the wait for the kernel.
Event vet(Core& core, const MicroOp& op, u16 port, bool in) {
    if (const auto event = check_permission(core, port, op.bytes())) return event;
    if (core.vmx->exits_on_io(port, op.bytes())) {
        const bool immediate = (op.flags & MicroOp::has_immediate) != 0;
        return exit_with(core, vmx::ExitReason::io_instruction, vmx::io_qualification(port, op.bytes(), in, false, false, immediate));
    }
    return core.in_step() ? Event{} : Core::resync_event;
}

[[gnu::noinline]] Event in(Core& core, const MicroOp& op) {
    const u16 port = port_of(core, op);
    if (const auto event = vet(core, op, port, true)) return event;
    core.breakpoint_hits |= core.breakpoints.on_port(port, op.bytes());
    core.set_reg_sized(arch::rax, op.width, core.io.in(port, op.bytes()));
    return {};
}

[[gnu::noinline]] Event out(Core& core, const MicroOp& op) {
    const u16 port = port_of(core, op);
    if (const auto event = vet(core, op, port, false)) return event;
    core.breakpoint_hits |= core.breakpoints.on_port(port, op.bytes());
    core.io.out(port, op.bytes(), core.reg_sized(arch::rax, op.width));
    return {};
}

// ---- INS, OUTS ------------------------------------------------------------------------------------------------------------

u64 address_mask(const MicroOp& op) { return op.address_size() == AddressSize::a64 ? ~u64{0} : op.address_size() == AddressSize::a32 ? 0xffff'ffff : 0xffff; }

// A register of which the address size counts: a 32-bit write clears the upper half, a 16-bit one keeps the rest.
void set_counted(Core& core, u8 number, u64 mask, u64 value) {
    auto& reg = core.s.gpr[number];
    reg = mask == 0xffff ? (reg & ~mask) | (value & mask) : value & mask;
}

Event string_exit(Core& core, const MicroOp& op, u16 port, bool in) {
    const u64 offset = core.s.gpr[in ? arch::rdi : arch::rsi] & address_mask(op);
    const auto& segment = core.s.segment[op.segment()];
    const bool based = !core.code64() || op.segment() == arch::fs || op.segment() == arch::gs;
    const u64 linear = offset + (based ? segment.base : 0);
    auto info = operand_info(op);
    info.segment = op.segment();
    const bool rep = (op.flags & (MicroOp::rep | MicroOp::repne)) != 0;
    const auto format = vmx::exit_reasons[vmx::exit_reason_index(static_cast<u16>(vmx::ExitReason::io_instruction))].format;
    const Event event = exit_with(core, vmx::ExitReason::io_instruction, vmx::io_qualification(port, op.bytes(), in, true, rep, false), vmx::instruction_information(format, info));
    core.fault.linear = core.code64() ? linear : static_cast<u32>(linear);
    return event;
}

template <class T>
Event input_once(Core& core, const MicroOp& op, u16 port) {
    // The destination is proved writable before the device is asked: a read may have side effects.
    const auto address = core.linear(arch::es, core.s.gpr[arch::rdi] & address_mask(op), sizeof(T), true);
    if (!address) return address.event;
    if (const auto event = core.probe_write(*address, sizeof(T))) return event;
    return core.write_linear<T>(*address, static_cast<T>(core.io.in(port, sizeof(T))));
}

template <class T>
Event output_once(Core& core, const MicroOp& op, u16 port) {
    const auto value = core.read<T>(op.segment(), core.s.gpr[arch::rsi] & address_mask(op));
    if (!value) return value.event;
    core.io.out(port, sizeof(T), *value);
    return {};
}

template <bool is_input, class T>
[[gnu::noinline]] Event string_io(Core& core, const MicroOp& op) {
    const u64 mask = address_mask(op);
    const bool repeated = (op.flags & (MicroOp::rep | MicroOp::repne)) != 0;
    if (repeated && (core.s.gpr[arch::rcx] & mask) == 0) return {};
    const u16 port = core.reg<u16>(arch::rdx);
    if (const auto event = check_permission(core, port, sizeof(T))) return event;
    if (core.vmx->exits_on_io(port, sizeof(T))) return string_exit(core, op, port, is_input);
    if (!core.in_step()) return Core::resync_event;
    constexpr u8 pointer = is_input ? arch::rdi : arch::rsi;
    const u64 step = (core.s.rflags & arch::rflags::df) != 0 ? ~u64{sizeof(T)} + 1 : sizeof(T);
    for (;;) {
        const auto event = is_input ? input_once<T>(core, op, port) : output_once<T>(core, op, port);
        if (event) return event;
        core.breakpoint_hits |= core.breakpoints.on_port(port, sizeof(T));
        set_counted(core, pointer, mask, core.s.gpr[pointer] + step);
        if (!repeated) return {};
        set_counted(core, arch::rcx, mask, core.s.gpr[arch::rcx] - 1);
        if ((core.s.gpr[arch::rcx] & mask) == 0) return {};
        if ((core.s.rflags & arch::rflags::tf) != 0 || events::single_steps(core)) core.between_elements = core.attention = true;      // the trap comes behind every element
        if (core.breakpoint_hits != 0) core.attention = true;
        if (core.attention) return core.leave_string(op);
    }
}

// ---- rows -----------------------------------------------------------------------------------------------------------------

unsigned width_of(const ZydisDecodedOperand& operand) { return operand.size == 8 ? 0 : operand.size == 16 ? 1 : 2; }

bool build_in(const Decoded& decoded, Built& op) {
    op.width = static_cast<u8>(width_of(decoded.operand(0)));
    op.handler = &complex_end<in>;
    return true;
}

// The second operand is the data.
bool build_out(const Decoded& decoded, Built& op) {
    op.width = static_cast<u8>(width_of(decoded.operand(1)));
    op.handler = &complex_end<out>;
    return true;
}

// The memory operand is a hidden one: only its segment is of interest.
template <bool is_input, class T>
bool build_string(const Decoded&, Built& op) {
    op.width = static_cast<u8>(sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : 2);
    if constexpr (is_input) op.shape = static_cast<u8>(MicroOp::Segment::set(op.shape, arch::es));
    op.flags &= static_cast<u8>(~(MicroOp::has_memory | MicroOp::memory_is_destination));
    op.handler = &complex_end<string_io<is_input, T>>;
    return true;
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_IN, &build_in, Flow::ends},
    {ZYDIS_MNEMONIC_OUT, &build_out, Flow::ends},
    {ZYDIS_MNEMONIC_INSB, &build_string<true, u8>, Flow::ends},
    {ZYDIS_MNEMONIC_INSW, &build_string<true, u16>, Flow::ends},
    {ZYDIS_MNEMONIC_INSD, &build_string<true, u32>, Flow::ends},
    {ZYDIS_MNEMONIC_OUTSB, &build_string<false, u8>, Flow::ends},
    {ZYDIS_MNEMONIC_OUTSW, &build_string<false, u16>, Flow::ends},
    {ZYDIS_MNEMONIC_OUTSD, &build_string<false, u32>, Flow::ends},
};

}  // namespace

std::span<const Row> io_rows() { return rows; }

}  // namespace vtsim::cpu::exec
