// SPDX-License-Identifier: Apache-2.0
// SYSCALL, SYSRET, SYSENTER, SYSEXIT as Intel processors execute them. SDM vol. 2; vol. 3, "Performing Fast Calls to System Procedures with the SYSENTER and SYSEXIT Instructions".
#include "cpu/exec/build.h"
#include "cpu/exec/far_rows.h"
#include "cpu/exec/segment_load.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;
namespace flag = arch::rflags;

void finish(Core& core, u8 cpl) {
    core.s.cpl = cpl;
    core.segments_changed();
    core.privilege_changed();
}

// Only in 64-bit mode on Intel processors.
Event syscall(Core& core, const MicroOp&) {
    if (!core.code64() || (core.s.efer & arch::efer::sce) == 0) return arch::undefined_opcode;
    const u64 flags = core.s.read_rflags();
    core.s.gpr[arch::rcx] = core.s.rip;
    core.s.gpr[arch::r11] = flags;
    core.s.rip = core.s.lstar;
    core.s.write_rflags(flags & ~core.s.sfmask & ~(flag::rf));
    const auto selector = static_cast<u16>(core.s.star >> 32);
    core.s.segment[arch::cs] = flat_code(static_cast<u16>(selector & 0xfffc), 0, true);
    core.s.segment[arch::ss] = flat_stack(static_cast<u16>(selector + 8), 0);
    finish(core, 0);
    return {};
}

Event sysret(Core& core, const MicroOp& op) {
    if (!core.code64() || (core.s.efer & arch::efer::sce) == 0) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    const bool to_64 = (op.flags & MicroOp::rex_w) != 0;
    if (to_64 && !core.canonical(core.s.gpr[arch::rcx])) return arch::general_protection();
    core.s.rip = to_64 ? core.s.gpr[arch::rcx] : static_cast<u32>(core.s.gpr[arch::rcx]);
    core.s.write_rflags(core.s.gpr[arch::r11] & 0x3c7fd7);            // RF, VM and reserved bits are cleared
    const auto base = static_cast<u16>(core.s.star >> 48);
    core.s.segment[arch::cs] = flat_code(static_cast<u16>((base + (to_64 ? 16 : 0)) | 3), 3, to_64);
    core.s.segment[arch::ss] = flat_stack(static_cast<u16>((base + 8) | 3), 3);
    finish(core, 3);
    return {};
}

Event sysenter(Core& core, const MicroOp&) {
    if (!core.s.protected_mode() || (core.s.sysenter_cs & 0xfffc) == 0) return arch::general_protection();
    const bool long_mode = core.s.long_mode_active();
    core.s.write_rflags(core.s.read_rflags() & ~(flag::vm | flag::if_ | flag::rf));
    const auto selector = static_cast<u16>(core.s.sysenter_cs & 0xfffc);
    core.s.segment[arch::cs] = flat_code(selector, 0, long_mode);
    core.s.segment[arch::ss] = flat_stack(static_cast<u16>(selector + 8), 0);
    core.s.gpr[arch::rsp] = long_mode ? core.s.sysenter_esp : static_cast<u32>(core.s.sysenter_esp);
    core.s.rip = long_mode ? core.s.sysenter_eip : static_cast<u32>(core.s.sysenter_eip);
    finish(core, 0);
    return {};
}

Event sysexit(Core& core, const MicroOp& op) {
    if (!core.s.protected_mode() || (core.s.sysenter_cs & 0xfffc) == 0 || core.s.cpl != 0) return arch::general_protection();
    const bool to_64 = (op.flags & MicroOp::rex_w) != 0;
    if (to_64 && (!core.canonical(core.s.gpr[arch::rcx]) || !core.canonical(core.s.gpr[arch::rdx]))) return arch::general_protection();
    const auto base = static_cast<u16>(core.s.sysenter_cs & 0xfffc);
    core.s.segment[arch::cs] = flat_code(static_cast<u16>((base + (to_64 ? 32 : 16)) | 3), 3, to_64);
    core.s.segment[arch::ss] = flat_stack(static_cast<u16>((base + (to_64 ? 40 : 24)) | 3), 3);
    core.s.rip = to_64 ? core.s.gpr[arch::rdx] : static_cast<u32>(core.s.gpr[arch::rdx]);
    core.s.gpr[arch::rsp] = to_64 ? core.s.gpr[arch::rcx] : static_cast<u32>(core.s.gpr[arch::rcx]);
    finish(core, 3);
    return {};
}

constexpr Row rows[] = {
    row<syscall, Flow::ends>(ZYDIS_MNEMONIC_SYSCALL),
    row<sysret, Flow::ends>(ZYDIS_MNEMONIC_SYSRET),
    row<sysenter, Flow::ends>(ZYDIS_MNEMONIC_SYSENTER),
    row<sysexit, Flow::ends>(ZYDIS_MNEMONIC_SYSEXIT),
};

}  // namespace

std::span<const Row> fast_call_rows() { return rows; }

}  // namespace vtsim::cpu::exec
