// SPDX-License-Identifier: Apache-2.0
// Ring 3: IRET there, and back by INT n, by a fault, by SYSCALL/SYSRET and by SYSENTER/SYSEXIT.
#include "checks.h"
#include "common/descriptors.h"
#include "common/interrupts.h"

extern "C" char user_page[], user_interrupt[], user_syscall[], user_sysenter[], user_privileged[], user_reads_kernel[];
extern "C" char syscall_entry[], sysenter_entry[];
extern "C" void enter_user(std::uint64_t rip, std::uint64_t rsp, std::uint64_t argument, std::uint64_t code_selector, std::uint64_t stack_selector);

namespace guest {
namespace {

constexpr u64 user_code_page = KernelSpace::free_linear, user_stack_page = KernelSpace::free_linear + 0x2000;
constexpr u64 round_trips = 5;
enum PageFaultError : u64 { pf_present = 1, pf_user = 4 };

struct Program {
    u64 rip, argument;
};

Caught run_user(u8 vector, const char* entry, u64 argument = 0) {
    const Program program{user_code_page + u64(entry - user_page), argument};
    return run_and_catch(vector, [](u64 at) {
        const auto& p = *reinterpret_cast<const Program*>(at);
        enter_user(p.rip, user_stack_page + 4096, p.argument, user_code | ring3, user_data | ring3);
    }, reinterpret_cast<u64>(&program));
}

// SDM vol. 3, "Fast System Calls in 64-Bit Mode" and "Performing Fast Calls to System Procedures with SYSENTER".
void prepare_fast_calls() {
    write_msr(msr_efer, read_msr(msr_efer) | efer_sce);
    write_msr(msr_star, u64{kernel_code} << 32 | u64{user_code_32} << 48);
    write_msr(msr_lstar, reinterpret_cast<u64>(syscall_entry));
    write_msr(msr_fmask, 0x200);
    write_msr(msr_sysenter_cs, kernel_code);
    write_msr(msr_sysenter_eip, reinterpret_cast<u64>(sysenter_entry));
    write_msr(msr_sysenter_esp, 0);
}

}  // namespace

void check_user_mode(Checks& checks, Context& context) {
    context.space.map_page(user_code_page, reinterpret_cast<u64>(user_page), page_user);
    context.space.map_page(user_stack_page, context.memory.take_zeroed_page(), page_user | page_write);
    prepare_fast_calls();

    const Caught interrupt = run_user(user_return_vector, user_interrupt);
    checks.check("IRET to ring 3, INT n back", interrupt.vector == user_return_vector && interrupt.cs == (user_code | ring3) && interrupt.rax == 0x55);
    const Caught privileged = run_user(general_protection, user_privileged);
    checks.check("#GP: CLI in ring 3", privileged.vector == general_protection && privileged.error_code == 0 && privileged.cs == (user_code | ring3));
    const u64 kernel_address = reinterpret_cast<u64>(syscall_entry);
    const Caught kernel_page = run_user(page_fault, user_reads_kernel, kernel_address);
    checks.check("#PF: ring 3 reads a supervisor page, error 5",
                 kernel_page.vector == page_fault && kernel_page.error_code == (pf_present | pf_user) && kernel_page.cr2 == kernel_address);

    const Caught syscall = run_user(user_return_vector, user_syscall, round_trips);
    checks.check("SYSCALL and SYSRET", syscall.rax == round_trips && syscall.r8 == kernel_code && syscall.cs == (user_code | ring3));
    // AMD APM vol. 3, "SYSENTER": #UD in long mode.
    if (cpuid_1_edx(11) && intel_processor()) {
        const Caught sysenter = run_user(user_return_vector, user_sysenter, round_trips);
        checks.check("SYSENTER and SYSEXIT", sysenter.rax == round_trips && sysenter.r9 == kernel_code && sysenter.cs == (user_code | ring3));
    } else {
        checks.skip("SYSENTER and SYSEXIT", "the processor has none in 64-bit mode");
    }
    write_msr(msr_efer, read_msr(msr_efer) & ~u64{efer_sce});
    checks.check("#UD: SYSCALL with EFER.SCE = 0", run_user(invalid_opcode, user_syscall, 1).vector == invalid_opcode);
}

}  // namespace guest
