// SPDX-License-Identifier: Apache-2.0
// Descriptor-table registers and what asks descriptors. SDM vol. 2, "LGDT/LIDT", "SGDT", "SIDT", "LLDT", "SLDT", "LTR", "STR", "VERR/VERW", "LAR", "LSL", "ARPL".
#include "cpu/events/descriptor.h"
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/system_rows.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
using arch::Outcome;

// The "instruction identity" of the VM-exit instruction information. SDM vol. 3, "Information for VM Exits Due to Instruction Execution".
enum class Table : u8 { sgdt, sidt, lgdt, lidt };
enum class SystemSegment : u8 { sldt, str, lldt, ltr };

bool user_mode_prevented(const Core& core) { return (core.s.cr4 & arch::cr4::umip) != 0 && core.s.cpl > 0; }
bool selectors_are_descriptors(const Core& core) { return core.s.protected_mode() && !core.s.virtual8086(); }

// ---- GDTR, IDTR ---------------------------------------------------------------------------------------------------------

bool operand_is_16_bit(const Core& core, const MicroOp& op) {
    if (core.code64()) return false;
    return core.decode_mode.default32 == ((op.flags & MicroOp::operand16) != 0);
}

Event table_exit(Core& core, const MicroOp& op, Table table) {
    auto info = operand_info(op);
    info.operand_size = operand_is_16_bit(core, op) ? 0 : 1;
    info.identity = static_cast<u8>(table);
    return exit_with_operands(core, op, vmx::ExitReason::gdtr_idtr_access, info);
}

unsigned table_bytes(const Core& core) { return core.code64() ? 10 : 6; }

template <Table table>
Event load_table(Core& core, const MicroOp& op) {
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.descriptor_table) return table_exit(core, op, table);
    u8 bytes[10] = {};
    const auto address = core.linear(op, table_bytes(core), false);
    if (!address) return address.event;
    if (const auto event = core.read_bytes(*address, bytes, table_bytes(core), core.access(arch::AccessKind::load))) return event;
    arch::DescriptorTable value;
    std::memcpy(&value.limit, bytes, sizeof value.limit);
    std::memcpy(&value.base, bytes + 2, sizeof value.base);
    if (core.code64() && !core.canonical_base(value.base)) return arch::general_protection();
    if (operand_is_16_bit(core, op)) value.base &= 0xff'ffff;
    (table == Table::lgdt ? core.s.gdtr : core.s.idtr) = value;
    return {};
}

template <Table table>
Event store_table(Core& core, const MicroOp& op) {
    if (user_mode_prevented(core)) return arch::general_protection();
    if (core.vmx->intercepts.descriptor_table) return table_exit(core, op, table);
    const auto& value = table == Table::sgdt ? core.s.gdtr : core.s.idtr;
    const u64 base = operand_is_16_bit(core, op) ? value.base & 0xff'ffff : value.base;
    u8 bytes[10] = {};
    std::memcpy(bytes, &value.limit, sizeof value.limit);
    std::memcpy(bytes + 2, &base, sizeof base);
    const auto address = core.linear(op, table_bytes(core), true);
    if (!address) return address.event;
    return core.write_bytes(*address, bytes, table_bytes(core), core.access(arch::AccessKind::store));
}

// ---- LDTR, TR -------------------------------------------------------------------------------------------------------------

Event segment_exit(Core& core, const MicroOp& op, SystemSegment instruction) {
    auto info = operand_info(op, op.memory() ? u8{0} : op.dst);
    info.identity = static_cast<u8>(instruction);
    return exit_with_operands(core, op, vmx::ExitReason::ldtr_tr_access, info);
}

// The selector operand; `number` is the register it may be in.
Outcome<u16> selector_operand(Core& core, const MicroOp& op, u8 number) {
    if (op.memory()) return core.read<u16>(op);
    return core.reg<u16>(number);
}

