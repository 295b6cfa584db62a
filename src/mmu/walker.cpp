// SPDX-License-Identifier: Apache-2.0
#include "mmu/walker.h"

#include <algorithm>
#include <array>

#include "mmu/format/legacy32.h"
#include "mmu/format/long_mode.h"
#include "mmu/format/pae.h"
#include "mmu/permissions.h"
#include "mmu/second_level.h"

namespace vtsim::mmu {

namespace {

constexpr u16 ept_violation_reason = 48, ept_misconfiguration_reason = 49;

// Exit qualification of EPT violations. SDM vol. 3, "Exit Qualification for EPT Violations".
namespace violation {
constexpr u64 read = bit(0), write = bit(1), fetch = bit(2), linear_valid = bit(7), final_access = bit(8), user_page = bit(9), writable_page = bit(10),
              execute_disable_page = bit(11);
constexpr u64 of(arch::AccessKind kind) {
    constexpr u64 bits[] = {read, write, read | write, fetch};
    return bits[static_cast<unsigned>(kind)];
}
}  // namespace violation

}  // namespace

// What a walk has read: it is written back (A, D) and remembered (paging-structure caches) only when the walk succeeds.
template <class Format>
struct Walker::Path {
    struct Visited {
        u64 slot, entry;
        u64 guest_physical;         // of the entry, for EPT violations by A/D updates; 0 below a cached entry
        u8 rights, table_rights;
    };
    std::array<Visited, 5> visited;
    unsigned depth = 0;
};

// The references of the second dimension.
struct Walker::EptPort {
    Walker& walker;
    Request& request;
    unsigned g;
    u64 address;
    bool modelled;

