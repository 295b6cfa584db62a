// SPDX-License-Identifier: Apache-2.0
#include "mmu/mmu.h"

#include <algorithm>

#include "base/error.h"
#include "mmu/permissions.h"

namespace vtsim::mmu {

namespace {

WalkCause cause_of(arch::Access access) {
    if (access.prefetch) return WalkCause::prefetch;
    if (access.fetches()) return WalkCause::fetch;
    return access.writes() ? WalkCause::store : WalkCause::load;
}

const MmuParams& validated(const MmuParams& params) {
    params.validate();
    return params;
}

}  // namespace

void MmuParams::validate() const {
    if (physical_address_bits < 32 || physical_address_bits > 52)
        throw ConfigError("mmu.physical_address_bits", std::to_string(physical_address_bits), "32 to 52");
    if (stale != "model" && stale != "retain" && stale != "forget") throw ConfigError("mmu.stale", stale, "model, retain or forget");
    itlb.validate("mmu.itlb");
    dtlb.validate("mmu.dtlb");
    stlb.validate("mmu.stlb");
    nested_tlb.validate("mmu.nested_tlb");
    paging_cache.validate("mmu.paging_cache");
    ept_cache.validate("mmu.ept_cache");
}

Mmu::Stats::Stats(stats::Group& parent, std::string name) : Group(parent, std::move(name)) {
    for (const auto cause : tlb::cause_names)
        operations.emplace_back(invalidations, std::string{cause}, stats::Unit::events, "invalidating operations by cause " + std::string{cause});
}

Mmu::Mmu(const MmuParams& params, PhysicalMemory& memory, WalkPort port, stats::Group& parent, std::string name)
    : params_{validated(params)},
      memory_{memory},
      stats_{parent, std::move(name)},
      itlb_{stats_, "itlb", params_.itlb, params_.seed},
      dtlb_{stats_, "dtlb", params_.dtlb, params_.seed + 1},
      stlb_{stats_, "stlb", params_.stlb, params_.seed + 2},
      walker_{stats_, params_, memory, port} {
    if (params_.stale == "retain") stale_ = Stale::retain;
    if (params_.stale == "forget") stale_ = Stale::forget;
    set_context({});
}

void Mmu::set_context(const arch::PagingContext& context) {
    context_ = context;
    if (context.ept && roots_.full()) {         // 65535 EPTRTAs were used: begin anew, as after reset
        reset();
        roots_.clear();
    }
    key_ = key_of(context, context.ept ? roots_.number(context.eptp) : u16{0});
    walker_.set_context(context_, key_.space);
    renew_number();
}

void Mmu::renew_number() {
    u32 number = contexts_.intern(key_);
    if (number == ContextTable::exhausted) {
        clear_translation_caches();
        contexts_.restart();
        number = contexts_.intern(key_);
    }
    number_ = number;
}

void Mmu::set_mode(Mode mode) {
    if (mode == mode_) return;
    const bool structures_change = mode == Mode::functional || mode_ == Mode::functional;
    mode_ = mode;
    walker_.set_mode(mode != Mode::functional, mode == Mode::timing);
    clear_translation_caches();
    if (!structures_change) return;
    count(tlb::Cause::mode_switch);
    clear_modelled(tlb::Cause::mode_switch);
}

void Mmu::clear_translation_caches() {
    data.clear();
    fetch.clear();
    functional_->clear();
    large_pages_.clear();
    dtlb_.renew_serials();          // the core remembers ways of lines, too
}

// --- Translation ---

arch::Outcome<Translation> Mmu::translate(u64 linear, arch::Access access) {
    if (mode_ == Mode::functional) return translate_functional(linear, access);
    if (context_.mode == arch::PagingMode::off && !context_.ept) return unpaged(linear, access);
    return translate_modelled(linear, access);
}

// Neither dimension is on: no TLB takes part.
arch::Outcome<Translation> Mmu::unpaged(u64 linear, arch::Access access) {
    const tlb::Mapping mapping{.frame = linear & ~page_offset_mask, .rights = tlb::rights::all, .dirty = true};
    if (mode_ == Mode::functional) fill_caches(linear, access, mapping, 0xff, 0, 0);
    return describe(linear, mapping);
}

arch::Outcome<Translation> Mmu::translate_functional(u64 linear, arch::Access access) {
    auto& entry = functional_->at(linear);
    const u64 wanted = page_tag(linear, tag(access));
    if (entry.tag == wanted && (FunctionalEntry::needed(access.kind) & ~entry.allows) == 0) {
        fill_caches(linear, access, entry.mapping, entry.allows, 0, 0);
        return describe(linear, entry.mapping);
    }
    if (context_.mode == arch::PagingMode::off && !context_.ept) return unpaged(linear, access);
    tlb::Mapping mapping;
    TranslationLatency latency;
    if (const auto event = find_or_walk(linear, access, cause_of(access), mapping, latency)) return event;
    const u8 allows = allowed(mapping, access);
    if (stale_ != Stale::forget) entry = {wanted, mapping, allows};
    fill_caches(linear, access, mapping, allows, 0, 0);
    return describe(linear, mapping);
}

arch::Outcome<Translation> Mmu::translate_modelled(u64 linear, arch::Access access) {
    auto& first = access.fetches() ? itlb_ : dtlb_;
    auto cause = cause_of(access);
    TranslationLatency latency;
    u32 way = first.lookup(linear, key_.space);
    if (way != tlb::no_way) {
        const auto mapping = first.mapping(way);
        if (permits(mapping, access)) {
            fill_caches(linear, access, mapping, allowed(mapping, access), way, first.serial(way));
            return describe(linear, mapping);
        }
        cause = note_rewalk(linear, access, mapping);
    } else if (const u32 second = stlb_.lookup(linear, key_.space); second != tlb::no_way) {
        const auto mapping = stlb_.mapping(second);
        if (permits(mapping, access)) {
            way = first.fill(linear, key_.space, mapping);
            fill_caches(linear, access, mapping, allowed(mapping, access), way, first.serial(way));
            auto translation = describe(linear, mapping);
            if (mode_ == Mode::timing) translation.latency.second_level_tlb = stlb_.latency();
            return translation;
        }
        cause = note_rewalk(linear, access, mapping);
    }

    tlb::Mapping mapping;
    if (const auto event = find_or_walk(linear, access, cause, mapping, latency)) return event;
    auto translation = describe(linear, mapping);
    translation.latency = latency;
    if (stale_ == Stale::forget) return translation;
    stlb_.fill(linear, key_.space, mapping);
    way = first.fill(linear, key_.space, mapping);
    fill_caches(linear, access, mapping, allowed(mapping, access), way, first.serial(way));
    return translation;
}

arch::Event Mmu::find_or_walk(u64 linear, arch::Access access, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency) {
    if (stale_ == Stale::retain) {
        const auto* const kept = retained_.find(linear, key_.space);
        if (kept != nullptr && permits(*kept, access)) {
            mapping = *kept;
            ++stats_.retained_hits;
            return {};
        }
    }
    const auto event = walker_.walk(linear, access, cause, mapping, latency, details);
    if (event) after_fault(event, linear);
    else if (stale_ == Stale::retain) retained_.keep(linear, key_.space, mapping);
    return event;
}

// A mapping was cached but does not do for this access. The walk finds out why, or what has changed in memory.
WalkCause Mmu::note_rewalk(u64 linear, arch::Access access, const tlb::Mapping& mapping) {
    auto clean = mapping;
    clean.dirty = true;
    const bool only_dirty = access.writes() && permits(clean, access);
    ++(only_dirty ? stats_.dirty : stats_.permission);
    const auto same = [this](tlb::Space space) { return space.serves(key_.space); };
    itlb_.drop_address(linear, tlb::Cause::permission, same);
    dtlb_.drop_address(linear, tlb::Cause::permission, same);
    stlb_.drop_address(linear, tlb::Cause::permission, same);
    return only_dirty ? WalkCause::ad_update : cause_of(access);
}

arch::Outcome<Translation> Mmu::translate_guest_physical(GuestPhysicalAddress address, arch::Access access, PhysicalUse use) {
    tlb::Mapping mapping{.frame = address.value() & ~page_offset_mask, .rights = tlb::rights::all, .dirty = true};
    TranslationLatency latency;
    if (context_.ept) {
        const bool pdpte_load = use == PhysicalUse::pdpte_load;
        if (const auto event = walker_.walk_guest_physical(address.value(), access, pdpte_load, cause_of(access), mapping, latency, details)) {
            after_fault(event, address.value());
            return event;
        }
    }
    auto translation = describe(address.value(), mapping);
    translation.latency = latency;
    return translation;
}

bool Mmu::permits(const tlb::Mapping& mapping, arch::Access access) const {
    if (access.writes() && !mapping.dirty) return false;
    if (context_.mode != arch::PagingMode::off && !paging_permits(context_, mapping.rights, mapping.protection_key, access)) return false;
    return !context_.ept || (second_level_needs(access, (mapping.rights & tlb::rights::user) != 0) & ~mapping.rights) == 0;
}

// What the accessor of `access` may do with a mapping, as bits of FunctionalEntry.
u8 Mmu::allowed(const tlb::Mapping& mapping, arch::Access access) const {
    const auto may = [&](arch::AccessKind kind, u8 bits) {
        access.kind = kind;
        return permits(mapping, access) ? bits : u8{0};
    };
    return static_cast<u8>(may(arch::AccessKind::load, FunctionalEntry::load) | may(arch::AccessKind::store, FunctionalEntry::store) |
                           may(arch::AccessKind::fetch, FunctionalEntry::fetch));
}

Translation Mmu::describe(u64 linear, const tlb::Mapping& mapping) const {
    const PhysicalAddress physical{mapping.physical(linear)};
    Translation result;
    result.physical = physical;
    result.host = memory_.is_ram(physical.page_base(), page_size) ? memory_.host(physical) : nullptr;
    result.page_shift = mapping.shift;
    result.pat_index = mapping.pat_index;
    result.ept_type = mapping.second_type;
    result.ignore_pat = mapping.ignore_pat;
    return result;
}

void Mmu::fill_caches(u64 linear, arch::Access access, const tlb::Mapping& mapping, u8 allows, u32 way, u32 serial) {
    const PhysicalAddress frame{mapping.physical(linear) & ~page_offset_mask};
    if (stale_ == Stale::forget) return;
    if (mapping.leaf_shift > 12) large_pages_.add(linear, mapping.leaf_shift);      // of devices, too: their translations are kept as well
    if (!memory_.is_ram(frame, page_size)) return;
    if (!params_.filters) serial = 0;                   // never current: every access comes here
    const u64 tag_value = page_tag(linear, tag(access));
    if (access.fetches()) {
        fetch.at(linear) = {tag_value, frame.value(), way, serial};
        return;
    }
    if (!memory_.direct()) return;                      // bus.dmi=off: so does every access of data
    if (std::find(kept_out_.begin(), kept_out_.begin() + kept_out_count_, linear & ~page_offset_mask) != kept_out_.begin() + kept_out_count_) return;
    const auto entry = data.at(linear);
    entry.read_tag = (allows & FunctionalEntry::load) != 0 ? tag_value : no_tag;
    entry.write_tag = (allows & FunctionalEntry::store) != 0 && !memory_.holds_code(frame) ? tag_value : no_tag;
    entry.addend = reinterpret_cast<u64>(memory_.host(frame)) - (linear & ~page_offset_mask);
    entry.way = way;
    entry.serial = serial;
}

void Mmu::keep_out(std::span<const u64> pages) {
    std::ranges::copy(pages, kept_out_.begin());
    kept_out_count_ = static_cast<unsigned>(pages.size());
    data.clear();
    dtlb_.renew_serials();          // the core remembers ways of lines, too
}

void Mmu::drop_write_entries(PhysicalAddress page) {
    const u64 host = reinterpret_cast<u64>(memory_.host(page.page_base()));
    for (u64 i = 0; i < TranslationCache::count; ++i)
        if (const auto entry = data.entry(i); entry.write_tag != no_tag && (entry.write_tag & ~page_offset_mask) + entry.addend == host) entry.write_tag = no_tag;
    dtlb_.renew_serials();
}

}  // namespace vtsim::mmu
