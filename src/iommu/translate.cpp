// SPDX-License-Identifier: Apache-2.0
// The way of a DMA request through root table, context table and second-level tables. VT-d, "DMA Remapping".
#include <algorithm>

#include "iommu/remapping_unit.h"
#include "mmu/second_level.h"

namespace vtsim::iommu {

TableRead RemappingUnit::read(PhysicalAddress address) {
    const TableRead result = tables_.read(tables_.self, address);
    cycles_ += result.cycles;
    return result;
}

// Root and context entries have 128 bits in one cache line: one reference, whose latency is that of the first half.
template <class Entry>
bool RemappingUnit::read_pair(PhysicalAddress address, Entry& entry) {
    const TableRead low = read(address);
    const TableRead high = tables_.read(tables_.self, address + 8);
    entry = {low.value, high.value};
    return low.ok && high.ok;
}

DmaResult RemappingUnit::translate(const DmaRequest& request) {
    ++stats_.requests;
    DmaResult result;
    if (is_interrupt_address(request.address) && request.type == RequestType::untranslated) {
        result.status = request.write ? DmaStatus::interrupt : DmaStatus::blocked;
        ++(request.write ? stats_.interrupts : stats_.refused);
        return result;
    }
    if (!remaps()) {
        ++stats_.bypassed;
        result.status = DmaStatus::translated;
        result.address = PhysicalAddress{request.address};
        result.readable = result.writable = true;
        return result;
    }
    cycles_ = 0;
    fault_disable_ = false;
    result.reason = remap(request, result);
    result.cycles = cycles_;
    stats_.cycles += cycles_;
    if (result.reason == FaultReason::none) {
        ++stats_.translations;
        result.status = DmaStatus::translated;
        return result;
    }
    ++stats_.refused;
    stats_.faults.count(result.reason);
    if (fault_disable_ && qualified(result.reason)) ++stats_.fault_log.suppressed;
    else fault_log_.record(request, result.reason);
    return result;
}

FaultReason RemappingUnit::remap(const DmaRequest& request, DmaResult& result) {
    ContextEntry context;
    if (const auto reason = find_context(request.source, context); reason != FaultReason::none) return reason;
    if (const auto reason = check_context(context, request); reason != FaultReason::none) return reason;
    if (context.type() == TranslationType::pass_through) {
        ++stats_.pass_through;
        result.address = PhysicalAddress{request.address};
        result.readable = result.writable = true;
        return FaultReason::none;
    }
    IotlbEntry page;
    if (const auto reason = find_page(context, request, page); reason != FaultReason::none) return reason;
    result.address = PhysicalAddress{page.frame | (request.address & low_bits(page.shift))};
    if (is_interrupt_address(result.address.value())) return FaultReason::interrupt_range;
    result.page_shift = page.shift;
    result.readable = (page.rights & tlb::rights::second_read) != 0;
    result.writable = (page.rights & tlb::rights::second_write) != 0;
    result.snoop = page.snoop;
    return FaultReason::none;
}

FaultReason RemappingUnit::find_context(SourceId source, ContextEntry& entry) {
    cycles_ += params_.context_cache.latency;
    if (const auto* cached = context_cache_.lookup(source)) {
        entry = *cached;
        fault_disable_ = entry.fault_disable();
        return FaultReason::none;
    }
    const auto reason = read_context(source, entry);
    if (reason == FaultReason::none) context_cache_.fill(source, entry);
    return reason;
}

// The checks stand in the order in which the entries are read. VT-d, "Fault Reason Encodings".
FaultReason RemappingUnit::read_context(SourceId source, ContextEntry& entry) {
    RootEntry root;
    ++stats_.refs.root;
    if (!read_pair(root_ + source.bus() * RootEntry::bytes, root)) return FaultReason::root_access;
    if (!root.present()) return FaultReason::root_not_present;
    if (root.reserved_bits_set(params_.host_address_width)) return FaultReason::root_reserved;

    ++stats_.refs.context;
    if (!read_pair(root.context_table() + source.device_function() * ContextEntry::bytes, entry)) return FaultReason::context_access;
    fault_disable_ = entry.fault_disable();             // counts whether the entry is present or not
    if (!entry.present()) return FaultReason::context_not_present;
    if (entry.reserved_bits_set(params_.host_address_width)) return FaultReason::context_reserved;

    const bool supported = (entry.address_width() == 1 && params_.agaw_39) || (entry.address_width() == 2 && params_.agaw_48);
    switch (entry.type()) {
        case TranslationType::untranslated: return supported ? FaultReason::none : FaultReason::context_invalid;
        case TranslationType::pass_through: {           // demands the largest width that the unit supports
            const unsigned largest = params_.agaw_48 ? 2 : 1;
            return params_.pass_through && entry.address_width() == largest ? FaultReason::none : FaultReason::context_invalid;
        }
        default: return FaultReason::context_invalid;   // no device-TLBs here
    }
}

FaultReason RemappingUnit::check_context(const ContextEntry& entry, const DmaRequest& request) const {
    if (request.type != RequestType::untranslated) return FaultReason::request_blocked;
    const unsigned width = std::min(entry.width(), params_.guest_address_width);
    const u64 last = request.address | ((request.size == 0 ? 0 : request.size - 1) & page_offset_mask);     // within the page
    return last > low_bits(width) ? FaultReason::beyond_width : FaultReason::none;
}

namespace {

using tlb::rights::second_read;
using tlb::rights::second_write;

// A zero-length read needs any permission (CAP.ZLR).
bool permits(u8 rights, const DmaRequest& request) {
    if (request.write) return (rights & second_write) != 0;
    return (rights & (request.size == 0 ? second_read | second_write : second_read)) != 0;
}

u8 needed(const DmaRequest& request) { return request.write ? second_write : request.size == 0 ? u8{0} : second_read; }

}  // namespace

FaultReason RemappingUnit::find_page(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page) {
    cycles_ += params_.iotlb.latency;
    if (const auto* cached = iotlb_.lookup(context.domain(), request.address)) {
        page = *cached;
        if (permits(page.rights, request)) return FaultReason::none;
        ++stats_.permission_rewalks;                    // software may have added the permission
    }
    ++stats_.walks;
    const auto reason = walk(context, request, page);
    ++(reason == FaultReason::none ? stats_.walks_completed : stats_.walks_aborted);
    if (reason == FaultReason::none) iotlb_.fill(context.domain(), request.address, page);
    return reason;
}

// The references of a walk: counted by level, timed, and remembered by the paging-structure cache.
struct RemappingUnit::WalkPort {
    RemappingUnit& unit;
    u16 domain;
    u64 address;
    bool failed = false;

