// SPDX-License-Identifier: Apache-2.0
#include "capabilities.h"

#include "common/cpu.h"
#include "stop.h"
#include "vmx.h"

namespace guest {
namespace {

enum : u32 {
    msr_vmx_basic = 0x480,
    msr_vmx_pin = 0x481,
    msr_vmx_primary = 0x482,
    msr_vmx_exit = 0x483,
    msr_vmx_entry = 0x484,
    msr_vmx_cr0_fixed0 = 0x486,
    msr_vmx_cr4_fixed0 = 0x488,
    msr_vmx_secondary = 0x48b,
    msr_vmx_ept_vpid = 0x48c,
    msr_vmx_true_pin = 0x48d,
    msr_vmx_true_primary = 0x48e,
    msr_vmx_true_exit = 0x48f,
    msr_vmx_true_entry = 0x490,
};
constexpr u64 basic_true_controls = u64{1} << 55;
constexpr u64 feature_control_locked = 1, feature_control_vmxon = 4;

struct ControlSet {
    const char* name;
    u32 msr, true_msr;
};
constexpr ControlSet control_sets[] = {
    {"pin-based", msr_vmx_pin, msr_vmx_true_pin},
    {"primary processor-based", msr_vmx_primary, msr_vmx_true_primary},
    {"secondary processor-based", msr_vmx_secondary, msr_vmx_secondary},
    {"VM-exit", msr_vmx_exit, msr_vmx_true_exit},
    {"VM-entry", msr_vmx_entry, msr_vmx_true_entry},
};

u64 allowed(Controls set) {
    const ControlSet& row = control_sets[int(set)];
    return read_msr(read_msr(msr_vmx_basic) & basic_true_controls ? row.true_msr : row.msr);
}

}  // namespace

u32 choose_controls(Controls set, u32 wanted, u32 optional) {
    const u64 msr = allowed(set);
    const u32 must_be_1 = u32(msr), may_be_1 = u32(msr >> 32);
    if (const u32 missing = wanted & ~may_be_1) stop("the processor has no ", control_sets[int(set)].name, " VM-execution controls ", hex(missing));
    return wanted | (optional & may_be_1) | must_be_1;
}

u64 ept_capabilities() {
    if (!(allowed(Controls::primary) >> 32 & activate_secondary)) return 0;
    return allowed(Controls::secondary) >> 32 & enable_ept ? read_msr(msr_vmx_ept_vpid) : 0;
}

u64 cr0_fixed_ones() { return read_msr(msr_vmx_cr0_fixed0); }
u64 cr4_fixed_ones() { return read_msr(msr_vmx_cr4_fixed0); }
u32 vmcs_revision() { return u32(read_msr(msr_vmx_basic)) & 0x7fffffff; }

bool has_xsave() { return cpuid_1_ecx(26); }
u64 xcr0_supported() {
    const CpuidResult state = cpuid(0xd);
    return u64{state.edx} << 32 | state.eax;
}

void enter_vmx_operation(MemoryPool& memory) {
    constexpr unsigned cpuid_vmx = 5;
    if (!cpuid_1_ecx(cpuid_vmx)) stop("the processor has no VMX");
    const u64 control = read_msr(msr_feature_control);
    if (!(control & feature_control_locked)) write_msr(msr_feature_control, control | feature_control_locked | feature_control_vmxon);
    else if (!(control & feature_control_vmxon)) stop("the firmware has locked VMX out (IA32_FEATURE_CONTROL)");

    write_cr0(read_cr0() | cr0_fixed_ones());
    write_cr4(read_cr4() | cr4_fixed_ones());
    if (has_xsave()) {
        write_cr4(read_cr4() | cr4_osxsave);
        write_xcr0(xcr0_x87);       // as after a reset: what the first guest finds
    }
    const u64 region = memory.take_zeroed_page();
    *reinterpret_cast<u32*>(region) = vmcs_revision();
    if (!vmxon(region)) stop("VMXON failed");
}

}  // namespace guest
