// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Exception and Interrupt Reference" and "Page-Fault Exception (#PF)" for the error codes.
#include "checks.h"
#include "common/descriptors.h"
#include "common/interrupts.h"

namespace guest {
namespace {

enum PageFaultError : u64 { pf_present = 1, pf_write = 2, pf_fetch = 16 };

constexpr u64 unmapped = KernelSpace::free_linear + 64 * mib;
constexpr u64 read_only = KernelSpace::free_linear + 65 * mib;
constexpr u64 non_canonical = u64{1} << 63;

void read_byte(u64 address) { asm volatile("movb (%0), %%al" ::"r"(address) : "rax"); }
void write_byte(u64 address) { asm volatile("movb $0, (%0)" ::"r"(address) : "memory"); }
void jump_to(u64 address) { asm volatile("call *%0" ::"r"(address) : "memory"); }

void check_page_faults(Checks& checks, Context& context) {
    const auto page_fault_is = [](const Caught& c, u64 error, u64 address) { return c.vector == page_fault && c.error_code == error && c.cr2 == address; };
    checks.check("#PF: read of an unmapped address, error 0", page_fault_is(run_and_catch(page_fault, read_byte, unmapped + 5), 0, unmapped + 5));
    checks.check("#PF: write to an unmapped address, error 2", page_fault_is(run_and_catch(page_fault, write_byte, unmapped + 6), pf_write, unmapped + 6));

    const u64 page = context.memory.take_zeroed_page();
    *reinterpret_cast<u8*>(page) = 0xc3;  // RET
    const u64 no_execute = KernelSpace::no_execute() ? u64{page_no_execute} : 0;
    context.space.map_page(read_only, page, no_execute);
    checks.check("#PF: write to a read-only page (CR0.WP), error 3",
                 page_fault_is(run_and_catch(page_fault, write_byte, read_only + 7), pf_present | pf_write, read_only + 7));
    checks.check("a read-only page can be read", run_and_catch(page_fault, read_byte, read_only).vector == Caught::no_fault);
    if (no_execute)
        checks.check("#PF: fetch from an execute-disable page, error 0x11",
                     page_fault_is(run_and_catch(page_fault, jump_to, read_only), pf_present | pf_fetch, read_only));
    else
        checks.skip("#PF: fetch from an execute-disable page", "no NX");
    context.space.map_page(read_only, page, page_write);
    checks.check("the page after INVLPG: writable and executable", run_and_catch(page_fault, [](u64 address) {
                                                                       jump_to(address);
                                                                       write_byte(address);
                                                                   }, read_only).vector == Caught::no_fault);
}

void double_fault_on_bad_stack(u64 stack) {
    // #UD cannot be pushed (#PF), nor can that #PF: SDM vol. 3, "Interrupt 8 - Double Fault Exception (#DF)".
    asm volatile("movq %0, %%rsp\n\tud2" ::"r"(stack) : "memory");
}

u64 software_interrupts;
void count_software_interrupt(InterruptFrame& frame) { software_interrupts += frame.rax; }

}  // namespace

void check_exceptions(Checks& checks, Context& context) {
    const auto divide = [](u64 divisor) { asm volatile("xor %%edx, %%edx; mov $7, %%eax; divl %k0" ::"r"(divisor) : "rax", "rdx", "cc"); };
    checks.check("DIV by one does not fault", run_and_catch(divide_error, divide, 1).vector == Caught::no_fault);
    checks.check("#DE: DIV by zero", run_and_catch(divide_error, divide, 0).vector == divide_error);
    checks.check("#BP: INT3", run_and_catch(breakpoint, [](u64) { asm volatile("int3"); }).vector == breakpoint);
    checks.check("#UD: UD2", run_and_catch(invalid_opcode, [](u64) { asm volatile("ud2"); }).vector == invalid_opcode);

    const Caught address = run_and_catch(general_protection, read_byte, non_canonical);
    checks.check("#GP: non-canonical address, error 0", address.vector == general_protection && address.error_code == 0);
    const Caught selector = run_and_catch(general_protection, [](u64 value) { asm volatile("mov %0, %%es" ::"r"(u32(value))); }, 0x1230);
    checks.check("#GP: selector beyond the GDT, error = selector", selector.vector == general_protection && selector.error_code == 0x1230);
    const Caught busy = run_and_catch(general_protection, [](u64 tss) { asm volatile("ltr %w0" ::"r"(tss)); }, task_state);
    checks.check("#GP: LTR of a busy TSS, error = selector", busy.vector == general_protection && busy.error_code == task_state);

    check_page_faults(checks, context);
    checks.check("#DF on its own stack (IST)", run_and_catch(double_fault, double_fault_on_bad_stack, unmapped).vector == double_fault);

    handle_interrupt(software_vector, count_software_interrupt);
    for (u64 i = 1; i <= 3; ++i) asm volatile("int $0x81" ::"a"(i) : "memory");
    handle_interrupt(software_vector, nullptr);
    checks.check("INT n and IRET", software_interrupts == 6);
}

}  // namespace guest
