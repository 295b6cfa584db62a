// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/event.h"
#include "arch/segment.h"
#include "cpu/core.h"

// Segment and gate descriptors. SDM vol. 3, "Segment Descriptors", "Gate Descriptors", "System Descriptor Types".
namespace vtsim::cpu {

namespace selector {
using Rpl = Field<1, 0>;
using Local = Field<2>;
constexpr u32 error_code(u16 value) { return value & 0xfffcU; }       // of a fault that a selector causes (EXT and IDT clear)
constexpr bool null(u16 value) { return (value & 0xfffc) == 0; }
}  // namespace selector

enum class SystemType : u8 {
    tss16_available = 1, ldt = 2, tss16_busy = 3, call_gate16 = 4, task_gate = 5, interrupt_gate16 = 6, trap_gate16 = 7,
    tss32_available = 9, tss32_busy = 11, call_gate32 = 12, interrupt_gate32 = 14, trap_gate32 = 15,
};

// Eight bytes of a descriptor table, and the upper eight of a 16-byte system descriptor in IA-32e mode.
struct Descriptor {
    u64 low = 0;
    u64 high = 0;

    [[nodiscard]] unsigned type() const { return static_cast<unsigned>(Field<43, 40>::get(low)); }
    [[nodiscard]] bool is_code_or_data() const { return Field<44>::test(low); }
    [[nodiscard]] unsigned dpl() const { return static_cast<unsigned>(Field<46, 45>::get(low)); }
    [[nodiscard]] bool present() const { return Field<47>::test(low); }
    [[nodiscard]] bool is_code() const { return is_code_or_data() && (type() & 8) != 0; }
    [[nodiscard]] bool conforming() const { return is_code() && (type() & 4) != 0; }
    [[nodiscard]] bool readable() const { return !is_code() || (type() & 2) != 0; }
    [[nodiscard]] bool writable_data() const { return is_code_or_data() && (type() & 10) == 2; }
    [[nodiscard]] bool long_mode() const { return Field<53>::test(low); }
    [[nodiscard]] bool default_big() const { return Field<54>::test(low); }
    // Code, data, LDT and TSS descriptors as the hidden part of a segment register. `wide`: the base has 64 bits (system descriptors in IA-32e mode).
    [[nodiscard]] arch::Segment segment(u16 selector, bool wide = false) const;
    // Gates.
    [[nodiscard]] u16 gate_selector() const { return static_cast<u16>(Field<31, 16>::get(low)); }
    [[nodiscard]] u64 gate_offset(bool wide) const { return Field<15, 0>::get(low) | Field<63, 48>::get(low) << 16 | (wide ? (high & 0xffff'ffff) << 32 : 0); }
    [[nodiscard]] unsigned gate_stack_index() const { return static_cast<unsigned>(Field<34, 32>::get(low)); }       // IST
    [[nodiscard]] unsigned gate_parameters() const { return static_cast<unsigned>(Field<36, 32>::get(low)); }        // call gates
};

// Reads a descriptor by selector from GDT or LDT: `fault` with the selector as error code when it lies outside the table.
[[nodiscard]] arch::Outcome<Descriptor> read_descriptor(Core& core, u16 selector, arch::Vector fault = arch::Vector::gp, u32 ext = 0);
// The upper half of a 16-byte system descriptor.
[[nodiscard]] arch::Event read_upper_half(Core& core, u16 selector, Descriptor& descriptor, arch::Vector fault = arch::Vector::gp, u32 ext = 0);
// Linear address of a descriptor, limit not checked.
[[nodiscard]] u64 descriptor_address(const Core& core, u16 selector);
// Sets the accessed bit in memory when it is clear.
[[nodiscard]] arch::Event mark_accessed(Core& core, u16 selector, Descriptor& descriptor);

// Stack pointer for privilege level `cpl` (RSP0-2) or IST 1-7 from the TSS in IA-32e mode.
[[nodiscard]] arch::Outcome<u64> long_mode_stack(Core& core, unsigned cpl, unsigned ist, u32 ext);
// SS:ESP for privilege level `cpl` from a 32- or 16-bit TSS.
struct LegacyStack {
    u16 ss = 0;
    u32 esp = 0;
};
[[nodiscard]] arch::Outcome<LegacyStack> legacy_stack(Core& core, unsigned cpl, u32 ext);
// Checks a stack segment for a transfer to privilege level `cpl` and gives its hidden part; faults are #TS(selector), #SS(selector) when not present.
[[nodiscard]] arch::Outcome<arch::Segment> check_stack_segment(Core& core, u16 ss, unsigned cpl, arch::Vector fault, u32 ext);

// Real and virtual-8086 mode: base = selector * 16.
void load_real_segment(Core& core, arch::SegmentRegister number, u16 selector);

}  // namespace vtsim::cpu
