// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmcs.h"

#include <algorithm>

#include "vmx/tables/controls.h"

namespace vtsim::vmx {

group::Mask Vmcs::due_now(bool long_mode) const {
    const bool reads_memory = (data.primary_controls & control::primary::use_tpr_shadow) != 0 || data.link_pointer != ~u64{0} ||
                              (data.entry_controls & control::entry::ia_32e_mode_guest) == 0;
    return due | (reads_memory ? group::memory : group::none) | (long_mode != checked_in_long_mode ? group::processor : group::none);
}

Vmcs* VmcsCache::find(u64 address) {
    const auto held = std::ranges::find(entries_, address, &Vmcs::address);
    return held == entries_.end() ? nullptr : &*held;
}

Vmcs& VmcsCache::load(u64 address) {
    Vmcs* vmcs = find(address);
    if (vmcs == nullptr) {
        vmcs = &*std::ranges::min_element(entries_, {}, &Vmcs::stamp);
        if (vmcs->address != Vmcs::no_address) write_back(*vmcs);
        const PhysicalAddress base{address};
        vmcs->address = address;
        vmcs->launch_state = memory_.read<u32>(base + region::launch_state_offset) == 0 ? LaunchState::clear : LaunchState::launched;
        memory_.read_block(base + region::data_offset, &vmcs->data, sizeof vmcs->data);
        for (unsigned row = 0; row < vmcs_fields.size(); ++row) vmcs->data.at(row) &= vmcs_fields[row].mask();
        vmcs->due = group::all;
    }
    vmcs->shadow = (memory_.read<u32>(PhysicalAddress{address}) & region::shadow_bit) != 0;
    vmcs->stamp = ++clock_;
    return *vmcs;
}

void VmcsCache::write_back(Vmcs& vmcs) {
    const PhysicalAddress base{vmcs.address};
    memory_.write<u32>(base + region::launch_state_offset, static_cast<u32>(vmcs.launch_state));
    memory_.write_block(base + region::data_offset, &vmcs.data, sizeof vmcs.data);
}

void VmcsCache::evict(u64 address) {
    if (Vmcs* vmcs = find(address)) {
        write_back(*vmcs);
        vmcs->address = Vmcs::no_address;
        vmcs->stamp = 0;
    }
}

void VmcsCache::evict_all() {
    for (auto& vmcs : entries_)
        if (vmcs.address != Vmcs::no_address) evict(vmcs.address);
}

void VmcsCache::forget_all() {
    for (auto& vmcs : entries_) {
        vmcs.address = Vmcs::no_address;
        vmcs.stamp = 0;
    }
}

}  // namespace vtsim::vmx
