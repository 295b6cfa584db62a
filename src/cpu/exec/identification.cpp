// SPDX-License-Identifier: Apache-2.0
// What a program asks the processor: CPUID, MSRs, time, random numbers, and the bases of FS and GS. SDM vol. 2, the instruction of each name.
#include "cpu/cpuid.h"
#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"
#include "cpu/exec/exit_operands.h"
#include "cpu/exec/system_rows.h"
#include "cpu/msr.h"
#include "vmx/vmx.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

void set_pair(Core& core, u64 value) {                       // EDX:EAX
    core.s.gpr[arch::rax] = static_cast<u32>(value);
    core.s.gpr[arch::rdx] = value >> 32;
}

Event cpuid_body(Core& core, const MicroOp&) {
    if (core.vmx->non_root()) return exit_with(core, vmx::ExitReason::cpuid);
    const auto result = cpuid(core, static_cast<u32>(core.s.gpr[arch::rax]), static_cast<u32>(core.s.gpr[arch::rcx]));
    core.s.gpr[arch::rax] = result.eax;
    core.s.gpr[arch::rbx] = result.ebx;
    core.s.gpr[arch::rcx] = result.ecx;
    core.s.gpr[arch::rdx] = result.edx;
    return {};
}

// ---- MSRs ---------------------------------------------------------------------------------------------------------------

constexpr u32 time_stamp_counter = 0x10;

Event rdmsr(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    const auto number = static_cast<u32>(core.s.gpr[arch::rcx]);
    if (core.vmx->exits_on_msr_read(number)) return exit_with(core, vmx::ExitReason::rdmsr);
    core.drop_block();                                       // timing mode: the clock includes what came before
    const auto value = read_msr(core, number);
    if (!value) return value.event;
    set_pair(core, number == time_stamp_counter && core.vmx->non_root() ? core.vmx->guest_tsc(*value) : *value);
    return {};
}

Event wrmsr(Core& core, const MicroOp&) {
    if (core.s.cpl != 0) return arch::general_protection();
    const auto number = static_cast<u32>(core.s.gpr[arch::rcx]);
    if (core.vmx->exits_on_msr_write(number)) return exit_with(core, vmx::ExitReason::wrmsr);
    // An x2APIC register may send to other processors: in step, as a store to the xAPIC page.
    const bool local_apic = number >= 0x800 && number < 0x900;
    if (local_apic && !core.in_step()) return Core::resync_event;
    core.drop_block();
    return write_msr(core, number, core.s.gpr[arch::rdx] << 32 | static_cast<u32>(core.s.gpr[arch::rax]));
}

// ---- time ---------------------------------------------------------------------------------------------------------------

bool time_stamp_disabled(const Core& core) { return (core.s.cr4 & arch::cr4::tsd) != 0 && core.s.cpl != 0; }

u64 read_tsc(Core& core) {
    core.drop_block();
    return core.vmx->non_root() ? core.vmx->guest_tsc(core.tsc()) : core.tsc();
}

Event rdtsc(Core& core, const MicroOp&) {
    if (time_stamp_disabled(core)) return arch::general_protection();
    if (core.vmx->intercepts.rdtsc) return exit_with(core, vmx::ExitReason::rdtsc);
    set_pair(core, read_tsc(core));
    return {};
}

// RDTSCP and RDPID.
bool has_rdtscp(const Core& core) { return !core.vmx->non_root() || core.vmx->intercepts.rdtscp_enabled; }

Event rdtscp(Core& core, const MicroOp&) {
    if (!has_rdtscp(core)) return arch::undefined_opcode;
    if (time_stamp_disabled(core)) return arch::general_protection();
    if (core.vmx->intercepts.rdtsc) return exit_with(core, vmx::ExitReason::rdtscp);
    set_pair(core, read_tsc(core));
    core.s.gpr[arch::rcx] = static_cast<u32>(core.s.tsc_aux);
    return {};
}

Event rdpid(Core& core, const MicroOp& op) {
    if (!has_rdtscp(core)) return arch::undefined_opcode;
    core.s.gpr[op.dst] = static_cast<u32>(core.s.tsc_aux);
    return {};
}