// A descriptor of the GDT for LLDT or LTR, with its upper half in IA-32e mode.
template <class Accepts>
Outcome<Descriptor> system_descriptor(Core& core, u16 value, Accepts accepts) {
    const u32 error = selector::error_code(value);
    if (selector::Local::test(value)) return arch::general_protection(error);
    auto found = read_descriptor(core, value);
    if (!found) return found.event;
    auto& descriptor = found.value;
    if (descriptor.is_code_or_data() || !accepts(static_cast<SystemType>(descriptor.type()))) return arch::general_protection(error);
    if (!descriptor.present()) return arch::exception(arch::Vector::np, error);
    if (core.s.long_mode_active()) {
        if (const auto event = read_upper_half(core, value, descriptor)) return event;
        if (!core.canonical_base(descriptor.segment(value, true).base)) return arch::general_protection(error);
    }
    return found;
}

Event lldt(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.descriptor_table) return segment_exit(core, op, SystemSegment::lldt);
    const auto value = selector_operand(core, op, op.dst);
    if (!value) return value.event;
    auto& ldtr = core.s.segment[arch::ldtr];
    if (selector::null(*value)) {
        ldtr = arch::Segment{};
        ldtr.selector = *value;
        return {};
    }
    const auto descriptor = system_descriptor(core, *value, [](SystemType type) { return type == SystemType::ldt; });
    if (!descriptor) return descriptor.event;
    ldtr = descriptor.value.segment(*value, core.s.long_mode_active());
    return {};
}

Event ltr(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    if (core.vmx->intercepts.descriptor_table) return segment_exit(core, op, SystemSegment::ltr);
    const auto value = selector_operand(core, op, op.dst);
    if (!value) return value.event;
    if (selector::null(*value)) return arch::general_protection();
    const bool long_mode = core.s.long_mode_active();
    auto found = system_descriptor(core, *value, [=](SystemType type) {
        return type == SystemType::tss32_available || (!long_mode && type == SystemType::tss16_available);
    });
    if (!found) return found.event;
    auto descriptor = found.value;
    constexpr u64 busy = bit(41);
    descriptor.low |= busy;
    if (const auto event = core.write_system<u8>(descriptor_address(core, *value) + 5, static_cast<u8>(descriptor.low >> 40))) return event;
    core.s.segment[arch::tr] = descriptor.segment(*value, long_mode);
    return {};
}

template <SystemSegment instruction>
Event store_selector(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    if (user_mode_prevented(core)) return arch::general_protection();
    if (core.vmx->intercepts.descriptor_table) return segment_exit(core, op, instruction);
    const u16 value = core.s.segment[instruction == SystemSegment::sldt ? arch::ldtr : arch::tr].selector;
    if (op.memory()) return core.write<u16>(op, value);
    core.set_reg_sized(op.dst, op.width, value);
    return {};
}

// ---- VERR, VERW, LAR, LSL ---------------------------------------------------------------------------------------------------

void set_zero_flag(Core& core, bool value) {
    core.s.write_rflags((core.s.read_rflags() & ~arch::rflags::zf) | (value ? arch::rflags::zf : 0));
}

// A descriptor that may be examined at this privilege level. `visible` is false for everything the selector cannot reach; only faults of the table's memory are events.
struct Examined {
    Descriptor descriptor;
    bool visible = false;
};

Outcome<Examined> examine(Core& core, u16 value) {
    if (selector::null(value)) return Examined{};
    const auto found = read_descriptor(core, value);
    if (!found) {
        const bool outside = found.event.kind == arch::EventKind::exception && found.event.number == static_cast<u16>(arch::Vector::gp);
        return outside ? Outcome<Examined>{Examined{}} : Outcome<Examined>{found.event};
    }
    const auto& d = found.value;
    const unsigned rpl = value & 3;
    return Examined{d, d.conforming() || (d.dpl() >= core.s.cpl && d.dpl() >= rpl)};
}

