// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>

#include "apic/registers.h"
#include "base/physical_memory.h"

namespace vtsim::apic {

// Where the registers live. Both storages have the same two functions, so that one register model serves the local APIC and, over memory,
// the virtual-APIC page.

// In the local APIC itself: 32 bits for each 16-byte slot.
struct RegisterFile {
    std::array<u32, register_slots> slot{};
    [[nodiscard]] u32 read(u16 register_offset) const { return slot[register_offset >> 4]; }
    void write(u16 register_offset, u32 value) { slot[register_offset >> 4] = value; }
};

// In memory: the 4-KByte virtual-APIC page. SDM vol. 3, "Virtual-APIC State".
struct RegisterPage {
    PhysicalMemory* memory = nullptr;
    PhysicalAddress page;
    [[nodiscard]] u32 read(u16 register_offset) const { return memory->read<u32>(page + register_offset); }
    void write(u16 register_offset, u32 value) { memory->write<u32>(page + register_offset, value); }
};

// One of the 256-bit registers (ISR, TMR, IRR; VISR, VIRR): bit v is bit v[4:0] of the 32-bit register v[7:5].
template <class Storage>
class VectorSet {
public:
    static constexpr int none = -1;
    VectorSet(Storage& storage, u16 base) : storage_{storage}, base_{base} {}

    [[nodiscard]] bool test(u8 vector) const { return ((storage_.read(slot(vector)) >> (vector & 31)) & 1) != 0; }
    void set(u8 vector) { storage_.write(slot(vector), storage_.read(slot(vector)) | (1U << (vector & 31))); }
    void clear(u8 vector) { storage_.write(slot(vector), storage_.read(slot(vector)) & ~(1U << (vector & 31))); }
    void assign(u8 vector, bool value) { value ? set(vector) : clear(vector); }
    // The highest vector in the set, or none.
    [[nodiscard]] int highest() const {
        for (int word = 7; word >= 0; --word)
            if (const u32 bits = storage_.read(static_cast<u16>(base_ + word * 16)); bits != 0) return word * 32 + 31 - std::countl_zero(bits);
        return none;
    }

private:
    [[nodiscard]] u16 slot(u8 vector) const { return static_cast<u16>(base_ + ((vector & 0xe0U) >> 1)); }
    Storage& storage_;
    u16 base_;
};

constexpr unsigned priority_class(unsigned vector) { return vector >> 4; }

// PPR from TPR and the highest vector in service (none: 0). The virtual PPR follows the same rule with SVI.
// SDM vol. 3, "Task and Processor Priorities" and "PPR Virtualization".
constexpr u8 processor_priority(u8 tpr, u8 in_service) {
    return priority_class(tpr) >= priority_class(in_service) ? tpr : static_cast<u8>(in_service & 0xf0);
}

// APR, which arbitrates for lowest-priority messages. SDM vol. 3, "Lowest Priority Delivery Mode" (arbitration priority register).
constexpr u8 arbitration_priority(u8 tpr, u8 in_service, u8 requested) {
    const unsigned t = priority_class(tpr), s = priority_class(in_service), r = priority_class(requested);
    if (t >= r && t > s) return tpr;
    return static_cast<u8>(((t & s) > r ? (t & s) : r) << 4);
}

}  // namespace vtsim::apic