    u64 read(PhysicalAddress slot, unsigned level) {
        ++unit.stats_.refs.level[level - 1];
        const TableRead found = unit.read(slot);
        failed = !found.ok;
        return found.ok ? found.value : 0;              // ends the walk
    }
    void passed(unsigned level, u64 table, u8 rights) {
        unit.structure_cache_.fill(domain, address, level, SecondLevelFormat::shift(level), {table, rights});
    }
    void set_flags(PhysicalAddress, unsigned, u64, bool) {}         // the format has none
};

FaultReason RemappingUnit::walk(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page) {
    mmu::SecondLevelStart start{context.second_level().value(), context.levels(), second_read | second_write};
    const auto cached = structure_cache_.lookup(context.domain(), request.address, context.levels(), SecondLevelFormat::shift);
    if (cached && permits(cached->entry.rights, request)) start = {cached->entry.table, cached->level - 1, cached->entry.rights};

    WalkPort port{*this, context.domain(), request.address};
    const auto result = mmu::walk_second_level(format_, start, request.address, needed(request), request.write, port);
    if (port.failed) return FaultReason::second_level_access;
    if (result.status == mmu::SecondLevelStatus::misconfigured) return FaultReason::second_level_reserved;
    if (result.status != mmu::SecondLevelStatus::translated || !permits(result.rights, request))
        return request.write ? FaultReason::no_write : FaultReason::no_read;
    page = {result.frame, result.shift, result.rights, SecondLevelFormat::snoop(result.entry)};
    return FaultReason::none;
}

}  // namespace vtsim::iommu
