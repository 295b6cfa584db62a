// SPDX-License-Identifier: Apache-2.0
#include "unicorn/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "differential/compare.h"

namespace vtsim::unicorn {
namespace {

using differential::Differences;
namespace flag = arch::rflags;

constexpr const char* segment_names[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
constexpr u64 compared_flags = flag::status | flag::tf | flag::if_ | flag::df | flag::iopl | flag::nt | flag::vm | flag::ac | flag::id;

void compare_segments(Differences& d, const arch::State& expected, const arch::State& actual) {
    const bool real = !expected.protected_mode();
    for (unsigned i = 0; i < arch::segment_count; ++i) {
        const auto &e = expected.segment[i], &a = actual.segment[i];
        d.check(fmt::format("{} selector", segment_names[i]), e.selector, a.selector);
        const bool unusable = !real && e.unusable() && a.unusable();
        if (!unusable || i == arch::fs || i == arch::gs) d.check(fmt::format("{} base", segment_names[i]), e.base, a.base);
        if (unusable) continue;
        d.check(fmt::format("{} limit", segment_names[i]), e.limit, a.limit);
        if (!real) d.check(fmt::format("{} rights", segment_names[i]), e.rights, a.rights);
    }
}

void compare_system(Differences& d, const arch::State& e, const arch::State& a) {
    d.check("cpl", e.cpl, a.cpl);
    d.check("gdtr base", e.gdtr.base, a.gdtr.base), d.check("gdtr limit", e.gdtr.limit, a.gdtr.limit);
    d.check("idtr base", e.idtr.base, a.idtr.base), d.check("idtr limit", e.idtr.limit, a.idtr.limit);
    d.check("cr0", e.cr0, a.cr0), d.check("cr2", e.cr2, a.cr2), d.check("cr3", e.cr3, a.cr3), d.check("cr4", e.cr4, a.cr4), d.check("efer", e.efer, a.efer);
    for (unsigned i = 0; i < 8; ++i)
        if (i != 4 && i != 5 && i != 6) d.check(fmt::format("dr{}", i), e.dr[i], a.dr[i]);
    d.check("star", e.star, a.star), d.check("lstar", e.lstar, a.lstar), d.check("cstar", e.cstar, a.cstar), d.check("sfmask", e.sfmask, a.sfmask);
    d.check("kernel gs base", e.kernel_gs_base, a.kernel_gs_base);
    d.check("sysenter cs", e.sysenter_cs, a.sysenter_cs), d.check("sysenter esp", e.sysenter_esp, a.sysenter_esp), d.check("sysenter eip", e.sysenter_eip, a.sysenter_eip);
}

void compare_ports(Differences& d, const std::vector<IoAccess>& expected, const std::vector<IoAccess>& actual) {
    d.check("accesses of ports", expected.size(), actual.size());
    for (std::size_t i = 0; i < std::min(expected.size(), actual.size()); ++i) {
        const auto text = [](const IoAccess& access) { return fmt::format("{} port {:#x}, {} bytes, {:#x}", access.write ? "out" : "in", access.port, access.size, access.value); };
        if (expected[i] == actual[i]) continue;
        d.lines.push_back(fmt::format("access {}: unicorn {}, vtsim {}", i, text(expected[i]), text(actual[i])));
        return;
    }
}

void compare(Differences& d, Judged& j) {
    const auto &e = j.expected.state, &a = j.actual.state;
    if (j.expected.vector != j.actual.vector)
        d.lines.push_back(fmt::format("unicorn: vector {} error code {:#x}, vtsim: vector {} error code {:#x} (-1: none)", j.expected.vector, j.expected.error_code, j.actual.vector, j.actual.error_code));
    const bool same = j.expected.vector == j.actual.vector && j.expected.vector != no_vector;
    if (same && e.protected_mode() && !j.actual.software && arch::pushes_error_code(static_cast<arch::Vector>(j.actual.vector))) d.check("error code", j.expected.error_code, j.actual.error_code);
    if (same) d.check("asked for by an instruction", j.expected.software ? 1 : 0, j.actual.software ? 1 : 0);
    for (unsigned i = 0; i < 16; ++i) d.check(differential::gpr_names[i], e.gpr[i], a.gpr[i]);
    d.check("rip", e.rip, a.rip);
    const bool complete = j.expected.end == End::done || j.expected.vector == static_cast<int>(arch::Vector::db);       // a trap comes behind the instruction
    const u64 mask = compared_flags & ~(complete ? j.c.undefined | j.ignored_flags : j.ignored_flags);
    d.check("rflags", e.read_rflags() & mask, a.read_rflags() & mask);
    compare_segments(d, e, a);
    compare_system(d, e, a);
    compare_ports(d, j.expected.io, j.actual.io);
    if (!j.ignore_memory && !j.memories.equal())
        for (auto& line : j.memories.differences()) d.lines.push_back(std::move(line));
}

}  // namespace

std::vector<std::string> judge(Judged& j, std::span<u64> applied) {
    const auto rows = deviations();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto verdict = rows[i].apply(j);
        if (verdict == Deviation::Verdict::none) continue;
        ++applied[i];
        if (verdict == Deviation::Verdict::accepted) return {};
    }
    Differences d{"unicorn"};
    compare(d, j);
    if (!d.lines.empty() && j.c.start.protected_mode())
        for (const u32 error : {j.expected.error_code, j.actual.error_code}) d.lines.push_back(fmt::format("descriptor of error code {:#x}: {:016x}", error, descriptor_of_selector(j, static_cast<u16>(error))));
    return d.lines;
}

std::string describe(const Case& c) {
    const auto& s = c.start;
    std::string text = c.interrupt ? fmt::format("  external interrupt {:#x}\n", *c.interrupt) : differential::disassemble(c.size, c.code, s.rip);
    for (unsigned i = 0; i < 16; ++i) text += fmt::format("{}{}={:#x}", i % 4 == 0 ? "  " : " ", differential::gpr_names[i], s.gpr[i]) + (i % 4 == 3 ? "\n" : "");
    text += fmt::format("  rip={:#x} rflags={:#x} cpl={} cr0={:#x} cr4={:#x} efer={:#x} undefined={:#x}\n", s.rip, s.read_rflags(), s.cpl, s.cr0, s.cr4, s.efer, c.undefined);
    for (unsigned i = 0; i < arch::segment_count; ++i)
        text += fmt::format("  {}={:#x} base {:#x} limit {:#x} rights {:#x}\n", segment_names[i], s.segment[i].selector, s.segment[i].base, s.segment[i].limit, s.segment[i].rights);
    text += fmt::format("  gdtr limit {:#x} idtr limit {:#x}\n", s.gdtr.limit, s.idtr.limit);
    return text;
}

}  // namespace vtsim::unicorn
