// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/physical_memory.h"
#include "vmx/intercepts.h"
#include "vmx/tables/vmcs_fields.h"

namespace vtsim::vmx {

enum class LaunchState : u32 { clear = 0, launched = 1 };

// Layout of a VMCS region in memory. The header is architectural, the rest is ours: one 64-bit word per row of vmcs_fields, in its order.
namespace region {
inline constexpr u64 revision_offset = 0;         // bits 30:0 revision identifier, bit 31 shadow-VMCS indicator
inline constexpr u64 abort_offset = 4;
inline constexpr u64 launch_state_offset = 8;
inline constexpr u64 data_offset = 64;
inline constexpr u32 shadow_bit = 1U << 31;
static_assert(data_offset + sizeof(VmcsData) <= page_size);
}  // namespace region

// A VMCS held by the processor: the contents of its region, decoded.
struct Vmcs {
    VmcsData data;
    u64 address = no_address;              // of the region
    LaunchState launch_state = LaunchState::clear;
    bool shadow = false;
    group::Mask due = group::all;          // VM-entry checks not passed since something they read changed
    bool checked_in_long_mode = false;     // EFER.LMA when the checks were passed
    u64 stamp = 0;                         // of the last VMPTRLD
    Intercepts compiled;                   // valid unless controls or intercepts are due

    // Checks that are due now: those that wait, and those with inputs outside the VMCS.
    [[nodiscard]] group::Mask due_now(bool long_mode) const;

    static constexpr u64 no_address = ~u64{0};
};

// The active VMCSs of one processor, held decoded; the one not used for longest is written back to make room.
class VmcsCache {
public:
    VmcsCache(PhysicalMemory& memory, unsigned entries) : memory_(memory), entries_(entries) {}
    [[nodiscard]] Vmcs* find(u64 address);
    // The VMCS at that address, loaded from memory unless it is held already.
    Vmcs& load(u64 address);
    // Writes the region at that address back and holds it no longer. Nothing happens if it is not held.
    void evict(u64 address);
    void evict_all();
    // Drops what is held without writing it: a reset.
    void forget_all();

private:
    void write_back(Vmcs& vmcs);

    PhysicalMemory& memory_;
    std::vector<Vmcs> entries_;
    u64 clock_ = 0;
};

}  // namespace vtsim::vmx
