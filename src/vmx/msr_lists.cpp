// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "vmx/vmx.h"

// SDM vol. 3, "Loading MSRs" (VM entries), "Saving MSRs" and "Loading MSRs" (VM exits): entries of 16 bytes, index and data.
namespace vtsim::vmx {

namespace {

struct MsrEntry {
    u32 index;
    u32 reserved;
    u64 data;
};

struct MsrRule {
    std::string_view id;
    std::string_view text;
    bool loads_only;
    bool (*holds)(const MsrEntry&);
};

constexpr std::array smm_only{0x9bU, 0x9eU};             // IA32_SMM_MONITOR_CTL, IA32_SMBASE
constexpr std::array model_specific{0x79U, 0x8bU};       // IA32_BIOS_UPDT_TRIG, IA32_BIOS_SIGN_ID

constexpr MsrRule rules[] = {
    {"msrload.fs-gs-base", "the MSR is neither IA32_FS_BASE nor IA32_GS_BASE", true, [](const MsrEntry& entry) { return entry.index != 0xc000'0100 && entry.index != 0xc000'0101; }},
    {"msrload.x2apic", "the MSR is no x2APIC register", false, [](const MsrEntry& entry) { return (entry.index >> 8) != 8; }},
    {"msrload.smm-only", "the MSR is not restricted to SMM", false, [](const MsrEntry& entry) { return std::ranges::find(smm_only, entry.index) == smm_only.end(); }},
    {"msrload.model-specific", "the MSR may be loaded by a VM transition", true,
     [](const MsrEntry& entry) { return std::ranges::find(model_specific, entry.index) == model_specific.end(); }},
    {"msrload.reserved", "bits 63:32 of the entry are 0", false, [](const MsrEntry& entry) { return entry.reserved == 0; }},
};

constexpr const MsrRule* broken(const MsrEntry& entry, bool load) {
    for (const auto& rule : rules)
        if ((load || !rule.loads_only) && !rule.holds(entry)) return &rule;
    return nullptr;
}

MsrEntry read_entry(const PhysicalMemory& memory, PhysicalAddress slot) {
    return {memory.read<u32>(slot), memory.read<u32>(slot + 4), memory.read<u64>(slot + 8)};
}

}  // namespace

// SDM vol. 3, appendix "Miscellaneous Data": with more entries than IA32_VMX_MISC recommends the behaviour is undefined; here the first entry too many fails.
u64 Vmx::most_msrs() const { return (Field<27, 25>::get(capabilities.msr(0x485).value_or(0)) + 1) * 512; }

u64 Vmx::load_msrs(u64 address, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        if (i == most_msrs()) {
            last_failed_check_ = "msrload.count";
            last_failed_text_ = "the list has no more entries than IA32_VMX_MISC recommends";
            return i + 1;
        }
        const auto entry = read_entry(memory_, PhysicalAddress{address + 16 * i});
        if (const auto* rule = broken(entry, true)) {
            last_failed_check_ = rule->id;
            last_failed_text_ = rule->text;
            return i + 1;
        }
        if (environment_.write_msr(entry.index, entry.data)) {
            last_failed_check_ = "msrload.wrmsr-ok";
            last_failed_text_ = "WRMSR of the entry does not fault";
            return i + 1;
        }
    }
    return 0;
}

u64 Vmx::store_msrs(u64 address, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        if (i == most_msrs()) return i + 1;
        const PhysicalAddress slot{address + 16 * i};
        const auto entry = read_entry(memory_, slot);
        if (broken(entry, false) != nullptr) return i + 1;
        const auto value = environment_.read_msr(entry.index);
        if (!value) return i + 1;
        memory_.write<u64>(slot + 8, *value);
    }
    return 0;
}

}  // namespace vtsim::vmx