constexpr u32 types(std::initializer_list<unsigned> list) {
    u32 set = 0;
    for (const unsigned type : list) set |= 1U << type;
    return set;
}

// SDM vol. 2, "Segment and Gate Types" of LAR and "Segment and Gate Descriptor Types" of LSL.
bool has_rights(const Descriptor& d, bool long_mode) {
    constexpr u32 legacy = types({1, 2, 3, 4, 5, 9, 11, 12}), ia32e = types({2, 9, 11, 12});
    return d.is_code_or_data() || ((long_mode ? ia32e : legacy) >> d.type() & 1) != 0;
}
bool has_limit(const Descriptor& d, bool long_mode) {
    constexpr u32 legacy = types({1, 2, 3, 9, 11}), ia32e = types({2, 9, 11});
    return d.is_code_or_data() || ((long_mode ? ia32e : legacy) >> d.type() & 1) != 0;
}

template <bool write>
Event verify(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    const auto value = selector_operand(core, op, op.dst);
    if (!value) return value.event;
    const auto found = examine(core, *value);
    if (!found) return found.event;
    const auto& d = found.value.descriptor;
    set_zero_flag(core, found.value.visible && d.is_code_or_data() && (write ? d.writable_data() : d.readable()));
    return {};
}

template <bool limit>
Event load_attribute(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    const auto value = selector_operand(core, op, op.src);
    if (!value) return value.event;
    const auto found = examine(core, *value);
    if (!found) return found.event;
    const auto& d = found.value.descriptor;
    const bool valid = found.value.visible && (limit ? has_limit : has_rights)(d, core.s.long_mode_active());
    if (valid) core.set_reg_sized(op.dst, op.width, limit ? d.segment(*value).limit : (d.low >> 32) & 0x00f0'ff00);
    set_zero_flag(core, valid);
    return {};
}

Event arpl(Core& core, const MicroOp& op) {
    if (!selectors_are_descriptors(core)) return arch::undefined_opcode;
    const auto value = selector_operand(core, op, op.dst);
    if (!value) return value.event;
    const u16 wanted = core.reg<u16>(op.src) & 3;
    const bool raise = (*value & 3) < wanted;
    if (raise) {
        const auto adjusted = static_cast<u16>((*value & ~3) | wanted);
        if (!op.memory()) core.set_reg<u16>(op.dst, adjusted);
        else if (const auto event = core.write<u16>(op, adjusted)) return event;
    }
    set_zero_flag(core, raise);
    return {};
}

constexpr Row rows[] = {
    row<serialising<load_table<Table::lgdt>>, Flow::ends>(ZYDIS_MNEMONIC_LGDT),
    row<serialising<load_table<Table::lidt>>, Flow::ends>(ZYDIS_MNEMONIC_LIDT),
    row<store_table<Table::sgdt>>(ZYDIS_MNEMONIC_SGDT),
    row<store_table<Table::sidt>>(ZYDIS_MNEMONIC_SIDT),
    row<serialising<lldt>, Flow::ends>(ZYDIS_MNEMONIC_LLDT),
    row<serialising<ltr>, Flow::ends>(ZYDIS_MNEMONIC_LTR),
    row<store_selector<SystemSegment::sldt>>(ZYDIS_MNEMONIC_SLDT),
    row<store_selector<SystemSegment::str>>(ZYDIS_MNEMONIC_STR),
    row<verify<false>>(ZYDIS_MNEMONIC_VERR),
    row<verify<true>>(ZYDIS_MNEMONIC_VERW),
    row<load_attribute<false>>(ZYDIS_MNEMONIC_LAR),
    row<load_attribute<true>>(ZYDIS_MNEMONIC_LSL),
    row<arpl>(ZYDIS_MNEMONIC_ARPL),
};

}  // namespace

std::span<const Row> descriptor_table_rows() { return rows; }

}  // namespace vtsim::cpu::exec
