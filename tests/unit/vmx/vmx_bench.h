// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "vmx/vmx.h"

namespace vtsim::vmx::test {

// MSRs as a map; what is not in it faults.
class MapEnvironment final : public Environment {
public:
    arch::Outcome<u64> read_msr(u32 number) override {
        const auto entry = msrs.find(number);
        if (entry == msrs.end()) return arch::general_protection();
        return entry->second;
    }
    arch::Event write_msr(u32 number, u64 value) override {
        if (!msrs.contains(number)) return arch::general_protection();
        msrs[number] = value;
        return {};
    }
    [[nodiscard]] u64 tsc() const override { return clock; }

    std::map<u32, u64> msrs;
    u64 clock = 0;
};

// A processor in 64-bit mode with VMX and some memory, and the means to bring a valid VMCS for a 64-bit guest into it.
struct VmxBench {
    static constexpr u64 vmxon_region = 0x1000, vmcs_region = 0x2000, other_region = 0x3000, bitmaps = 0x10000, msr_area = 0x20000, virtual_apic = 0x30000;

    explicit VmxBench(const VmxParams& params = {}) : vmx(params, {}, state, memory, environment, root) {
        using namespace arch;
        state.cr0 = cr0::pe | cr0::ne | cr0::et | cr0::pg | cr0::wp;
        state.cr4 = cr4::pae | cr4::vmxe;
        state.efer = efer::lme | efer::lma | efer::sce | efer::nxe;
        state.cr3 = 0x5000;
        state.feature_control = 5;
        state.segment[cs] = {.base = 0, .limit = ~0U, .rights = 0xa09b, .selector = 8};
        state.segment[ss] = {.base = 0, .limit = ~0U, .rights = 0xc093, .selector = 16};
        for (const u64 region : {vmxon_region, vmcs_region, other_region}) memory.write<u32>(PhysicalAddress{region}, params.revision);
    }

    bool on() { return vmx.vmxon(vmxon_region).ok(); }
    void write(u64 encoding, u64 value) { vmx.vmwrite(encoding, value); }
    u64 read(u64 encoding) { return vmx.vmread(encoding).value; }
    void set(u64 encoding, u64 bits) { write(encoding, read(encoding) | bits); }
    void clear(u64 encoding, u64 bits) { write(encoding, read(encoding) & ~bits); }

    // VMXON, and a current VMCS that VM entry accepts: host and guest in 64-bit mode, no optional control.
    void make_current(u64 region = vmcs_region) {
        if (!vmx.in_vmx_operation()) on();
        vmx.vmclear(region);
        vmx.vmptrld(region);
        write_controls();
        write_host();
        write_guest();
    }

    void write_controls() {
        const auto& c = vmx.capabilities;
        write(0x4000, c.must_be_one(ControlWord::pin));
        write(0x4002, c.must_be_one(ControlWord::primary) | control::primary::activate_secondary_controls);
        write(0x401e, 0);
        write(0x400c, c.must_be_one(ControlWord::exit) | control::exit::host_address_space_size);
        write(0x4012, c.must_be_one(ControlWord::entry) | control::entry::ia_32e_mode_guest);
        write(0x2800, ~u64{0});
    }

    void write_host() {
        write(0x6c00, 0x80010031);
        write(0x6c02, 0x5000);
        write(0x6c04, 0x2020);
        write(0x0c02, 8);
        write(0x0c04, 16);
        write(0x0c0c, 24);
        write(0x6c06, 0x1111);
        write(0x6c08, 0x2222);
        write(0x6c0a, 0x3333);
        write(0x6c0c, 0x4444);
        write(0x6c0e, 0x5555);
        write(0x6c10, 0x6666);
        write(0x6c12, 0x7777);
        write(0x6c14, 0x8888);
        write(0x6c16, 0xffff'8000'0000'9999);
    }

    void write_guest() {
        write(0x6800, 0x80010031);
        write(0x6802, 0x6000);
        write(0x6804, 0x2020);
        write(0x681a, 0x400);
        write(0x681c, 0x7000);
        write(0x681e, 0x8000);
        write(0x6820, 2);
        for (unsigned i = 0; i < 8; ++i) {
            write(0x4814 + 2 * i, 0x10000);
            write(0x4800 + 2 * i, 0xffff);
        }
        write(0x0802, 8);
        write(0x4816, 0xa09b);
        write(0x4802, 0xffff'ffff);
        write(0x0804, 16);
        write(0x4818, 0xc093);
        write(0x4804, 0xffff'ffff);
        write(0x0806, 16);
        write(0x481a, 0xc093);
        write(0x4806, 0xffff'ffff);
        write(0x080e, 24);
        write(0x4822, 0x8b);
        write(0x480e, 0x67);
        write(0x4810, 0xffff);
        write(0x4812, 0xffff);
    }

    EntryResult launch() { return vmx.enter(true); }
    EntryResult resume() { return vmx.enter(false); }

    arch::State state;
    PhysicalMemory memory{4 * MiB};
    MapEnvironment environment;
    stats::Group root{nullptr, "cpu0"};
    Vmx vmx;
};

}  // namespace vtsim::vmx::test