// There are no counters: every number is wrong.
Event rdpmc(Core& core, const MicroOp&) {
    if (core.s.cpl != 0 && (core.s.cr4 & arch::cr4::pce) == 0) return arch::general_protection();
    if (core.vmx->intercepts.rdpmc) return exit_with(core, vmx::ExitReason::rdpmc);
    return arch::general_protection();
}

// ---- random numbers -------------------------------------------------------------------------------------------------------

// SplitMix64 of seed, processor and place in the instruction stream: no state to keep, the same in every mode, and the instruction ends its block, so that
// no two of them stand at the same place.
u64 random_number(const Core& core, u64 stream) {
    u64 z = core.params.features.seed + stream + (u64{core.index} << 48) + core.instructions() * 0x9e37'79b9'7f4a'7c15;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
}

Event random(Core& core, const MicroOp& op, bool exits, vmx::ExitReason reason) {
    if (exits) return exit_with_operands(core, op, reason, operand_info(op, op.dst));
    core.set_reg_sized(op.dst, op.width, random_number(core, static_cast<u64>(reason)));
    core.s.write_rflags((core.s.read_rflags() & ~arch::rflags::status) | arch::rflags::cf);
    return {};
}

Event rdrand(Core& core, const MicroOp& op) { return random(core, op, core.vmx->intercepts.rdrand, vmx::ExitReason::rdrand); }
Event rdseed(Core& core, const MicroOp& op) { return random(core, op, core.vmx->intercepts.rdseed, vmx::ExitReason::rdseed); }

// ---- FS and GS --------------------------------------------------------------------------------------------------------------

Event swapgs(Core& core, const MicroOp&) {
    if (!core.code64()) return arch::undefined_opcode;
    if (core.s.cpl != 0) return arch::general_protection();
    std::swap(core.s.segment[arch::gs].base, core.s.kernel_gs_base);
    return {};
}

bool bases_accessible(const Core& core) { return core.code64() && (core.s.cr4 & arch::cr4::fsgsbase) != 0; }

template <arch::SegmentRegister segment>
Event read_base(Core& core, const MicroOp& op) {
    if (!bases_accessible(core)) return arch::undefined_opcode;
    core.set_reg_sized(op.dst, op.width, core.s.segment[segment].base);
    return {};
}

template <arch::SegmentRegister segment>
Event write_base(Core& core, const MicroOp& op) {
    if (!bases_accessible(core)) return arch::undefined_opcode;
    const u64 value = core.reg_sized(op.dst, op.width);
    if (!core.canonical_base(value)) return arch::general_protection();
    core.s.segment[segment].base = value;
    return {};
}

constexpr Row rows[] = {
    row<serialising<cpuid_body>, Flow::ends>(ZYDIS_MNEMONIC_CPUID),
    row<rdmsr, Flow::ends>(ZYDIS_MNEMONIC_RDMSR),
    row<serialising<wrmsr>, Flow::ends>(ZYDIS_MNEMONIC_WRMSR),
    row<rdtsc, Flow::ends>(ZYDIS_MNEMONIC_RDTSC),
    row<rdtscp, Flow::ends>(ZYDIS_MNEMONIC_RDTSCP),
    row<rdpid>(ZYDIS_MNEMONIC_RDPID),
    row<rdpmc, Flow::ends>(ZYDIS_MNEMONIC_RDPMC),
    row<rdrand, Flow::ends>(ZYDIS_MNEMONIC_RDRAND),
    row<rdseed, Flow::ends>(ZYDIS_MNEMONIC_RDSEED),
    row<swapgs>(ZYDIS_MNEMONIC_SWAPGS),
    row<read_base<arch::fs>>(ZYDIS_MNEMONIC_RDFSBASE),
    row<read_base<arch::gs>>(ZYDIS_MNEMONIC_RDGSBASE),
    row<write_base<arch::fs>>(ZYDIS_MNEMONIC_WRFSBASE),
    row<write_base<arch::gs>>(ZYDIS_MNEMONIC_WRGSBASE),
};

}  // namespace

std::span<const Row> identification_rows() { return rows; }

}  // namespace vtsim::cpu::exec
