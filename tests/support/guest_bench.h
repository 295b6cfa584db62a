// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/events/events.h"
#include "support/core_bench.h"

namespace vtsim::test {

// A CoreBench whose core runs as a VMX guest: the state of the host with the controls that the test asks for. A VM exit leads to a HLT of its own.
struct GuestBench : CoreBench {
    static constexpr u64 vmxon_region = 0x5'0000, vmcs_region = 0x5'1000, io_bitmap_a = 0x5'2000, io_bitmap_b = 0x5'3000, msr_bitmap = 0x5'4000, host_rip = 0x2'8000;

    struct Controls {
        u32 primary = 0, secondary = 0, exception_bitmap = 0;
        u64 cr0_mask = 0, cr0_shadow = 0, cr4_mask = 0, cr4_shadow = 0, tsc_offset = 0;
    };

    explicit GuestBench(const Controls& controls, const cpu::CoreParams& params = {}) : CoreBench{CodeMode::long64, params} {
        poke<u8>(host_rip, 0xf4);
        s().feature_control = 5;
        s().cr0 |= arch::cr0::ne;
        s().cr4 |= arch::cr4::vmxe;
        const u32 revision = core.params.vmx.revision;
        poke<u32>(vmxon_region, revision);
        poke<u32>(vmcs_region, revision);
        EXPECT_TRUE(core.vmx->vmxon(vmxon_region).ok());
        EXPECT_TRUE(core.vmx->vmclear(vmcs_region).ok());
        EXPECT_TRUE(core.vmx->vmptrld(vmcs_region).ok());
        write_controls(controls);
        write_guest();
        write_host();
        cpu::events::vm_entry(core, true);
        EXPECT_TRUE(core.vmx->non_root()) << core.vmx->last_failed_text();
    }

    void write(u64 field, u64 value) { EXPECT_TRUE(core.vmx->vmwrite(field, value).ok()) << std::hex << field; }
    u64 read(u64 field) { return core.vmx->vmread(field).value; }
    [[nodiscard]] bool exited() const { return !core.vmx->non_root(); }
    u64 exit_reason() { return read(0x4402); }
    u64 qualification() { return read(0x6400); }
    u64 instruction_length() { return read(0x440c); }
    u64 instruction_information() { return read(0x440e); }
    u64 guest_linear() { return read(0x640a); }
    u64 guest_rip() { return read(0x681e); }

private:
    void write_controls(const Controls& c) {
        using vmx::ControlWord;
        const auto& capabilities = core.vmx->capabilities;
        const auto word = [&](u64 field, ControlWord which, u64 wanted) {
            const u64 value = wanted | capabilities.must_be_one(which);
            EXPECT_TRUE(capabilities.allows(which, value)) << std::hex << field << " " << wanted;
            write(field, value);
        };
        word(0x4000, ControlWord::pin, 0);
        word(0x4002, ControlWord::primary, c.primary | (c.secondary != 0 ? 1U << 31 : 0));
        if (c.secondary != 0) word(0x401e, ControlWord::secondary, c.secondary);
        word(0x400c, ControlWord::exit, 1U << 9 | 1U << 20 | 1U << 21);
        word(0x4012, ControlWord::entry, 1U << 9 | 1U << 15);
        write(0x4004, c.exception_bitmap);
        write(0x6000, c.cr0_mask);
        write(0x6002, c.cr4_mask);
        write(0x6004, c.cr0_shadow);
        write(0x6006, c.cr4_shadow);
        write(0x2010, c.tsc_offset);
        write(0x2000, io_bitmap_a);
        write(0x2002, io_bitmap_b);
        write(0x2004, msr_bitmap);
    }

    void write_guest() {
        for (unsigned i = 0; i < arch::segment_count; ++i) {
            auto segment = s().segment[i];
            if (i == arch::ldtr) segment.rights = arch::Segment::unusable_bit;
            write(0x800 + 2 * i, segment.selector);
            write(0x4800 + 2 * i, segment.limit);
            write(0x4814 + 2 * i, segment.rights);
            write(0x6806 + 2 * i, segment.base);
        }
        const u64 fields[][2] = {{0x4810, s().gdtr.limit}, {0x4812, s().idtr.limit}, {0x6816, s().gdtr.base}, {0x6818, s().idtr.base}, {0x6800, s().cr0}, {0x6802, s().cr3},
                                 {0x6804, s().cr4}, {0x681a, 0x400}, {0x681c, stack}, {0x681e, code}, {0x6820, 2}, {0x2800, ~u64{0}}, {0x2806, s().efer}};
        for (const auto& [field, value] : fields) write(field, value);
    }

    void write_host() {
        const u64 fields[][2] = {{0xc00, data0}, {0xc02, code64}, {0xc04, data0}, {0xc06, data0}, {0xc08, data0}, {0xc0a, data0}, {0xc0c, tss_selector}, {0x6c00, s().cr0},
                                 {0x6c02, s().cr3}, {0x6c04, s().cr4}, {0x6c0a, tss}, {0x6c0c, gdt}, {0x6c0e, idt}, {0x6c14, kernel_stack}, {0x6c16, host_rip}, {0x2c02, s().efer}};
        for (const auto& [field, value] : fields) write(field, value);
    }
};

}  // namespace vtsim::test
