// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/bits.h"
#include "base/types.h"

// The register map of the local APIC, once: xAPIC offsets, x2APIC MSRs, the virtual-APIC page, dumps and checks all read these rows.
// SDM vol. 3, "The Local APIC Block Diagram" (address map) and "x2APIC Register Address Space".
namespace vtsim::apic {

namespace offset {
inline constexpr u16 id = 0x020, version = 0x030, tpr = 0x080, apr = 0x090, ppr = 0x0a0, eoi = 0x0b0, remote_read = 0x0c0, ldr = 0x0d0, dfr = 0x0e0, svr = 0x0f0,
                     isr = 0x100, tmr = 0x180, irr = 0x200, esr = 0x280, lvt_cmci = 0x2f0, icr = 0x300, icr_high = 0x310, lvt_timer = 0x320, lvt_thermal = 0x330,
                     lvt_performance = 0x340, lvt_lint0 = 0x350, lvt_lint1 = 0x360, lvt_error = 0x370, initial_count = 0x380, current_count = 0x390,
                     divide = 0x3e0, self_ipi = 0x3f0;
}

enum class Rw : u8 { absent, read_only, write_only, read_write };

struct RegisterRow {
    u16 offset;                 // in the xAPIC page; the MSR in x2APIC mode is x2apic_msr(offset)
    u8 count;                   // consecutive registers, 16 bytes apart
    std::string_view name;      // as the SDM abbreviates it
    Rw xapic;
    Rw x2apic;
    u32 writable;               // bits that a write changes; a write of the others is ignored in xAPIC mode
    u32 defined;                // bits that are not reserved: WRMSR of a 1 to any other is #GP
    u32 reset;                  // after power-up and INIT (the ID survives INIT)
};

inline constexpr u32 lvt_masked = 1U << 16;

inline constexpr std::array register_table{
    RegisterRow{offset::id, 1, "ID", Rw::read_only, Rw::read_only, 0, 0, 0},        // writable on some models only; not on those with x2APIC
    RegisterRow{offset::version, 1, "VERSION", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::tpr, 1, "TPR", Rw::read_write, Rw::read_write, 0xff, 0xff, 0},
    RegisterRow{offset::apr, 1, "APR", Rw::read_only, Rw::absent, 0, 0, 0},
    RegisterRow{offset::ppr, 1, "PPR", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::eoi, 1, "EOI", Rw::write_only, Rw::write_only, 0, 0, 0},
    RegisterRow{offset::remote_read, 1, "RRR", Rw::read_only, Rw::absent, 0, 0, 0},
    RegisterRow{offset::ldr, 1, "LDR", Rw::read_write, Rw::read_only, 0xff000000, 0, 0},
    RegisterRow{offset::dfr, 1, "DFR", Rw::read_write, Rw::absent, 0xf0000000, 0, 0xffffffff},
    RegisterRow{offset::svr, 1, "SVR", Rw::read_write, Rw::read_write, 0x13ff, 0x13ff, 0xff},
    RegisterRow{offset::isr, 8, "ISR", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::tmr, 8, "TMR", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::irr, 8, "IRR", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::esr, 1, "ESR", Rw::read_write, Rw::read_write, 0, 0, 0},    // any write latches; x2APIC: only of 0
    RegisterRow{offset::lvt_cmci, 1, "LVT_CMCI", Rw::read_write, Rw::read_write, 0x107ff, 0x117ff, lvt_masked},
    RegisterRow{offset::icr, 1, "ICR", Rw::read_write, Rw::read_write, 0xccfff, 0xcdfff, 0},
    RegisterRow{offset::icr_high, 1, "ICR_HIGH", Rw::read_write, Rw::absent, 0xff000000, 0, 0},
    RegisterRow{offset::lvt_timer, 1, "LVT_TIMER", Rw::read_write, Rw::read_write, 0x700ff, 0x710ff, lvt_masked},
    RegisterRow{offset::lvt_thermal, 1, "LVT_THERMAL", Rw::read_write, Rw::read_write, 0x107ff, 0x117ff, lvt_masked},
    RegisterRow{offset::lvt_performance, 1, "LVT_PERFORMANCE", Rw::read_write, Rw::read_write, 0x107ff, 0x117ff, lvt_masked},
    RegisterRow{offset::lvt_lint0, 1, "LVT_LINT0", Rw::read_write, Rw::read_write, 0x1a7ff, 0x1f7ff, lvt_masked},
    RegisterRow{offset::lvt_lint1, 1, "LVT_LINT1", Rw::read_write, Rw::read_write, 0x1a7ff, 0x1f7ff, lvt_masked},
    RegisterRow{offset::lvt_error, 1, "LVT_ERROR", Rw::read_write, Rw::read_write, 0x100ff, 0x110ff, lvt_masked},
    RegisterRow{offset::initial_count, 1, "INITIAL_COUNT", Rw::read_write, Rw::read_write, 0xffffffff, 0xffffffff, 0},
    RegisterRow{offset::current_count, 1, "CURRENT_COUNT", Rw::read_only, Rw::read_only, 0, 0, 0},
    RegisterRow{offset::divide, 1, "DIVIDE", Rw::read_write, Rw::read_write, 0xb, 0xb, 0},
    RegisterRow{offset::self_ipi, 1, "SELF_IPI", Rw::absent, Rw::write_only, 0xff, 0xff, 0},
};

inline constexpr unsigned register_slots = 64;          // 0x000 to 0x3f0
inline constexpr u32 x2apic_msr_first = 0x800;
inline constexpr u32 x2apic_msr_last = 0x8ff;

constexpr u32 x2apic_msr(u16 register_offset) { return x2apic_msr_first + (register_offset >> 4); }

namespace detail {
inline constexpr auto row_of_slot = [] {
    std::array<i8, register_slots> rows{};
    rows.fill(-1);
    for (std::size_t row = 0; row < register_table.size(); ++row)
        for (unsigned i = 0; i < register_table[row].count; ++i) rows[(register_table[row].offset >> 4U) + i] = static_cast<i8>(row);
    return rows;
}();
}  // namespace detail

// The row of the register whose 16 bytes start at `register_offset` (below 0x400), or nullptr: reserved.
constexpr const RegisterRow* find_register(u32 register_offset) {
    if (register_offset >= register_slots * 16) return nullptr;
    const auto row = detail::row_of_slot[register_offset >> 4];
    return row < 0 ? nullptr : &register_table[static_cast<std::size_t>(row)];
}

constexpr bool readable(Rw access) { return access == Rw::read_only || access == Rw::read_write; }
constexpr bool writable(Rw access) { return access == Rw::write_only || access == Rw::read_write; }

// Fields of the registers. SDM vol. 3, "Local Vector Table", "Interrupt Command Register (ICR)", "Spurious Interrupt".
namespace lvt {
using Vector = Field<7, 0>;
using Delivery = Field<10, 8>;
using RemoteIrr = Field<14>;
using LevelTriggered = Field<15>;
using Masked = Field<16>;
using TimerMode = Field<18, 17>;
}
namespace icr {
using Vector = Field<7, 0>;
using Delivery = Field<10, 8>;
using Logical = Field<11>;
using Assert = Field<14>;
using LevelTriggered = Field<15>;
using Shorthand = Field<19, 18>;
}
namespace svr {
using Vector = Field<7, 0>;
using Enable = Field<8>;
using SuppressEoiBroadcast = Field<12>;
}
// SDM vol. 3, "Error Handling": bits of the ESR.
namespace esr { inline constexpr u32 redirectable_ipi = 1U << 4, send_illegal_vector = 1U << 5, receive_illegal_vector = 1U << 6, illegal_register_address = 1U << 7; }

}  // namespace vtsim::apic
