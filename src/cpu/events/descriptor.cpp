// SPDX-License-Identifier: Apache-2.0
#include "cpu/events/descriptor.h"

#include "cpu/exec/memory.h"

namespace vtsim::cpu {

using arch::Event;
using arch::Outcome;
using arch::Vector;

arch::Segment Descriptor::segment(u16 selector, bool wide) const {
    arch::Segment result;
    result.selector = selector;
    result.base = Field<39, 16>::get(low) | Field<63, 56>::get(low) << 24 | (wide ? high << 32 : 0);
    const auto raw = static_cast<u32>(Field<15, 0>::get(low) | Field<51, 48>::get(low) << 16);
    result.limit = Field<55>::test(low) ? raw << 12 | 0xfff : raw;
    // Access rights as in the VMCS: bits 7:0 from 47:40, bits 15:12 from 55:52.
    result.rights = static_cast<u32>(Field<47, 40>::get(low) | Field<55, 52>::get(low) << 12);
    if (is_code_or_data()) result.rights |= 1;               // loading sets the accessed bit: SDM vol. 3, "Code- and Data-Segment Descriptor Types"
    return result;
}

u64 descriptor_address(const Core& core, u16 value) {
    const u64 offset = value & 0xfff8;
    return (selector::Local::test(value) ? core.s.segment[arch::ldtr].base : core.s.gdtr.base) + offset;
}

static bool in_table(const Core& core, u16 value, unsigned bytes) {
    const u64 last = (value & 0xfff8U) + bytes - 1;
    if (!selector::Local::test(value)) return last <= core.s.gdtr.limit;
    const auto& table = core.s.segment[arch::ldtr];
    return !table.unusable() && last <= table.limit;
}

Outcome<Descriptor> read_descriptor(Core& core, u16 value, Vector fault, u32 ext) {
    if (!in_table(core, value, 8)) return arch::exception(fault, selector::error_code(value) | ext);
    const auto low = core.read_system<u64>(descriptor_address(core, value));
    if (!low) return low.event;
    return Descriptor{low.value, 0};
}

Event read_upper_half(Core& core, u16 value, Descriptor& descriptor, Vector fault, u32 ext) {
    if (!in_table(core, value, 16)) return arch::exception(fault, selector::error_code(value) | ext);
    const auto high = core.read_system<u64>(descriptor_address(core, value) + 8);
    if (!high) return high.event;
    descriptor.high = high.value;
    // The type field of the upper half must be zero. SDM vol. 3, "Segment Descriptor Tables in IA-32e Mode".
    if (Field<44, 40>::get(high.value) != 0) return arch::exception(fault, selector::error_code(value) | ext);
    return {};
}

Event mark_accessed(Core& core, u16 value, Descriptor& descriptor) {
    constexpr u64 accessed = bit(40);
    if ((descriptor.low & accessed) != 0) return {};
    descriptor.low |= accessed;
    return core.write_system<u8>(descriptor_address(core, value) + 5, static_cast<u8>(descriptor.low >> 40));
}

static Event tss_fault(const Core& core, u32 ext) { return arch::exception(Vector::ts, selector::error_code(core.s.segment[arch::tr].selector) | ext); }

Outcome<u64> long_mode_stack(Core& core, unsigned cpl, unsigned ist, u32 ext) {
    const auto& tss = core.s.segment[arch::tr];
    const unsigned offset = ist != 0 ? 0x24 + (ist - 1) * 8 : 4 + cpl * 8;
    if (offset + 7U > tss.limit) return tss_fault(core, ext);
    const auto rsp = core.read_system<u64>(tss.base + offset);
    if (!rsp) return rsp.event;
    if (!core.canonical(rsp.value)) return arch::exception(Vector::ss, ext);
    return rsp.value;
}

Outcome<LegacyStack> legacy_stack(Core& core, unsigned cpl, u32 ext) {
    const auto& tss = core.s.segment[arch::tr];
    const bool is32 = (tss.type() & 8) != 0;
    const unsigned offset = is32 ? 4 + cpl * 8 : 2 + cpl * 4;
    const unsigned bytes = is32 ? 6 : 4;
    if (offset + bytes - 1 > tss.limit) return tss_fault(core, ext);
    LegacyStack stack;
    if (is32) {
        const auto esp = core.read_system<u32>(tss.base + offset);
        if (!esp) return esp.event;
        stack.esp = esp.value;
    } else {
        const auto sp = core.read_system<u16>(tss.base + offset);
        if (!sp) return sp.event;
        stack.esp = sp.value;
    }
    const auto ss = core.read_system<u16>(tss.base + offset + (is32 ? 4 : 2));
    if (!ss) return ss.event;
    stack.ss = ss.value;
    return stack;
}

Outcome<arch::Segment> check_stack_segment(Core& core, u16 ss, unsigned cpl, Vector fault, u32 ext) {
    const u32 code = selector::error_code(ss) | ext;
    if (selector::null(ss)) return arch::exception(fault, ext);
    const auto descriptor = read_descriptor(core, ss, fault, ext);
    if (!descriptor) return descriptor.event;
    auto d = descriptor.value;
    if ((ss & 3U) != cpl || d.dpl() != cpl || !d.writable_data()) return arch::exception(fault, code);
    if (!d.present()) return arch::exception(Vector::ss, code);
    if (const auto event = mark_accessed(core, ss, d)) return event;
    return d.segment(ss);
}

void load_real_segment(Core& core, arch::SegmentRegister number, u16 value) {
    auto& segment = core.s.segment[number];
    segment.selector = value;
    segment.base = u64{value} << 4;
    if (core.s.virtual8086()) {
        segment.limit = 0xffff;
        segment.rights = 0xf3;
    } else if (number == arch::cs) {
        // Real mode keeps the limit ("unreal" mode works); CS becomes an ordinary writable code segment.
        segment.rights = 0x93 | (segment.rights & 0xf000 & ~(1U << 13));
    } else {
        segment.rights = 0x93 | (segment.rights & 0xf000);
    }
}

}  // namespace vtsim::cpu
