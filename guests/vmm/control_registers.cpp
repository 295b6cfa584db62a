// SPDX-License-Identifier: Apache-2.0
// Writes of CR0 and CR4 that would change a bit of the VMM's. SDM vol. 3, "MOV-CR Exceptions", "Initializing IA-32e Mode".
#include "common/cpu.h"
#include "common/interrupts.h"
#include "exits.h"
#include "shadow/shadow.h"
#include "stop.h"

namespace guest {
namespace {

constexpr u64 cr0_nw = 1u << 29, cr0_cd = 1u << 30, efer_lme = 1u << 8, efer_lma = 1u << 10;

// What the processor would do: the long-mode flag follows PG.
bool switch_paging(u64 now, u64 value) {
    if (!((now ^ value) & cr0_pg)) return true;
    const u64 efer = vmread(Field::guest_efer);
    const u64 entry = vmread(Field::entry_controls);
    const bool to_ia32e = value & cr0_pg && efer & efer_lme;
    if (to_ia32e && !(vmread(Field::guest_cr4) & cr4_pae)) return false;
    vmwrite(Field::guest_efer, to_ia32e ? efer | efer_lma : efer & ~efer_lma);
    vmwrite(Field::entry_controls, to_ia32e ? entry | guest_is_ia32e : entry & ~u64{guest_is_ia32e});
    return true;
}

bool write_guest_cr0(u64 value) {
    const u64 now = vmread(Field::guest_cr0), mask = vmread(Field::cr0_mask);
    if (value >> 32 || (value & cr0_pg && !(value & cr0_pe)) || (value & cr0_nw && !(value & cr0_cd))) return false;
    if (!switch_paging(now, value)) return false;
    vmwrite(Field::cr0_shadow, value);
    vmwrite(Field::guest_cr0, value | mask);
    return true;
}

// CR4.VMXE is the only bit that VMX operation fixes, and the guest has no VMX.
bool write_guest_cr4(u64) { return false; }

bool write_cr(Vcpu& vcpu, unsigned number, u64 value) {
    if (!vcpu.shadow) return number == 0 ? write_guest_cr0(value) : write_guest_cr4(value);
    return number == 0 ? vcpu.shadow->load_cr0(value) : number == 3 ? vcpu.shadow->load_cr3(value) : vcpu.shadow->load_cr4(value);
}

}  // namespace

void handle_cr_access(Vcpu& vcpu) {
    // SDM vol. 3, "Exit Qualification for Control-Register Accesses". CLTS and LMSW touch no bit of the masks.
    const u64 qualification = vmread(Field::exit_qualification);
    const unsigned number = qualification & 15, type = qualification >> 4 & 3, gpr = qualification >> 8 & 15;
    constexpr unsigned mov_to_cr = 0, mov_from_cr = 1, rsp = 4;
    if (type == mov_from_cr && number == 3 && vcpu.shadow) {
        if (gpr == rsp) vmwrite(Field::guest_rsp, vcpu.shadow->cr3());
        else vcpu.gpr(gpr) = vcpu.shadow->cr3();
        return skip_instruction(vcpu);
    }
    if (type != mov_to_cr || (number != 0 && number != 4 && (number != 3 || !vcpu.shadow))) stop("unexpected access of CR", number, ", qualification ", hex(qualification));
    const u64 value = gpr == rsp ? vmread(Field::guest_rsp) : vcpu.gpr(gpr);
    if (!write_cr(vcpu, number, value)) return inject_exception(general_protection, 0);
    skip_instruction(vcpu);
}

}  // namespace guest
