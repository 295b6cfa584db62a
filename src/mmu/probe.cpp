// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "mmu/format/legacy32.h"
#include "mmu/format/long_mode.h"
#include "mmu/format/pae.h"
#include "mmu/second_level.h"
#include "mmu/walker.h"

// What debuggers and dumps ask: where a linear address leads, read from memory alone and with nothing left behind.
namespace vtsim::mmu {

namespace {

struct ReadOnlyPort {
    const PhysicalMemory& memory;
    u64 read(PhysicalAddress slot, unsigned) const { return memory.read<u64>(slot); }
    void set_flags(PhysicalAddress, unsigned, u64, bool) const {}
    void passed(unsigned, u64, u8) const {}
};

}  // namespace

bool Walker::probe_second_stage(u64 address, PhysicalAddress& physical, u8& shift) const {
    physical = PhysicalAddress{address};
    if (!context_->ept) return true;
    const unsigned levels = Eptp::levels(context_->eptp);
    if (levels == 4 && (address >> 48) != 0) return false;
    ReadOnlyPort port{memory_};
    const auto found = walk_second_level(ept_format_, {Eptp::table(context_->eptp), levels}, address, 0, false, port);
    if (found.status != SecondLevelStatus::translated) return false;
    physical = PhysicalAddress{found.frame | (address & low_bits(found.shift))};
    shift = std::min(shift, found.shift);
    return true;
}

template <class Format>
bool Walker::probe_paging(u64 linear, Probe& probe) const {
    const Format format{*context_, params_.physical_address_bits, params_.pages_1g};
    auto table = Format::root(*context_, linear);
    for (unsigned level = Format::top; table; --level) {
        PhysicalAddress slot;
        u8 shift = 12;
        if (!probe_second_stage(Format::slot(*table, linear, level), slot, shift)) return false;
        const u64 entry = memory_.read<typename Format::Raw>(slot);
        if (!Format::present(entry) || format.reserved_bits_set(entry, level)) return false;
        if (format.leaf(entry, level)) {
            probe.page_shift = static_cast<u8>(Format::shift(level));
            probe.guest_physical = GuestPhysicalAddress{Format::frame(entry, level) | (linear & low_bits(Format::shift(level)))};
            return true;
        }
        table = Format::table(entry);
    }
    return false;
}

Probe Walker::probe(u64 linear) const {
    Probe result;
    result.guest_physical = GuestPhysicalAddress{linear};
    result.page_shift = 30;
    switch (context_->mode) {
        case arch::PagingMode::off: result.ok = true; break;
        case arch::PagingMode::legacy32: result.ok = probe_paging<Legacy32Paging>(linear, result); break;
        case arch::PagingMode::pae: result.ok = probe_paging<PaePaging>(linear, result); break;
        case arch::PagingMode::level4: result.ok = probe_paging<LongModePaging<4>>(linear, result); break;
        case arch::PagingMode::level5: result.ok = probe_paging<LongModePaging<5>>(linear, result); break;
    }
    result.ok = result.ok && probe_second_stage(result.guest_physical.value(), result.physical, result.page_shift);
    return result;
}

}  // namespace vtsim::mmu
