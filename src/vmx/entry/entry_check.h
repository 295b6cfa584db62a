// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "arch/state.h"
#include "base/physical_memory.h"
#include "vmx/capabilities.h"
#include "vmx/exit/exit_details.h"
#include "vmx/vmcs.h"

namespace vtsim::vmx {

// What the rules of VM entry read: the VMCS, the capabilities, the processor as it is, memory; and the controls as they take effect (a
// secondary control counts as 0 while it is not activated).
struct CheckInputs {
    CheckInputs(const Vmcs& vmcs, const Capabilities& processor_capabilities, const arch::State& state, const PhysicalMemory& physical_memory);

    const VmcsData& v;
    const Capabilities& c;
    const arch::State& processor;
    const PhysicalMemory& memory;
    u64 current_pointer;
    u64 pin, primary, secondary, exit, entry;
    bool ept, unrestricted, ia32e_guest, host_64;

    // The event to be injected.
    [[nodiscard]] bool injects() const { return interruption::Valid::test(v.entry_interruption_information); }
    [[nodiscard]] bool injects(EventType type) const { return injects() && inject_type() == type; }
    [[nodiscard]] EventType inject_type() const { return static_cast<EventType>(interruption::Type::get(v.entry_interruption_information)); }
    [[nodiscard]] u64 inject_vector() const { return interruption::VectorNumber::get(v.entry_interruption_information); }

    // Guest segments as the VMCS has them; fields of the eight registers are neighbours.
    [[nodiscard]] u64 selector(unsigned i) const { return (&v.guest_es_selector)[i]; }
    [[nodiscard]] u64 base(unsigned i) const { return (&v.guest_es_base)[i]; }
    [[nodiscard]] u64 limit(unsigned i) const { return (&v.guest_es_limit)[i]; }
    [[nodiscard]] u64 rights(unsigned i) const { return (&v.guest_es_access_rights)[i]; }
    [[nodiscard]] bool usable(unsigned i) const { return (rights(i) & arch::Segment::unusable_bit) == 0; }
    [[nodiscard]] bool v86() const { return (v.guest_rflags & arch::rflags::vm) != 0; }
};

// One rule of VM entry: what must hold.
struct EntryCheck {
    std::string_view id;
    std::string_view text;
    group::Mask reads;                     // due when one of these is
    bool (*holds)(const CheckInputs&);
    u8 qualification = 0;                  // of the VM-entry failure; guest rows only
};

// A list of rules and what any of them reads: a clean list is skipped as a whole.
struct CheckTable {
    template <std::size_t count>
    constexpr explicit CheckTable(const EntryCheck (&list)[count]) : rows(list) {
        for (const auto& row : list) reads |= row.reads;
    }
    // The first row that is due and does not hold, or nullptr.
    [[nodiscard]] const EntryCheck* first_failure(const CheckInputs& inputs, group::Mask due) const;

    std::span<const EntryCheck> rows;
    group::Mask reads = group::none;
};

// The rules in the order of the manual. Failure: VM-instruction error 7, 7, 7, 7, 8, then VM-entry failure 33.
extern const CheckTable execution_control_checks;
extern const CheckTable exit_control_checks;
extern const CheckTable injection_checks;
extern const CheckTable entry_control_checks;
extern const CheckTable host_checks;
extern const CheckTable guest_register_checks;
extern const CheckTable guest_segment_checks;
extern const CheckTable guest_rip_checks;
extern const CheckTable guest_state_checks;
extern const CheckTable guest_pdpte_checks;

// Every byte of IA32_PAT names a memory type.
[[nodiscard]] bool pat_valid(u64 pat);
// An area of 16-byte entries: aligned, and no byte of it beyond the physical-address width.
[[nodiscard]] bool msr_area_valid(const Capabilities& capabilities, u64 address, u64 count);
// Present PDPTEs have no reserved bit. SDM vol. 3, "PAE Paging": PDPTE registers.
[[nodiscard]] bool pdptes_valid(const Capabilities& capabilities, const std::array<u64, 4>& pdptes);
[[nodiscard]] std::array<u64, 4> read_pdptes(const PhysicalMemory& memory, u64 cr3);

}  // namespace vtsim::vmx
