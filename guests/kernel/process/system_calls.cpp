// SPDX-License-Identifier: Apache-2.0
#include "process/system_calls.h"

#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/print.h"
#include "common/serial.h"
#include "common/local_apic.h"
#include "process/process.h"

extern "C" char system_call_entry[];
extern "C" std::uint64_t system_call_stack;
extern "C" [[noreturn]] void leave_user_mode(std::uint64_t status);

namespace guest {
namespace {

u64 calls_of_count;

constexpr u64 rflags_cleared = 1u << 8 | 1u << 9 | 1u << 10 | 1u << 18;  // TF, IF, DF, AC

}  // namespace

// SDM vol. 3, "Fast System Calls in 64-Bit Mode".
void enable_system_calls() {
    system_call_stack = ring0_stack_top();
    write_msr(msr_efer, read_msr(msr_efer) | efer_sce);
    write_msr(msr_star, u64{kernel_code} << 32 | u64{user_code_32} << 48);
    write_msr(msr_lstar, reinterpret_cast<u64>(system_call_entry));
    write_msr(msr_fmask, rflags_cleared);
}

extern "C" u64 dispatch_system_call(u64 a, u64 b, u64, u64 number) {
    Process& process = *Process::current();
    switch (SystemCall(number)) {
        case SystemCall::exit: leave_user_mode(a);
        case SystemCall::map: return process.map(a, b);
        case SystemCall::map_file: return process.map_file(a, b);
        case SystemCall::protect: return process.protect(a, b);
        case SystemCall::unmap: return process.unmap(a, b);
        case SystemCall::count: return ++calls_of_count;
        case SystemCall::self_ipi: send_to_self(self_ipi_vector); return 0;
    }
    print("kernel: there is no system call ", number, "\n");
    exit_machine(1);
}

}  // namespace guest
