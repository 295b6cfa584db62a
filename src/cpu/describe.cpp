// SPDX-License-Identifier: Apache-2.0
// A core for people: what a triple fault, a VMX abort and a debugger show.
#include <fmt/format.h>

#include <iterator>

#include "apic/local_apic.h"
#include "cpu/core.h"
#include "cpu/decode/decoder.h"
#include "vmx/vmx.h"

namespace vtsim::cpu {
namespace {

const char* mode_name(const arch::State& s) {
    if (s.code64()) return "64-bit mode";
    if (s.long_mode_active()) return "compatibility mode";
    if (s.virtual8086()) return "virtual-8086 mode";
    if (s.protected_mode()) return "protected mode";
    return "real mode";
}

std::string flag_names(u64 flags) {
    static constexpr std::pair<u64, const char*> names[] = {
        {arch::rflags::cf, "CF"}, {arch::rflags::pf, "PF"}, {arch::rflags::af, "AF"}, {arch::rflags::zf, "ZF"}, {arch::rflags::sf, "SF"}, {arch::rflags::tf, "TF"},
        {arch::rflags::if_, "IF"}, {arch::rflags::df, "DF"}, {arch::rflags::of, "OF"}, {arch::rflags::nt, "NT"}, {arch::rflags::rf, "RF"}, {arch::rflags::vm, "VM"}, {arch::rflags::ac, "AC"}};
    std::string text;
    for (const auto& [bit, name] : names)
        if ((flags & bit) != 0) text += (text.empty() ? "" : " ") + std::string(name);
    return text;
}

}  // namespace

std::string Core::describe() const {
    static constexpr const char* registers[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"};
    static constexpr const char* segments[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};
    std::string text;
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "cpu{}: {}, CPL {}, {}{}\n", index, mode_name(s), s.cpl,
                   vmx->non_root() ? "VMX non-root operation" : vmx->root() ? "VMX root operation" : "outside VMX operation", halted ? ", halted" : "");
    for (unsigned i = 0; i < 16; ++i) fmt::format_to(out, "{:<4}{:016x}{}", registers[i], s.gpr[i], i % 4 == 3 ? "\n" : "  ");
    const u64 flags = s.read_rflags();
    fmt::format_to(out, "RIP {:016x}  RFLAGS {:08x} [{}]\n", s.rip, flags, flag_names(flags));
    // The instruction at RIP, when it can be read without a fault.
    const u64 linear = code64() ? s.rip : static_cast<u32>(s.segment[arch::cs].base + s.rip);
    if (const auto probe = mmu.probe(linear); probe.ok && memory.is_ram(probe.physical)) {
        const auto available = static_cast<unsigned>(std::min<u64>(16, page_size - probe.physical.page_offset()));
        fmt::format_to(out, "     {}\n", decoder_->disassemble(decode_mode, memory.host(probe.physical), available, s.rip));
    }
    fmt::format_to(out, "CR0 {:08x}  CR2 {:016x}  CR3 {:016x}  CR4 {:08x}  CR8 {:x}  EFER {:x}\n", s.cr0, s.cr2, s.cr3, s.cr4, apic->cr8(), s.efer);
    for (unsigned i = 0; i < arch::segment_count; ++i)
        fmt::format_to(out, "{:<4} {:04x}  base {:016x}  limit {:08x}  rights {:05x}\n", segments[i], s.segment[i].selector, s.segment[i].base, s.segment[i].limit, s.segment[i].rights);
    fmt::format_to(out, "GDTR base {:016x} limit {:04x}   IDTR base {:016x} limit {:04x}\n", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
    if (abort_indicator != 0) fmt::format_to(out, "VMX abort, indicator {}\n", abort_indicator);
    if (!vmx->last_failed_check().empty()) fmt::format_to(out, "last failed VM-entry check: {} ({})\n", vmx->last_failed_check(), vmx->last_failed_text());
    if (const auto vmcs = vmx->describe(); !vmcs.empty()) text += vmcs;
    return text;
}

}  // namespace vtsim::cpu
