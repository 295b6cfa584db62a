// SPDX-License-Identifier: Apache-2.0
#include "cpu/msr.h"

#include <fmt/format.h>

#include <algorithm>

#include "apic/local_apic.h"
#include "cpu/cpuid.h"
#include "vmx/vmx.h"

namespace vtsim::cpu {
namespace {

using arch::Event;
using arch::Outcome;
using arch::State;

constexpr Event fault = arch::general_protection();

// One MSR, or a range of like ones. A missing `write` makes it read-only.
struct Msr {
    u32 first, last;
    const char* name;                                    // as SDM vol. 4 writes it
    bool (*exists)(const Core&);
    Outcome<u64> (*read)(Core&, u32 number);
    Event (*write)(Core&, u32 number, u64 value);
};

// ---- reading and writing in general ---------------------------------------------------------------------------------------

bool always(const Core&) { return true; }

template <auto State::*member>
Outcome<u64> get(Core& core, u32) { return core.s.*member; }

template <auto State::*member>
Event set(Core& core, u32, u64 value) {
    core.s.*member = value;
    return {};
}

template <auto State::*member>
Event set_32(Core& core, u32, u64 value) {
    if (value >> 32 != 0) return fault;
    core.s.*member = value;
    return {};
}

template <auto State::*member>
Event set_canonical(Core& core, u32, u64 value) {
    if (!core.canonical_base(value)) return fault;
    core.s.*member = value;
    return {};
}

template <u64 value>
Outcome<u64> constant(Core&, u32) { return value; }

Outcome<u64> write_only(Core&, u32) { return fault; }
Event ignore(Core&, u32, u64) { return {}; }
Event only_zero(Core&, u32, u64 value) { return value == 0 ? Event{} : fault; }

// ---- time -------------------------------------------------------------------------------------------------------------------

Outcome<u64> read_tsc(Core& core, u32) { return core.tsc(); }

// Writes of the TSC and of its adjustment move both by the same amount. SDM vol. 3, "IA32_TSC_ADJUST MSR". The VMX-preemption timer counts on regardless.
void move_tsc(Core& core, u64 difference) {
    core.s.tsc_offset += difference;
    core.s.tsc_adjust += difference;
    if (core.preemption_deadline != ~u64{0}) core.preemption_deadline += difference;
    core.apic->write_tsc_offset(core.s.tsc_offset, core.cycles());
    core.kick();
}

Event write_tsc(Core& core, u32, u64 value) {
    move_tsc(core, value - core.tsc());
    return {};
}

Event write_tsc_adjust(Core& core, u32, u64 value) {
    move_tsc(core, value - core.s.tsc_adjust);
    return {};
}

bool has_tsc_deadline(const Core& core) { return core.params.features.tsc_deadline && core.params.apic.tsc_deadline; }
Outcome<u64> read_tsc_deadline(Core& core, u32) {
    core.apic->advance(core.cycles());
    return core.apic->tsc_deadline();
}
Event write_tsc_deadline(Core& core, u32, u64 value) {
    core.apic->write_tsc_deadline(value, core.cycles());
    core.kick();
    return {};
}

// Ratios of 100 MHz: the highest non-turbo one and the lowest.
constexpr u64 bus_hz = 100'000'000;
Outcome<u64> read_platform_info(Core& core, u32) {
    constexpr u64 lowest_ratio = 8;
    return (core.params.core.tsc_hz / bus_hz & 0xff) << 8 | lowest_ratio << 40;
}
Outcome<u64> read_perf_status(Core& core, u32) { return (core.params.core.frequency_hz / bus_hz & 0xff) << 8; }

// ---- local APIC ---------------------------------------------------------------------------------------------------------------

Outcome<u64> read_apic_base(Core& core, u32) { return core.apic->base(); }
Event write_apic_base(Core& core, u32, u64 value) {
    if (const auto event = core.apic->write_base(value, core.cycles())) return event;
    core.s.apic_base = core.apic->base();
    core.state_changed();
    return {};
}

bool has_x2apic(const Core& core) { return core.params.features.x2apic && core.params.apic.x2apic; }
Outcome<u64> read_x2apic(Core& core, u32 number) { return core.apic->read_msr(number, core.cycles()); }
Event write_x2apic(Core& core, u32 number, u64 value) {
    const auto event = core.apic->write_msr(number, value, core.cycles());
    core.kick();
    return event;
}

// ---- features -------------------------------------------------------------------------------------------------------------------

bool has_vmx(const Core& core) { return core.params.features.vmx; }
bool has_rdtscp(const Core& core) { return core.params.features.rdtscp || core.params.features.rdpid; }
bool has_xsaves(const Core& core) { return core.params.features.xsaves; }
bool has_spec_ctrl(const Core& core) { return core.params.features.spec_ctrl; }

// SDM vol. 3, "Enabling and Entering VMX Operation": bit 0 locks, bit 2 permits VMXON outside SMX operation.
Event write_feature_control(Core& core, u32, u64 value) {
    constexpr u64 lock = 1, vmx_outside_smx = 4;
    if ((core.s.feature_control & lock) != 0 || (value & ~(lock | vmx_outside_smx)) != 0) return fault;
    core.s.feature_control = value;
    return {};
}

Outcome<u64> read_vmx_capability(Core& core, u32 number) {
    const auto value = core.vmx->capabilities.msr(number);
    return value ? Outcome<u64>{*value} : Outcome<u64>{fault};
}

Event write_efer(Core& core, u32, u64 value) {
    using namespace arch::efer;
    const u64 disabled = (core.s.misc_enable & misc_enable::xd_disable) != 0 ? nxe : 0;
    if ((value & ~(efer_supported(core.params.features) & ~disabled)) != 0) return fault;
    if (((value ^ core.s.efer) & lme) != 0 && (core.s.cr0 & arch::cr0::pg) != 0) return fault;
    core.s.efer = (value & ~lma) | (core.s.efer & lma);
    core.context_changed();
    return {};
}

// Performance monitoring (7), branch trace (11) and PEBS (12) only report; bits that only report ignore what is written. Thermal control, SpeedStep and xTPR are stored.
Outcome<u64> read_misc_enable(Core& core, u32) {
    return core.params.features.monitor ? core.s.misc_enable : core.s.misc_enable & ~misc_enable::monitor;
}
Event write_misc_enable(Core& core, u32, u64 value) {
    using namespace misc_enable;
    constexpr u64 thermal_control = bit(3), speed_step = bit(16), xtpr_disable = bit(23), reporting = bit(7) | bit(11) | bit(12);
    const u64 writable = fast_strings | thermal_control | speed_step | monitor | limit_cpuid | xtpr_disable | (core.params.features.nx ? xd_disable : 0);
    if ((value & ~(writable | reporting)) != 0) return fault;
    core.s.misc_enable = (core.s.misc_enable & ~writable) | (value & writable);
    return {};
}

Outcome<u64> read_microcode(Core& core, u32) { return u64{core.params.features.microcode} << 32; }

Event write_debugctl(Core& core, u32, u64 value) {
    if ((value & ~core.vmx->capabilities.limits.debugctl_supported) != 0) return fault;
    core.s.debugctl = value;
    return {};
}

// ---- memory types -----------------------------------------------------------------------------------------------------------------

enum MemoryType : u8 { uncacheable = 0, write_combining = 1, write_through = 4, write_protected = 5, write_back = 6, uncached = 7 };

constexpr bool is_mtrr_type(u64 type) { return type == uncacheable || type == write_combining || (type >= write_through && type <= write_back); }
constexpr bool is_pat_type(u64 type) { return is_mtrr_type(type) || type == uncached; }

template <bool (*valid)(u64)>
constexpr bool every_byte(u64 value) {
    for (unsigned i = 0; i < 8; ++i)
        if (!valid(value >> (8 * i) & 0xff)) return false;
    return true;
}

Event write_pat(Core& core, u32, u64 value) {
    if (!every_byte<is_pat_type>(value)) return fault;
    core.s.pat = value;
    return {};
}

// Eight variable ranges, fixed ranges, write combining.
constexpr u64 mtrr_capability = 8 | bit(8) | bit(10);

Outcome<u64> read_mtrr_default(Core& core, u32) { return core.s.mtrr.default_type; }
Event write_mtrr_default(Core& core, u32, u64 value) {
    constexpr u64 enable = bit(11), fixed_enable = bit(10);
    if ((value & ~(enable | fixed_enable | 0xff)) != 0 || !is_mtrr_type(value & 0xff)) return fault;
    core.s.mtrr.default_type = value;
    return {};
}

constexpr u32 fixed_mtrrs[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
std::size_t fixed_index(u32 number) { return static_cast<std::size_t>(std::find(std::begin(fixed_mtrrs), std::end(fixed_mtrrs), number) - std::begin(fixed_mtrrs)); }

Outcome<u64> read_fixed_mtrr(Core& core, u32 number) { return core.s.mtrr.fixed[fixed_index(number)]; }
Event write_fixed_mtrr(Core& core, u32 number, u64 value) {
    if (!every_byte<is_mtrr_type>(value)) return fault;
    core.s.mtrr.fixed[fixed_index(number)] = value;
    return {};
}

Outcome<u64> read_variable_mtrr(Core& core, u32 number) { return core.s.mtrr.variable[number - 0x200]; }
Event write_variable_mtrr(Core& core, u32 number, u64 value) {
    const bool mask = (number & 1) != 0;
    const u64 address = low_bits(core.params.mmu.physical_address_bits) & ~page_offset_mask;
    const u64 defined = address | (mask ? bit(11) : 0xff);
    if ((value & ~defined) != 0 || (!mask && !is_mtrr_type(value & 0xff))) return fault;
    core.s.mtrr.variable[number - 0x200] = value;
    return {};
}

// ---- segment bases ------------------------------------------------------------------------------------------------------------------

template <arch::SegmentRegister segment>
Outcome<u64> read_base(Core& core, u32) { return core.s.segment[segment].base; }

template <arch::SegmentRegister segment>
Event write_base(Core& core, u32, u64 value) {
    if (!core.canonical_base(value)) return fault;
    core.s.segment[segment].base = value;
    return {};
}

// ---- the table ------------------------------------------------------------------------------------------------------------------------

// SDM vol. 4. Ascending. There are no performance counters (CPUID.0AH) and no machine-check banks (IA32_MCG_CAP), hence none of their MSRs.
constexpr Msr msrs[] = {
    {0x000, 0x001, "IA32_P5_MC_ADDR, IA32_P5_MC_TYPE", always, constant<0>, only_zero},
    {0x010, 0x010, "IA32_TIME_STAMP_COUNTER", always, read_tsc, write_tsc},
    {0x017, 0x017, "IA32_PLATFORM_ID", always, constant<0>, nullptr},
    {0x01b, 0x01b, "IA32_APIC_BASE", always, read_apic_base, write_apic_base},
    {0x03a, 0x03a, "IA32_FEATURE_CONTROL", has_vmx, get<&State::feature_control>, write_feature_control},
    {0x03b, 0x03b, "IA32_TSC_ADJUST", always, get<&State::tsc_adjust>, write_tsc_adjust},
    {0x048, 0x048, "IA32_SPEC_CTRL", has_spec_ctrl, get<&State::spec_ctrl>, [](Core& core, u32 number, u64 value) { return value > 7 ? fault : set<&State::spec_ctrl>(core, number, value); }},
    {0x049, 0x049, "IA32_PRED_CMD", has_spec_ctrl, write_only, [](Core&, u32, u64 value) { return value > 1 ? fault : Event{}; }},
    {0x079, 0x079, "IA32_BIOS_UPDT_TRIG", always, write_only, ignore},
    {0x08b, 0x08b, "IA32_BIOS_SIGN_ID", always, read_microcode, ignore},
    {0x0ce, 0x0ce, "MSR_PLATFORM_INFO", always, read_platform_info, nullptr},
    {0x0fe, 0x0fe, "IA32_MTRRCAP", always, constant<mtrr_capability>, nullptr},
    {0x174, 0x174, "IA32_SYSENTER_CS", always, get<&State::sysenter_cs>, [](Core& core, u32 number, u64 value) { return set<&State::sysenter_cs>(core, number, static_cast<u32>(value)); }},
    {0x175, 0x175, "IA32_SYSENTER_ESP", always, get<&State::sysenter_esp>, set_canonical<&State::sysenter_esp>},
    {0x176, 0x176, "IA32_SYSENTER_EIP", always, get<&State::sysenter_eip>, set_canonical<&State::sysenter_eip>},
    {0x179, 0x179, "IA32_MCG_CAP", always, constant<0>, nullptr},
    {0x17a, 0x17a, "IA32_MCG_STATUS", always, constant<0>, only_zero},
    {0x198, 0x198, "IA32_PERF_STATUS", always, read_perf_status, ignore},
    {0x1a0, 0x1a0, "IA32_MISC_ENABLE", always, read_misc_enable, write_misc_enable},
    {0x1d9, 0x1d9, "IA32_DEBUGCTL", always, get<&State::debugctl>, write_debugctl},
    {0x1db, 0x1de, "MSR_LASTBRANCHFROMIP to MSR_LASTINTTOIP", always, constant<0>, nullptr},
    {0x200, 0x20f, "IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn", always, read_variable_mtrr, write_variable_mtrr},
    {0x250, 0x250, "IA32_MTRR_FIX64K_00000", always, read_fixed_mtrr, write_fixed_mtrr},
    {0x258, 0x259, "IA32_MTRR_FIX16K_80000, IA32_MTRR_FIX16K_A0000", always, read_fixed_mtrr, write_fixed_mtrr},
    {0x268, 0x26f, "IA32_MTRR_FIX4K_C0000 to IA32_MTRR_FIX4K_F8000", always, read_fixed_mtrr, write_fixed_mtrr},
    {0x277, 0x277, "IA32_PAT", always, get<&State::pat>, write_pat},
    {0x2ff, 0x2ff, "IA32_MTRR_DEF_TYPE", always, read_mtrr_default, write_mtrr_default},
    {0x480, 0x493, "IA32_VMX_BASIC to IA32_VMX_EXIT_CTLS2", has_vmx, read_vmx_capability, nullptr},
    {0x6e0, 0x6e0, "IA32_TSC_DEADLINE", has_tsc_deadline, read_tsc_deadline, write_tsc_deadline},
    {0x800, 0x8ff, "IA32_X2APIC_*", has_x2apic, read_x2apic, write_x2apic},
    {0xda0, 0xda0, "IA32_XSS", has_xsaves, get<&State::xss>, only_zero},              // no supervisor state components
    {0xc000'0080, 0xc000'0080, "IA32_EFER", always, get<&State::efer>, write_efer},
    {0xc000'0081, 0xc000'0081, "IA32_STAR", always, get<&State::star>, set<&State::star>},
    {0xc000'0082, 0xc000'0082, "IA32_LSTAR", always, get<&State::lstar>, set_canonical<&State::lstar>},
    {0xc000'0083, 0xc000'0083, "IA32_CSTAR", always, get<&State::cstar>, set_canonical<&State::cstar>},
    {0xc000'0084, 0xc000'0084, "IA32_FMASK", always, get<&State::sfmask>, set_32<&State::sfmask>},
    {0xc000'0100, 0xc000'0100, "IA32_FS_BASE", always, read_base<arch::fs>, write_base<arch::fs>},
    {0xc000'0101, 0xc000'0101, "IA32_GS_BASE", always, read_base<arch::gs>, write_base<arch::gs>},
    {0xc000'0102, 0xc000'0102, "IA32_KERNEL_GS_BASE", always, get<&State::kernel_gs_base>, set_canonical<&State::kernel_gs_base>},
    {0xc000'0103, 0xc000'0103, "IA32_TSC_AUX", has_rdtscp, get<&State::tsc_aux>, set_32<&State::tsc_aux>},
};
static_assert(std::is_sorted(std::begin(msrs), std::end(msrs), [](const Msr& a, const Msr& b) { return a.last < b.first; }));

const Msr* find(const Core& core, u32 number) {
    const auto* row = std::lower_bound(std::begin(msrs), std::end(msrs), number, [](const Msr& msr, u32 wanted) { return msr.last < wanted; });
    return row != std::end(msrs) && row->first <= number && row->exists(core) ? row : nullptr;
}

void report_unknown(Core& core, u32 number, const char* access) {
    if (!core.named_msrs.insert(number).second) return;
    core.report(fmt::format("cpu{}: {} of MSR {:#x}, which is not there, raised #GP(0) (named once)", core.index, access, number));
}

}  // namespace

Outcome<u64> read_msr(Core& core, u32 number) {
    const auto* const row = find(core, number);
    if (row != nullptr) return row->read(core, number);
    report_unknown(core, number, "RDMSR");
    return fault;
}

Event write_msr(Core& core, u32 number, u64 value) {
    const auto* const row = find(core, number);
    if (row != nullptr) return row->write != nullptr ? row->write(core, number, value) : fault;
    report_unknown(core, number, "WRMSR");
    return fault;
}

}  // namespace vtsim::cpu
