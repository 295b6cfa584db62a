// SPDX-License-Identifier: Apache-2.0
#include "exits.h"

#include <iterator>

#include "common/interrupts.h"
#include "hypercall.h"
#include "shadow/shadow.h"
#include "stop.h"

namespace guest {
namespace {

void end_guest(Vcpu& vcpu, u32 status) {
    vcpu.running = false;
    vcpu.status = status;
}

// SDM vol. 3, "Information for VM Exits Due to Vectored Events": an IRET that had ended the blocking of NMIs will be executed again.
void block_nmi_again(u64 information) {
    constexpr u64 unblocked_nmi = 1u << 12;
    if (information & unblocked_nmi && !(vmread(Field::idt_vectoring) & event_valid))
        vmwrite(Field::guest_interruptibility, vmread(Field::guest_interruptibility) | blocked_by_nmi);
}

void handle_exception(Vcpu& vcpu) {
    const u64 information = vmread(Field::exit_interruption);
    constexpr unsigned page_fault = 14;
    if ((information & 0xff) != page_fault || !vcpu.shadow) stop("unexpected exit by exception or NMI: ", hex(information));
    block_nmi_again(information);
    vcpu.shadow->page_fault(vcpu);
}

void handle_invlpg(Vcpu& vcpu) {
    vcpu.shadow->invalidate_page(vmread(Field::exit_qualification));
    skip_instruction(vcpu);
}

// The guest waits for an interrupt in the processor itself (SDM vol. 3, "Guest Non-Register State": activity state HLT).
void handle_hlt(Vcpu& vcpu) {
    constexpr u64 rflags_if = 1u << 9;
    skip_instruction(vcpu);
    const bool interruptible = vmread(Field::guest_rflags) & rflags_if;
    if (interruptible && vcpu.alone) return vmwrite(Field::guest_activity, halted);
    print("vmm: ", vcpu.name, " halted ", interruptible ? "and has nothing that could interrupt it\n" : "with interrupts off\n");
    print_guest_state(vcpu);
    end_guest(vcpu, 1);
}

void handle_vmcall(Vcpu& vcpu) {
    ++vcpu.hypercalls;
    vcpu.registers.rax = vcpu.registers.rax == hypercall_nop ? vcpu.hypercalls : ~u64{0};
    skip_instruction(vcpu);
}

void handle_invd(Vcpu& vcpu) {
    asm volatile("wbinvd" ::: "memory");  // INVD would lose what the VMM has written
    skip_instruction(vcpu);
}

// The guest is told that it has no VMX and no SMX.
void handle_undefined(Vcpu&) { inject_exception(invalid_opcode); }

void handle_ept_violation(Vcpu& vcpu) {
    const u64 qualification = vmread(Field::exit_qualification), address = vmread(Field::guest_physical_address);
    block_nmi_again(qualification);
    // A leaf that was not present has no cached mapping: nothing to invalidate.
    if (vcpu.ept->map_at(address)) return;
    constexpr u64 write = 2, fetch = 4;
    print("vmm: the guest ", qualification & fetch ? "executes" : qualification & write ? "writes" : "reads", " guest-physical address ", hex(address),
          ", where it has neither memory nor a device\n");
    print_guest_state(vcpu);
    end_guest(vcpu, 1);
}

struct Row {
    ExitReason reason;
    const char* name;  // as the SDM's table of basic exit reasons has it
    void (*handle)(Vcpu&);
};
constexpr Row rows[] = {
    {ExitReason::exception_or_nmi, "Exception or NMI", handle_exception},
    {ExitReason::triple_fault, "Triple fault", triple_fault},
    {ExitReason::cpuid, "CPUID", handle_cpuid},
    {ExitReason::getsec, "GETSEC", handle_undefined},
    {ExitReason::hlt, "HLT", handle_hlt},
    {ExitReason::invd, "INVD", handle_invd},
    {ExitReason::invlpg, "INVLPG", handle_invlpg},
    {ExitReason::vmcall, "VMCALL", handle_vmcall},
    {ExitReason::vmclear, "VMCLEAR", handle_undefined},
    {ExitReason::vmlaunch, "VMLAUNCH", handle_undefined},
    {ExitReason::vmptrld, "VMPTRLD", handle_undefined},
    {ExitReason::vmptrst, "VMPTRST", handle_undefined},
    {ExitReason::vmread, "VMREAD", handle_undefined},
    {ExitReason::vmresume, "VMRESUME", handle_undefined},
    {ExitReason::vmwrite, "VMWRITE", handle_undefined},
    {ExitReason::vmxoff, "VMXOFF", handle_undefined},
    {ExitReason::vmxon, "VMXON", handle_undefined},
    {ExitReason::cr_access, "Control-register accesses", handle_cr_access},
    {ExitReason::io_instruction, "I/O instruction", handle_io},
    {ExitReason::rdmsr, "RDMSR", handle_rdmsr},
    {ExitReason::wrmsr, "WRMSR", handle_wrmsr},
    {ExitReason::ept_violation, "EPT violation", handle_ept_violation},
    {ExitReason::invept, "INVEPT", handle_undefined},
    {ExitReason::preemption_timer, "VMX-preemption timer expired", [](Vcpu& vcpu) { vcpu.slice_over = true; }},
    {ExitReason::invvpid, "INVVPID", handle_undefined},
    {ExitReason::xsetbv, "XSETBV", handle_xsetbv},
};

// From a reason to its row in one step.
struct Index {
    u8 row[exit_reason_count];
    constexpr Index() : row{} {
        for (u8& at : row) at = std::size(rows);
        for (unsigned i = 0; i < std::size(rows); ++i) row[unsigned(rows[i].reason)] = u8(i);
    }
};
constexpr Index rows_by_reason;

const Row* find_row(ExitReason reason) {
    const unsigned number = unsigned(reason);
    return number < exit_reason_count && rows_by_reason.row[number] < std::size(rows) ? &rows[rows_by_reason.row[number]] : nullptr;
}

}  // namespace

void triple_fault(Vcpu& vcpu) {
    print("vmm: triple fault in ", vcpu.name, "\n");
    print_guest_state(vcpu);
    end_guest(vcpu, 1);
}

void handle_exit(Vcpu& vcpu, ExitReason reason) {
    const Row* const row = find_row(reason);
    if (!row) {
        print_guest_state(vcpu);
        stop("no handler for exit reason ", u32(reason), ", qualification ", hex(vmread(Field::exit_qualification)));
    }
    ++vcpu.exits[unsigned(reason)];
    row->handle(vcpu);
}

const char* exit_name(ExitReason reason) {
    const Row* const row = find_row(reason);
    return row ? row->name : nullptr;
}

}  // namespace guest
