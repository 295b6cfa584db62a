// SPDX-License-Identifier: Apache-2.0
#include "differential/native.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

namespace vtsim::differential {
namespace {

// What the assembly below shares with C++. Offsets are written out there.
struct Context {
    u64 gpr[16];
    u64 rflags;                   // 128
    u64 target;                   // 136
    u64 host_rsp;                 // 144
    u64 host_mxcsr;               // 152
    alignas(16) cpu::exec::FxsaveArea fx;      // 160
    u8 high[16][16];              // 672: upper halves of YMM
    u64 avx;                      // 928: whether the host has them
    u64 bases;                    // 936: whether user code may move FS and GS
    u64 fs_base, gs_base;         // 944, 952: of the code
    u64 host_fs_base, host_gs_base;            // 960, 968
};
static_assert(offsetof(Context, rflags) == 128 && offsetof(Context, target) == 136 && offsetof(Context, host_rsp) == 144 && offsetof(Context, fx) == 160 && offsetof(Context, high) == 672 &&
              offsetof(Context, avx) == 928 && offsetof(Context, bases) == 936 && offsetof(Context, fs_base) == 944 && offsetof(Context, host_fs_base) == 960);

}  // namespace
}  // namespace vtsim::differential

extern "C" {
vtsim::differential::Context vtsim_native;
void vtsim_native_enter();
void vtsim_native_exit();         // the code jumps here at its end
void vtsim_native_return();       // the signal handler comes back here
}

// The registers of Context follow the processor's numbering: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
__asm__(R"(
    .pushsection .text
    .macro move_registers direction
    offset = 0
    .irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    .ifc \direction, load
    mov vtsim_native+offset(%rip), %\register
    .else
    mov %\register, vtsim_native+offset(%rip)
    .endif
    offset = offset + 8
    .endr
    .endm
    .macro change_bases old, new
    rdfsbase %rax
    mov %rax, vtsim_native+\old(%rip)
    rdgsbase %rax
    mov %rax, vtsim_native+\old+8(%rip)
    mov vtsim_native+\new(%rip), %rax
    wrfsbase %rax
    mov vtsim_native+\new+8(%rip), %rax
    wrgsbase %rax
    .endm
    .globl vtsim_native_enter, vtsim_native_exit, vtsim_native_return
vtsim_native_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, vtsim_native+144(%rip)
    stmxcsr vtsim_native+152(%rip)
    fxrstor vtsim_native+160(%rip)
    cmpq $0, vtsim_native+928(%rip)
    je 1f
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vinsertf128 $1, vtsim_native+672+16*\number(%rip), %ymm\number, %ymm\number
    .endr
1:
    cmpq $0, vtsim_native+936(%rip)
    je 2f
    change_bases 960, 944
2:
    push vtsim_native+128(%rip)
    popfq
    move_registers load
    jmp *vtsim_native+136(%rip)
vtsim_native_exit:
    move_registers store
    mov vtsim_native+144(%rip), %rsp
    pushfq
    pop vtsim_native+128(%rip)
    fxsave vtsim_native+160(%rip)
    cmpq $0, vtsim_native+928(%rip)
    je 1f
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vextractf128 $1, %ymm\number, vtsim_native+672+16*\number(%rip)
    .endr
1:
    cmpq $0, vtsim_native+936(%rip)
    je vtsim_native_return
    change_bases 944, 960
vtsim_native_return:
    cld
    cmpq $0, vtsim_native+928(%rip)
    je 1f
    vzeroupper
1:
    fninit
    ldmxcsr vtsim_native+152(%rip)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .popsection
)");

