// SPDX-License-Identifier: Apache-2.0
#include "usermode/processor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cpu/cpuid.h"
#include "cpu/exec/segment_load.h"

namespace vtsim::usermode {
namespace {

// Linear addresses of the supervisor, a page each.
constexpr u64 supervisor = 0xffff'8000'0000'0000;
constexpr u64 descriptors = supervisor, idt = supervisor + 0x1000, handlers = supervisor + 0x2000, entry = supervisor + 0x3000, stack = supervisor + 0x4000;
constexpr u64 stack_top = stack + page_size, supervisor_bytes = stack_top - supervisor;
constexpr u64 tss = descriptors + 0x100;
constexpr u64 tss_bytes = 104, handler_bytes = 16, vectors = 256;

// Selectors as Linux has them: SYSCALL loads 08H and 10H, SYSRET 33H and 2BH.
constexpr u16 supervisor_code = 0x08, sysret_base = 0x23, tss_selector = 0x40;
constexpr u8 hlt = 0xf4;
constexpr std::array<u8, 4> entry_code{hlt, 0x48, 0x0f, 0x07};       // HLT; SYSRETQ
constexpr u64 after_hlt = entry + 1;
constexpr u64 initial_flags = arch::rflags::one | arch::rflags::if_;
constexpr u64 forever = u64{1} << 62;                                // cycles

constexpr u64 flat(u64 access, u64 flags) { return 0x000f'0000'0000'ffff | access << 40 | flags << 52; }

const char* exception_name(u64 vector) {
    static constexpr const char* names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS", "#NP", "#SS", "#GP", "#PF", "", "#MF", "#AC", "#MC", "#XM"};
    return vector < std::size(names) ? names[vector] : "";
}

}  // namespace

Processor::Processor(cpu::Mode mode, const cpu::CoreParams& params) : core_{0, params, {memory_, bus_, io_, hierarchy_, costs_}, root_} {
    core_.on_log = [this](const std::string& line) { log_.push_back(line); };
    write_supervisor_pages();
    set_control_registers();
    core_.set_mode(mode);
    space_.on_change([this](u64 linear) { core_.mmu.invlpg(linear); });
}

void Processor::write_supervisor_pages() {
    space_.map(supervisor, supervisor_bytes, {.read = true, .write = true, .execute = true, .user = false});
    const std::array<u64, 10> gdt{0, flat(0x9b, 0xa), flat(0x93, 0xc), 0, flat(0xfb, 0xc), flat(0xf3, 0xc), flat(0xfb, 0xa), 0,
                                  (tss_bytes - 1) | (tss & 0xff'ffff) << 16 | u64{0x8b} << 40 | (tss >> 24 & 0xff) << 56, tss >> 32};
    space_.poke(descriptors, gdt.data(), sizeof gdt);
    space_.poke(tss + 4, &stack_top, sizeof stack_top);             // RSP0
    for (u64 vector = 0; vector < vectors; ++vector) {
        const u64 handler = handlers + vector * handler_bytes;
        const std::array<u64, 2> gate{(handler & 0xffff) | u64{supervisor_code} << 16 | u64{0x8e} << 40 | (handler >> 16 & 0xffff) << 48, handler >> 32};
        space_.poke(idt + vector * sizeof gate, gate.data(), sizeof gate);
        space_.poke(handler, &hlt, sizeof hlt);
    }
    space_.poke(entry, entry_code.data(), sizeof entry_code);
    state().gdtr = {descriptors, sizeof gdt - 1};
    state().idtr = {idt, page_size - 1};
    state().segment[arch::tr] = {tss, tss_bytes - 1, 0x8b, tss_selector};
}

void Processor::set_control_registers() {
    namespace cr0 = arch::cr0;
    namespace cr4 = arch::cr4;
    auto& s = state();
    s.cr0 = cr0::pe | cr0::mp | cr0::et | cr0::ne | cr0::wp | cr0::pg;
    s.cr3 = space_.root();
    s.cr4 = (cr4::pae | cr4::osfxsr | cr4::osxmmexcpt | cr4::osxsave) & cpu::cr4_supported(core_.params.features);
    s.efer = arch::efer::sce | arch::efer::lme | arch::efer::lma | arch::efer::nxe;
    s.star = u64{supervisor_code} << 32 | u64{sysret_base} << 48;
    s.lstar = entry;
    s.sfmask = arch::rflags::if_ | arch::rflags::tf | arch::rflags::df | arch::rflags::ac | arch::rflags::nt | arch::rflags::iopl;
    core_.state_changed();
    constexpr u64 components = arch::xcr0::x87 | arch::xcr0::sse | arch::xcr0::avx;
    if ((s.cr4 & cr4::osxsave) != 0) s.xcr0 = arch::xcr0::x87 | (cpu::cpuid(core_, 0xd, 0).eax & components);
    for (const auto unused : {arch::ds, arch::es, arch::fs, arch::gs}) s.segment[unused] = {};
}

u32 Processor::hardware_capabilities() { return cpu::cpuid(core_, 1, 0).edx; }

// A program begins as it goes on after each of its system calls: by SYSRET.
void Processor::start(u64 program, u64 user_stack) {
    auto& s = state();
    s.gpr.fill(0);
    s.gpr[arch::rsp] = user_stack;
    s.gpr[arch::rcx] = program;
    s.gpr[arch::r11] = initial_flags;
    s.segment[arch::cs] = cpu::flat_code(supervisor_code, 0, true);
    s.segment[arch::ss] = cpu::flat_stack(supervisor_code + 8, 0);
    s.cpl = 0;
    s.rip = entry;
    s.write_rflags(arch::rflags::one);
}

Processor::Event Processor::run(u64 limit) {
    state().rip = after_hlt;
    core_.state_changed();                                           // the system may have changed anything
    core_.set_instruction_limit(limit);
    for (;;) {
        core_.begin_activation(false);
        if (core_.execute(forever) == cpu::Stop::limit) return Event::limit;
        if (state().rip == entry) return Event::system_call;
        if (state().rip >= handlers && state().rip < handlers + vectors * handler_bytes) return Event::exception;
        core_.begin_activation(true);                                // another instruction that waits to be in step with a kernel, of which there is none
        core_.execute(core_.cycles() + 1);
    }
}

std::string Processor::describe_exception() const {
    struct Frame {
        u64 error_code, rip, cs, rflags, rsp, ss;
    } frame;
    space_.peek(stack_top - sizeof frame, &frame, sizeof frame);
    const u64 vector = (core_.s.rip - handlers) / handler_bytes;
    auto text = fmt::format("exception {} {} at RIP {:#x}, RSP {:#x}", vector, exception_name(vector), frame.rip, frame.rsp);
    if (arch::pushes_error_code(static_cast<arch::Vector>(vector))) text += fmt::format(", error code {:#x}", frame.error_code);
    if (vector == static_cast<u64>(arch::Vector::pf)) text += fmt::format(", CR2 {:#x}", core_.s.cr2);
    std::array<u8, 15> code{};
    if (space_.copy_in(frame.rip, code.data(), code.size())) text += fmt::format(", code {:02x}", fmt::join(code, " "));
    for (const auto& line : log_) text += "; " + line;
    return text;
}

}  // namespace vtsim::usermode
