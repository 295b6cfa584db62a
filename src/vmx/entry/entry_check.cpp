// SPDX-License-Identifier: Apache-2.0
#include "vmx/entry/entry_check.h"

#include <algorithm>

namespace vtsim::vmx {

CheckInputs::CheckInputs(const Vmcs& vmcs, const Capabilities& processor_capabilities, const arch::State& state, const PhysicalMemory& physical_memory)
    : v(vmcs.data), c(processor_capabilities), processor(state), memory(physical_memory), current_pointer(vmcs.address), pin(v.pin_controls), primary(v.primary_controls),
      secondary((primary & control::primary::activate_secondary_controls) != 0 ? v.secondary_controls : 0), exit(v.exit_controls), entry(v.entry_controls),
      ept((secondary & control::secondary::enable_ept) != 0), unrestricted((secondary & control::secondary::unrestricted_guest) != 0),
      ia32e_guest((entry & control::entry::ia_32e_mode_guest) != 0), host_64((exit & control::exit::host_address_space_size) != 0) {}

const EntryCheck* CheckTable::first_failure(const CheckInputs& inputs, group::Mask due) const {
    if ((reads & due) == 0) return nullptr;
    for (const auto& row : rows)
        if ((row.reads & due) != 0 && !row.holds(inputs)) return &row;
    return nullptr;
}

bool pat_valid(u64 pat) {
    for (unsigned i = 0; i < 8; ++i) {
        const u64 type = (pat >> (8 * i)) & 0xff;
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}

bool msr_area_valid(const Capabilities& capabilities, u64 address, u64 count) {
    return count == 0 || ((address & 15) == 0 && capabilities.physical(address) && capabilities.physical(address + 16 * count - 1));
}

bool pdptes_valid(const Capabilities& capabilities, const std::array<u64, 4>& pdptes) {
    const u64 reserved = ~low_bits(capabilities.limits.physical_address_bits) | Field<8, 5>::mask | Field<2, 1>::mask;
    return std::ranges::all_of(pdptes, [&](u64 entry) { return (entry & 1) == 0 || (entry & reserved) == 0; });
}

std::array<u64, 4> read_pdptes(const PhysicalMemory& memory, u64 cr3) {
    std::array<u64, 4> pdptes{};
    const PhysicalAddress table{cr3 & 0xffff'ffe0};
    for (unsigned i = 0; i < 4; ++i) pdptes[i] = memory.read<u64>(table + 8 * i);
    return pdptes;
}

}  // namespace vtsim::vmx