namespace vtsim::differential {
namespace {

struct Signal {
    int vector = no_vector;
    u64 error_code = 0, cr2 = 0, rip = 0;
} caught;

constexpr int gpr_of_context[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// Upper halves of YMM in a signal frame: Linux, arch/x86/include/uapi/asm/sigcontext.h; standard XSAVE format, all zeros when not in use.
void read_high_halves(const u8* area) {
    constexpr std::size_t magic_at = 464, header_at = 512, high_at = 576;
    constexpr u32 magic = 0x46505853;
    u32 found = 0;
    u64 in_use = 0;
    std::memcpy(&found, area + magic_at, sizeof found);
    std::memset(vtsim_native.high, 0, sizeof vtsim_native.high);
    if (found != magic) return;
    std::memcpy(&in_use, area + header_at, sizeof in_use);
    if ((in_use & 4) != 0) std::memcpy(vtsim_native.high, area + high_at, sizeof vtsim_native.high);
}

// FS is the code's own, and with it the thread's storage is out of reach: first of all the host's again. The handler's own prologue must not want it.
[[gnu::no_stack_protector]] void on_signal(int, siginfo_t*, void* raw) {
    if (vtsim_native.bases != 0)
        __asm__ volatile("rdfsbase %0\n\trdgsbase %1\n\twrfsbase %2\n\twrgsbase %3"
                         : "=&r"(vtsim_native.fs_base), "=&r"(vtsim_native.gs_base)
                         : "r"(vtsim_native.host_fs_base), "r"(vtsim_native.host_gs_base));
    auto& context = *static_cast<ucontext_t*>(raw);
    auto& registers = context.uc_mcontext.gregs;
    const auto rip = static_cast<u64>(registers[REG_RIP]);
    if (rip >= code_page + page || rip < code_page) {
        signal(SIGSEGV, SIG_DFL);                        // not the code under test: a defect of the runner
        return;
    }
    for (unsigned i = 0; i < 16; ++i) vtsim_native.gpr[i] = static_cast<u64>(registers[gpr_of_context[i]]);
    vtsim_native.rflags = static_cast<u64>(registers[REG_EFL]);
    std::memcpy(&vtsim_native.fx, context.uc_mcontext.fpregs, sizeof vtsim_native.fx);
    if (vtsim_native.avx != 0) read_high_halves(reinterpret_cast<const u8*>(context.uc_mcontext.fpregs));
    caught = {static_cast<int>(registers[REG_TRAPNO]), static_cast<u64>(registers[REG_ERR]), static_cast<u64>(registers[REG_CR2]), rip};
    registers[REG_RIP] = static_cast<greg_t>(reinterpret_cast<u64>(&vtsim_native_return));
    registers[REG_RSP] = static_cast<greg_t>(vtsim_native.host_rsp);
    registers[REG_EFL] = 2;
    // The state that sigreturn loads must not have an exception pending.
    auto* fx = reinterpret_cast<cpu::exec::FxsaveArea*>(context.uc_mcontext.fpregs);
    fx->status = 0;
    fx->control = 0x37f;
    fx->mxcsr = 0x1f80;
}

void map(u64 address, u64 bytes, int protection) {
    void* at = mmap(reinterpret_cast<void*>(address), bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
    if (at != reinterpret_cast<void*>(address)) throw std::runtime_error("the differential test needs linear addresses from 0x1200000 on for itself");
}

std::vector<u8>& signal_stack() {
    static std::vector<u8> stack(256 * KiB);
    return stack;
}

}  // namespace

NativeProcessor::NativeProcessor() {
    map(code_page, page, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(data_start, data_bytes, PROT_READ | PROT_WRITE);
    if (mprotect(reinterpret_cast<void*>(data_start + writable_bytes), page, PROT_READ) != 0) throw std::runtime_error("mprotect fails");
    stack_t stack{};
    stack.ss_sp = signal_stack().data();
    stack.ss_size = signal_stack().size();
    if (sigaltstack(&stack, nullptr) != 0) throw std::runtime_error("sigaltstack fails");
    struct sigaction action{};
    action.sa_sigaction = &on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigaction(number, &action, nullptr);
}

NativeProcessor::~NativeProcessor() {
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) signal(number, SIG_DFL);
    munmap(reinterpret_cast<void*>(code_page), page);
    munmap(reinterpret_cast<void*>(data_start), data_bytes);
}

// Linux, Documentation/arch/x86/x86_64/fsgs.rst.
bool NativeProcessor::has_bases() {
    constexpr unsigned long hwcap2_fsgsbase = 2;
    return (getauxval(AT_HWCAP2) & hwcap2_fsgsbase) != 0;
}

void NativeProcessor::fill_read_only(const u8* bytes) {
    auto* const at = reinterpret_cast<void*>(data_start + writable_bytes);
    mprotect(at, page, PROT_READ | PROT_WRITE);
    std::memcpy(at, bytes, page);
    mprotect(at, page, PROT_READ);
}

Outcome NativeProcessor::run(std::span<const u8> code, const Registers& start) {
    auto* const at = reinterpret_cast<u8*>(code_page);
    std::memcpy(at, code.data(), code.size());
    constexpr u8 jump[6] = {0xff, 0x25, 0, 0, 0, 0};     // JMP [RIP+0]
    const u64 target = reinterpret_cast<u64>(&vtsim_native_exit);
    std::memcpy(at + code.size(), jump, sizeof jump);
    std::memcpy(at + code.size() + sizeof jump, &target, sizeof target);

    std::memcpy(vtsim_native.gpr, start.gpr.data(), sizeof vtsim_native.gpr);
    vtsim_native.rflags = start.rflags;
    vtsim_native.target = code_page;
    vtsim_native.fx = start.fx;
    vtsim_native.avx = __builtin_cpu_supports("avx") != 0;
    std::memcpy(vtsim_native.high, start.high.data(), sizeof vtsim_native.high);
    vtsim_native.bases = has_bases();
    vtsim_native.fs_base = start.fs_base, vtsim_native.gs_base = start.gs_base;
    caught = {};
    vtsim_native_enter();

    Outcome outcome;
    std::memcpy(outcome.registers.gpr.data(), vtsim_native.gpr, sizeof vtsim_native.gpr);
    outcome.registers.rflags = vtsim_native.rflags;
    outcome.registers.fx = vtsim_native.fx;
    std::memcpy(outcome.registers.high.data(), vtsim_native.high, sizeof vtsim_native.high);
    outcome.registers.fs_base = vtsim_native.fs_base, outcome.registers.gs_base = vtsim_native.gs_base;
    outcome.registers.rip = caught.vector == no_vector ? code_page + code.size() : caught.rip;
    outcome.vector = caught.vector;
    outcome.error_code = caught.error_code;
    outcome.cr2 = caught.cr2;
    return outcome;
}

}  // namespace vtsim::differential