    u64 read(PhysicalAddress slot, unsigned level) {
        if (!modelled) return walker.memory_.read<u64>(slot);
        return walker.read_entry<u64, true>(slot.value(), g, level, request);
    }
    void set_flags(PhysicalAddress slot, unsigned, u64 entry, bool was_accessed) {
        auto& side = *walker.side_;
        walker.write_entry<u64>(slot.value(), entry, was_accessed ? side.ept_dirty_writes : side.ept_accessed_writes, request);
    }
    void passed(unsigned level, u64 table, u8 rights) {
        if (!modelled || !walker.use_caches_) return;
        const unsigned shift = EptFormat::shift(level);
        walker.ept_cache_.fill(address >> shift, shift, level, walker.nested_space_, {table, rights, tlb::rights::all_second});
    }
};

Walker::Walker(stats::Group& parent, const MmuParams& params, PhysicalMemory& memory, WalkPort port)
    : params_{params},
      memory_{memory},
      port_{port},
      stats_{parent},
      nested_tlb_{parent, "nested_tlb", params.nested_tlb, params.seed + 3},
      paging_cache_{parent, "paging_cache", params.paging_cache, params.seed + 4},
      ept_cache_{parent, "ept_cache", params.ept_cache, params.seed + 5},
      side_{&stats_.root},
      ept_format_{.physical_address_bits = params.physical_address_bits, .execute_only = params.ept_execute_only, .pages_2m = params.ept_2m, .pages_1g = params.ept_1g},
      use_caches_{params.walk_caches && params.stale != "forget"} {}

template <class Raw, bool modelled>
u64 Walker::read_entry(u64 slot, unsigned g, unsigned e, Request& request) {
    if constexpr (modelled) {
        const u32 cycles = port_.access != nullptr ? port_.access(port_.self, PhysicalAddress{slot}, false) : 0;
        if (request.kind == WalkKind::pdpte_load) {
            ++side_->pdpte_refs;
        } else {
            ++side_->refs.at(request.kind, g, e);
            if (timed_) side_->ref_cycles.at(request.kind, g, e) += cycles;
        }
        if (timed_) request.cycles += cycles;
    }
    return memory_.read<Raw>(PhysicalAddress{slot});
}

template <class Raw>
void Walker::write_entry(u64 slot, u64 entry, stats::Counter& counter, Request& request) {
    memory_.write<Raw>(PhysicalAddress{slot}, static_cast<Raw>(entry));
    if (!modelled_) return;
    const u32 cycles = port_.access != nullptr ? port_.access(port_.self, PhysicalAddress{slot}, true) : 0;
    ++counter;
    if (!timed_) return;
    side_->write_cycles += cycles;
    request.cycles += cycles;
}

arch::Event Walker::page_fault(Request& request, u32 code) {
    *request.details = {.linear = request.linear, .guest_physical = 0, .qualification = 0, .linear_valid = true};
    return arch::exception(arch::Vector::pf, code);
}

arch::Event Walker::ept_violation(u64 address, u64 qualification, u8 rights, Request& request) const {
    const u64 read_write_execute = static_cast<u64>(rights >> 4 & 7) << 3;
    const u64 user_execute = ept_format_.mode_based_execute && (rights & tlb::rights::second_execute_user) != 0 ? bit(6) : 0;
    *request.details = {.linear = request.linear,
                        .guest_physical = address,
                        .qualification = qualification | read_write_execute | user_execute,
                        .linear_valid = request.linear_valid};
    return {arch::EventKind::vm_exit, ept_violation_reason, 0};
}

// With EPT accessed/dirty flags on, an access to a guest paging structure counts as a write, but a load of PDPTEs does not.
Walker::SecondAccess Walker::table_access(unsigned g, const Request& request) const {
    const u64 linear = request.linear_valid ? violation::linear_valid : 0;
    if (!ept_format_.accessed_dirty) return {tlb::rights::second_read, false, violation::read | linear, g};
    return {tlb::rights::second_read | tlb::rights::second_write, true, violation::read | violation::write | linear, g};
}

Walker::SecondAccess Walker::final_access(u8 paging_rights, const Request& request) const {
    const bool user_page = (paging_rights & tlb::rights::user) != 0;
    u64 qualification = violation::of(request.access.kind);
    if (request.linear_valid) {
        qualification |= violation::linear_valid | violation::final_access;
        if (params_.advanced_violations)
            qualification |= (user_page ? violation::user_page : 0) | ((paging_rights & tlb::rights::write) != 0 ? violation::writable_page : 0) |
                             ((paging_rights & tlb::rights::execute) == 0 ? violation::execute_disable_page : 0);
    }
    return {second_level_needs(request.access, user_page), request.access.writes(), qualification, 0};
}

template <bool modelled>
arch::Event Walker::walk_ept(u64 address, const SecondAccess& access, Request& request, tlb::Mapping& result) {
    const unsigned levels = Eptp::levels(context_->eptp);
    SecondLevelStart start{Eptp::table(context_->eptp), levels, tlb::rights::all_second};
    if (levels == 4 && (address >> 48) != 0) return ept_violation(address, access.qualification, 0, request);
    if (modelled && use_caches_ && request.may_use_caches) {
        const auto hit = ept_cache_.lookup(address, nested_space_, levels, EptFormat::shift);
        if (hit.level != 0) {
            start = {hit.pointer.table, hit.level - 1, hit.pointer.rights};
            request.used_cache = true;
        }
    }
    EptPort port{*this, request, access.g, address, modelled};
    const auto found = walk_second_level(ept_format_, start, address, access.needed, access.writes, port);
    switch (found.status) {
        case SecondLevelStatus::translated: break;
        case SecondLevelStatus::misconfigured:
            *request.details = {.linear = request.linear, .guest_physical = address, .qualification = 0, .linear_valid = false};
            return {arch::EventKind::vm_exit, ept_misconfiguration_reason, 0};
        case SecondLevelStatus::denied: request.denied = true; [[fallthrough]];
        case SecondLevelStatus::not_present: return ept_violation(address, access.qualification, found.rights, request);
    }
    result.frame = found.frame;
    result.shift = result.leaf_shift = found.shift;
    result.rights = found.rights;
    result.second_type = EptFormat::memory_type(found.entry);
    result.ignore_pat = EptFormat::ignore_pat(found.entry);
    result.dirty = found.dirty;
    return {};
}

// A guest-physical mapping: from the nested TLB, else by a walk of EPT.
template <bool modelled>
arch::Event Walker::second_stage(u64 address, const SecondAccess& access, Request& request, tlb::Mapping& result) {
    const auto serves = [&](const tlb::Mapping& mapping) { return (access.needed & ~mapping.rights) == 0 && (!access.writes || mapping.dirty); };
    const bool lookup = request.may_use_caches && (use_caches_ || !modelled);
    if constexpr (modelled) {
        if (lookup) {
            const u32 way = nested_tlb_.lookup(address, nested_space_);
            if (way != tlb::no_way && serves(nested_tlb_.mapping(way))) {
                result = nested_tlb_.mapping(way);
                request.used_cache = true;
                return {};
            }
        }
    } else if (lookup) {
        const auto* const entry = functional_nested_.find(address, nested_space_);
        if (entry != nullptr && serves(entry->mapping)) {
            result = entry->mapping;
            request.used_cache = true;
            return {};
        }
    }
    if (const auto event = walk_ept<modelled>(address, access, request, result)) return event;
    if constexpr (modelled) {
        if (use_caches_) nested_tlb_.fill(address, nested_space_, result);
    } else if (params_.stale != "forget") {
        functional_nested_.fill(address, nested_space_, result);
    }
    return {};
}

// One loop for all paging formats. SDM vol. 3, "Paging" and "The Extended Page Table Mechanism (EPT)".
template <class Format, bool nested, bool modelled>
arch::Event Walker::walk_paging(Request& request, tlb::Mapping& mapping) {
    const Format format{*context_, params_.physical_address_bits, params_.pages_1g};
    const u64 linear = request.linear;
    Path<Format> path;
    unsigned first = Format::top, level = Format::top;
    u8 rights = tlb::rights::all_paging;
    u8 table_rights = tlb::rights::all_second;
    u64 table = 0;
    bool table_is_physical = !nested;
    const bool caches = modelled && use_caches_ && request.may_use_caches;

    tlb::PagingStructureCache::Hit hit;
    if (caches) hit = paging_cache_.lookup(linear, space_, Format::top, Format::shift);
    if (hit.level != 0) {
        table = hit.pointer.table;
        rights = hit.pointer.rights;
        table_rights = hit.pointer.table_rights;
        table_is_physical = true;
        first = level = hit.level - 1;
        request.used_cache = true;
    } else {
        const auto root = Format::root(*context_, linear);
        if (!root) return page_fault(request, access_error_code(*context_, request.access));
        table = *root;
    }

    for (;; --level) {
        u64 slot = Format::slot(table, linear, level);
        u64 guest_physical = 0;
        if (nested && !table_is_physical) {
            tlb::Mapping page;
            if (const auto event = second_stage<modelled>(slot, table_access(level, request), request, page)) return event;
            guest_physical = slot;
            slot = page.physical(slot);
            table_rights = page.rights;
        }
        table_is_physical = !nested;
        const u64 entry = read_entry<typename Format::Raw, modelled>(slot, level, 0, request);
        if (!Format::present(entry)) return page_fault(request, access_error_code(*context_, request.access));
        if (format.reserved_bits_set(entry, level))
            return page_fault(request, access_error_code(*context_, request.access) | arch::pf_error::present | arch::pf_error::reserved);
        rights &= Format::rights(entry);
        path.visited[path.depth++] = {slot, entry, guest_physical, rights, table_rights};
        if (format.leaf(entry, level)) break;
        table = Format::table(entry);
    }

    auto& leaf = path.visited[path.depth - 1];
    const u8 key = Format::protection_key(leaf.entry);
    if (!paging_permits(*context_, rights, key, request.access)) {
        request.denied = true;
        const bool by_key = (rights & tlb::rights::user) != 0 && key_denies(*context_, key, request.access);
        return page_fault(request, access_error_code(*context_, request.access) | arch::pf_error::present | (by_key ? arch::pf_error::protection_key : 0));
    }

    const auto wanted = [&](unsigned i) { return Format::accessed_bit | (i + 1 == path.depth && request.access.writes() ? Format::dirty_bit : 0); };
    if constexpr (nested) {
        for (unsigned i = 0; i < path.depth; ++i) {
            const auto& at = path.visited[i];
            if ((at.entry & wanted(i)) == wanted(i) || (at.table_rights & tlb::rights::second_write) != 0) continue;
            request.denied = true;
            return ept_violation(at.guest_physical, violation::read | violation::write | violation::linear_valid, at.table_rights, request);
        }
    }

    const u8 leaf_shift = static_cast<u8>(Format::shift(level));
    const u64 offset = linear & low_bits(leaf_shift);
    mapping = {.frame = Format::frame(leaf.entry, level), .shift = leaf_shift, .leaf_shift = leaf_shift, .rights = static_cast<u8>(rights | tlb::rights::all_second)};
    bool second_dirty = true;
    if constexpr (nested) {
        tlb::Mapping page;
        const u64 guest_physical = mapping.frame | offset;
        if (const auto event = second_stage<modelled>(guest_physical, final_access(rights, request), request, page)) return event;
        mapping.shift = std::min(leaf_shift, page.shift);
        mapping.frame = page.physical(guest_physical) & ~low_bits(mapping.shift);
        mapping.rights = static_cast<u8>(rights | page.rights);
        mapping.second_type = page.second_type;
        mapping.ignore_pat = page.ignore_pat;
        second_dirty = page.dirty;
    }

    for (unsigned i = 0; i < path.depth; ++i) {
        auto& at = path.visited[i];
        if ((at.entry & wanted(i)) == wanted(i)) continue;
        auto& counter = (at.entry & Format::accessed_bit) != 0 ? side_->dirty_writes : side_->accessed_writes;
        at.entry |= wanted(i);
        write_entry<typename Format::Raw>(at.slot, at.entry, counter, request);
    }
    if (modelled && use_caches_) {
        for (unsigned i = 0; i + 1 < path.depth; ++i) {
            const unsigned of = first - i;
            const u64 next = align_down(path.visited[i + 1].slot, page_size);
            paging_cache_.fill(linear >> Format::shift(of), Format::shift(of), of, space_, {next, path.visited[i].rights, path.visited[i + 1].table_rights});
        }
    }
    mapping.protection_key = key;
    mapping.pat_index = Format::pat_index(leaf.entry, level);
    mapping.global = context_->global_pages && (leaf.entry & Format::global_bit) != 0;
    mapping.dirty = (leaf.entry & Format::dirty_bit) != 0 && second_dirty;
    return {};
}

template <class Format, bool modelled>
arch::Event Walker::walk_format(Request& request, tlb::Mapping& mapping) {
    return request.kind == WalkKind::nested ? walk_paging<Format, true, modelled>(request, mapping) : walk_paging<Format, false, modelled>(request, mapping);
}

template <bool modelled>
arch::Event Walker::dispatch(Request& request, tlb::Mapping& mapping) {
    if (request.kind == WalkKind::native || request.kind == WalkKind::nested) {
        switch (context_->mode) {
            case arch::PagingMode::level4: return walk_format<LongModePaging<4>, modelled>(request, mapping);
            case arch::PagingMode::level5: return walk_format<LongModePaging<5>, modelled>(request, mapping);
            case arch::PagingMode::pae: return walk_format<PaePaging, modelled>(request, mapping);
            case arch::PagingMode::legacy32: return walk_format<Legacy32Paging, modelled>(request, mapping);
            case arch::PagingMode::off: break;
        }
    }
    const auto event = second_stage<modelled>(request.linear, final_access(tlb::rights::all_paging, request), request, mapping);
    mapping.rights |= tlb::rights::all_paging;
    mapping.leaf_shift = 12;
    return event;
}

// A denial may come from rights that a cache remembers although memory grants more by now: the walk is then repeated from the root.
arch::Event Walker::run(Request& request, tlb::Mapping& mapping, TranslationLatency& latency) {
    if (modelled_ && request.kind != WalkKind::pdpte_load) {
        ++side_->walks_of(request.kind);
        ++side_->by_cause[static_cast<std::size_t>(request.cause)];
    }
    const auto once = [&] { return modelled_ ? dispatch<true>(request, mapping) : dispatch<false>(request, mapping); };
    auto event = once();
    if (event && request.denied && request.used_cache) {
        request.may_use_caches = false;
        event = once();
    }
    if (modelled_) account(request, event, latency);
    return event;
}

void Walker::account(const Request& request, arch::Event event, TranslationLatency& latency) {
    switch (request.kind) {
        case WalkKind::native: latency.native += request.cycles; break;
        case WalkKind::nested: latency.nested += request.cycles; break;
        default: latency.ept += request.cycles; break;
    }
    if (request.kind == WalkKind::pdpte_load) return;
    if (!event) ++side_->completed;
    else if (event.kind == arch::EventKind::exception) ++side_->page_fault;
    else if (event.number == ept_violation_reason) ++side_->ept_violation;
    else ++side_->ept_misconfiguration;
}

arch::Event Walker::walk(u64 linear, arch::Access access, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency, arch::FaultDetails& details) {
    Request request{.linear = linear, .access = access, .cause = cause, .details = &details};
    if (!context_->ept) request.kind = WalkKind::native;
    else request.kind = context_->mode == arch::PagingMode::off ? WalkKind::ept : WalkKind::nested;
    return run(request, mapping, latency);
}

arch::Event Walker::walk_guest_physical(u64 address, arch::Access access, bool pdpte_load, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency,
                                        arch::FaultDetails& details) {
    Request request{.linear = address, .access = access, .cause = cause, .linear_valid = false, .details = &details};
    request.kind = pdpte_load ? WalkKind::pdpte_load : WalkKind::ept;
    if (pdpte_load && modelled_) ++side_->pdpte_loads;
    return run(request, mapping, latency);
}

}  // namespace vtsim::mmu
