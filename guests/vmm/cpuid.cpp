// SPDX-License-Identifier: Apache-2.0
// What the guest sees of the processor: the real one without VMX, and the VMM's own leaf.
#include "capabilities.h"
#include "common/cpu.h"
#include "common/interrupts.h"
#include "exits.h"
#include "hypercall.h"

namespace guest {
namespace {

// SDM vol. 2, "CPUID": leaf 1, ECX.
constexpr u32 leaf_1_x2apic = 1u << 21, leaf_1_tsc_deadline = 1u << 24, leaf_1_apic = 1u << 9;
constexpr u32 leaf_1_pcid = 1u << 17, leaf_7_invpcid = 1u << 10, leaf_7_pku = 1u << 3, leaf_7_la57 = 1u << 16;
constexpr u32 leaf_1_vmx = 1u << 5, leaf_1_smx = 1u << 6, leaf_1_osxsave = 1u << 27, leaf_1_hypervisor = 1u << 31;
constexpr u32 leaf_xsave = 0xd, leaf_xsave_1_xsaves = 1u << 3;

constexpr u32 leaf_80000001_syscall = 1u << 11;

bool guest_cr4_has(u64 bit) { return vmread(Field::guest_cr4) & bit; }

// A 64-bit code segment, which counts in IA-32e mode only.
bool guest_in_64_bit_mode() {
    constexpr u64 long_code = 1u << 13;
    return vmread(Field::entry_controls) & guest_is_ia32e && vmread(of_segment(Field::guest_es_access_rights, Segment::cs)) & long_code;
}

}  // namespace

void handle_cpuid(Vcpu& vcpu) {
    GuestRegisters& r = vcpu.registers;
    const u32 leaf = u32(r.rax);
    CpuidResult result;
    if (leaf == hypervisor_leaf) {
        result = {hypervisor_leaf, hypervisor_signature[0], hypervisor_signature[1], hypervisor_signature[2]};
    } else {
        result = cpuid(leaf, u32(r.rcx));
        if (leaf == 1) {
            result.ecx = (result.ecx & ~(leaf_1_vmx | leaf_1_smx | leaf_1_osxsave)) | leaf_1_hypervisor;
            if (guest_cr4_has(cr4_osxsave)) result.ecx |= leaf_1_osxsave;  // it shows CR4 of whoever asks
            if (vcpu.shadow) result.ecx &= ~leaf_1_pcid;
            if (!vcpu.alone) {
                result.ecx &= ~(leaf_1_x2apic | leaf_1_tsc_deadline);
                result.edx &= ~leaf_1_apic;
            }
        }
        if (leaf == leaf_xsave && u32(r.rcx) == 1) result.eax &= ~leaf_xsave_1_xsaves;          // a guest has no IA32_XSS
        // The VMM itself asks in 64-bit mode, the only one that shows it on Intel's processors: SDM vol. 2, "CPUID".
        if (leaf == 0x80000001 && intel_processor() && !guest_in_64_bit_mode()) result.edx &= ~leaf_80000001_syscall;
        // Shadow paging knows 4-level paging with the rights of its entries.
        if (leaf == 7 && vcpu.shadow && u32(r.rcx) == 0) {
            result.ebx &= ~leaf_7_invpcid;
            result.ecx &= ~(leaf_7_pku | leaf_7_la57);
        }
    }
    r.rax = result.eax;
    r.rbx = result.ebx;
    r.rcx = result.ecx;
    r.rdx = result.edx;
    skip_instruction(vcpu);
}

// SDM vol. 2, "XSETBV". The exit comes before the checks of its operands.
void handle_xsetbv(Vcpu& vcpu) {
    const GuestRegisters& r = vcpu.registers;
    const u64 value = u64{u32(r.rdx)} << 32 | u32(r.rax);
    const bool consistent = value & xcr0_x87 && (!(value & xcr0_avx) || value & xcr0_sse);
    if (u32(r.rcx) != 0 || !consistent || value & ~xcr0_supported()) return inject_exception(general_protection, 0);
    write_xcr0(value);
    skip_instruction(vcpu);
}

}  // namespace guest
