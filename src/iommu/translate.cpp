// SPDX-License-Identifier: Apache-2.0
// The way of a DMA request through root table, context table and second-level tables. VT-d, "DMA Remapping".
#include <algorithm>

#include "iommu/remapping_unit.h"

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
    result.readable = page.read;
    result.writable = page.write;
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

// A zero-length read needs any permission (CAP.ZLR).
template <class Entry>
bool permits(const Entry& entry, const DmaRequest& request) {
    return request.write ? entry.write : entry.read || (request.size == 0 && entry.write);
}

}  // namespace

FaultReason RemappingUnit::find_page(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page) {
    cycles_ += params_.iotlb.latency;
    if (const auto* cached = iotlb_.lookup(context.domain(), request.address)) {
        page = *cached;
        if (permits(page, request)) return FaultReason::none;
        ++stats_.permission_rewalks;                    // software may have added the permission
    }
    ++stats_.walks;
    page = {};
    const auto reason = walk_tables(context, request, page);
    ++(reason == FaultReason::none ? stats_.walks_completed : stats_.walks_aborted);
    if (reason == FaultReason::none) iotlb_.fill(context.domain(), request.address, page);
    return reason;
}

FaultReason RemappingUnit::walk_tables(const ContextEntry& context, const DmaRequest& request, IotlbEntry& page) {
    unsigned level = context.levels();
    u64 table = context.second_level().value();
    page.read = page.write = true;
    const auto cached = structure_cache_.lookup(context.domain(), request.address, level, SecondLevelFormat::shift);
    if (cached && permits(cached->entry, request)) {    // else from the root: software may have added the permission
        level = cached->level - 1;
        table = cached->entry.table;
        page.read = cached->entry.read;
        page.write = cached->entry.write;
    }
    for (;; --level) {
        ++stats_.refs.level[level - 1];
        const TableRead found = read(PhysicalAddress{table + SecondLevelFormat::entry_offset(request.address, level)});
        const u64 entry = found.value;
        if (!found.ok) return FaultReason::second_level_access;
        if (SecondLevelFormat::present(entry) && format_.reserved_bits_set(entry, level)) return FaultReason::second_level_reserved;
        page.read = page.read && (entry & SecondLevelFormat::read) != 0;
        page.write = page.write && (entry & SecondLevelFormat::write) != 0;
        if (!permits(page, request)) return request.write ? FaultReason::no_write : FaultReason::no_read;
        if (format_.leaf(entry, level)) {
            page.shift = static_cast<u8>(SecondLevelFormat::shift(level));
            page.frame = SecondLevelFormat::frame(entry, level);
            page.snoop = (entry & SecondLevelFormat::snoop) != 0;
            return FaultReason::none;
        }
        table = SecondLevelFormat::table(entry);
        structure_cache_.fill(context.domain(), request.address, level, SecondLevelFormat::shift(level), {table, page.read, page.write});
    }
}

}  // namespace vtsim::iommu
