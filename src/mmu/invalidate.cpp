// SPDX-License-Identifier: Apache-2.0
#include "arch/registers.h"
#include "mmu/mmu.h"

// What removes cached translations. SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches" and "Operations that
// Invalidate Cached Mappings". The modelled structures lose exactly what a function names; the translation caches in front of them
// lose at least that: they do not tell global pages from others, and forget an address in all contexts at once.
namespace vtsim::mmu {

using tlb::Cause;
using tlb::Space;

template <class Match>
void Mmu::drop_linear(Cause cause, Match&& match) {
    count(cause);
    if (mode_ != Mode::functional) {
        itlb_.drop_if(cause, match);
        dtlb_.drop_if(cause, match);
        stlb_.drop_if(cause, match);
        walker_.paging_cache().drop_if(cause, match);
    }
    if (stale_ == Stale::retain) retained_.drop_if(match);
    contexts_.drop_if(match);
    if (match(key_.space)) renew_number();
}

// One address in the TLBs; the caller says what becomes of the paging-structure caches.
template <class Match>
void Mmu::drop_linear_address(u64 linear, Cause cause, Match&& match) {
    count(cause);
    if (mode_ != Mode::functional) {
        itlb_.drop_address(linear, cause, match);
        dtlb_.drop_address(linear, cause, match);
        stlb_.drop_address(linear, cause, match);
    }
    if (stale_ == Stale::retain) retained_.drop_address(linear, match);
    drop_cached_page(linear);
}

template <class Match>
void Mmu::drop_guest_physical(Cause cause, Match&& match) {
    walker_.functional_nested().drop_if(match);
    if (mode_ == Mode::functional) return;
    walker_.nested_tlb().drop_if(cause, match);
    walker_.ept_cache().drop_if(cause, match);
}

// All pieces that the translation caches may hold of the page around an address, whatever its size.
void Mmu::drop_cached_page(u64 linear) {
    const u8 range = large_pages_.range(linear);
    const auto drop = [linear, range](auto& entry, u64 tag) {
        if (((tag ^ linear) >> range) == 0) entry = {};
    };
    const auto drop_data = [linear, range](const TranslationEntry& entry) {
        if (((entry.read_tag ^ linear) >> range) == 0 || ((entry.write_tag ^ linear) >> range) == 0) entry.clear();
    };
    if (range == 12) {
        drop(fetch.at(linear), fetch.at(linear).tag);
        drop(functional_->at(linear), functional_->at(linear).tag);
        drop_data(data.at(linear));
        return;
    }
    large_pages_.dropped(linear, range);
    for (auto& entry : fetch) drop(entry, entry.tag);
    if (range == 30) {
        for (u64 i = 0; i < TranslationCache::count; ++i) drop_data(data.entry(i));
        for (auto& entry : *functional_) drop(entry, entry.tag);
        return;
    }
    const u64 first = linear & ~((u64{1} << range) - 1);
    for (u64 page = 0; page < u64{1} << (range - 12); ++page) {
        const u64 address = first + (page << 12);
        drop_data(data.at(address));
        drop(functional_->at(address), functional_->at(address).tag);
    }
}

void Mmu::invlpg(u64 linear) {
    const u64 vpid = key_.space.vpid(), pcid = key_.space.pcid();
    drop_linear_address(linear, Cause::invlpg, [=](Space s) { return s.vpid() == vpid && (s.pcid() == pcid || s.global()); });
    walker_.paging_cache().drop_if(Cause::invlpg, [=](Space s) { return s.vpid() == vpid && s.pcid() == pcid; });
}

void Mmu::mov_cr3(u64 value, bool no_flush) {
    if (no_flush && context_.pcid_enabled) return;
    const u64 vpid = key_.space.vpid(), pcid = context_.pcid_enabled ? value & 0xfff : 0;
    drop_linear(Cause::mov_cr3, [=](Space s) { return s.vpid() == vpid && s.pcid() == pcid && !s.global(); });
}

void Mmu::control_registers_changed(u64 old_cr0, u64 new_cr0, u64 old_cr4, u64 new_cr4) {
    const u64 vpid = key_.space.vpid(), pcid = key_.space.pcid();
    const u64 cr0 = old_cr0 ^ new_cr0, cr4 = old_cr4 ^ new_cr4;
    const bool everything = (cr0 & arch::cr0::pg) != 0 || (cr4 & arch::cr4::pge) != 0 || (old_cr4 & ~new_cr4 & arch::cr4::pcide) != 0;
    const bool this_pcid = (cr4 & (arch::cr4::pae | arch::cr4::pse)) != 0 || (~old_cr4 & new_cr4 & arch::cr4::smep) != 0;
    if (everything) drop_linear(Cause::control_register, [=](Space s) { return s.vpid() == vpid; });
    else if (this_pcid) drop_linear(Cause::control_register, [=](Space s) { return s.vpid() == vpid && s.pcid() == pcid; });
}

void Mmu::invpcid(unsigned type, u16 pcid, u64 linear) {
    const u64 vpid = key_.space.vpid();
    const auto of_pcid = [=](Space s) { return s.vpid() == vpid && s.pcid() == pcid && !s.global(); };
    switch (type) {
        case 0:
            drop_linear_address(linear, Cause::invpcid, of_pcid);
            walker_.paging_cache().drop_if(Cause::invpcid, of_pcid);
            break;
        case 1: drop_linear(Cause::invpcid, of_pcid); break;
        case 2: drop_linear(Cause::invpcid, [=](Space s) { return s.vpid() == vpid; }); break;
        default: drop_linear(Cause::invpcid, [=](Space s) { return s.vpid() == vpid && !s.global(); }); break;
    }
}

void Mmu::invept(unsigned type, u64 eptp) {
    const u64 root = type == 1 ? roots_.find(eptp) : 0;
    const bool unknown = type == 1 && root == 0;        // never used: nothing can be cached
    const auto match = [=](Space s) { return !unknown && (type == 1 ? s.root() == root : s.root() != 0); };
    drop_linear(Cause::invept, match);
    drop_guest_physical(Cause::invept, match);
}

void Mmu::invvpid(unsigned type, u16 vpid, u64 linear) {
    const auto of_vpid = [=](Space s) { return s.vpid() == vpid; };
    switch (type) {
        case 0:
            drop_linear_address(linear, Cause::invvpid, of_vpid);
            walker_.paging_cache().drop_address(linear, Cause::invvpid, of_vpid);
            break;
        case 1: drop_linear(Cause::invvpid, of_vpid); break;
        case 2: drop_linear(Cause::invvpid, [](Space s) { return s.vpid() != 0; }); break;
        default: drop_linear(Cause::invvpid, [=](Space s) { return s.vpid() == vpid && !s.global(); }); break;
    }
}

void Mmu::vm_transition(bool vpid_enabled) {
    if (!vpid_enabled) drop_linear(Cause::vm_transition, [](Space s) { return s.vpid() == 0; });
}

void Mmu::eptp_switched(bool vpid_enabled) {
    if (!vpid_enabled) drop_linear(Cause::eptp_switch, [](Space s) { return s.vpid() == 0 && s.root() != 0; });
}

void Mmu::page_fault(u64 linear) {
    const auto match = [space = key_.space](Space s) { return s.serves(space); };
    drop_linear_address(linear, Cause::page_fault, match);
    walker_.paging_cache().drop_address(linear, Cause::page_fault, match);
}

// A page fault removes what translates its address, an EPT violation also what translates the guest-physical address.
// Misconfigurations remove nothing: nothing can have been cached.
void Mmu::after_fault(arch::Event event, u64 linear) {
    if (event.kind == arch::EventKind::exception) return page_fault(linear);
    if (event.number != 48) return;
    const auto same = [space = key_.space](Space s) { return s.serves(space); };
    count(Cause::ept_violation);
    if (details.linear_valid) {
        if (mode_ != Mode::functional) {
            for (auto* tlb : {&itlb_, &dtlb_, &stlb_}) tlb->drop_address(linear, Cause::ept_violation, same);
            walker_.paging_cache().drop_address(linear, Cause::ept_violation, same);
        }
        if (stale_ == Stale::retain) retained_.drop_address(linear, same);
        drop_cached_page(linear);
    }
    const auto same_root = [root = key_.space.root()](Space s) { return s.root() == root; };
    walker_.functional_nested().drop_page(details.guest_physical);
    walker_.nested_tlb().drop_address(details.guest_physical, Cause::ept_violation, same_root);
    walker_.ept_cache().drop_address(details.guest_physical, Cause::ept_violation, same_root);
}

void Mmu::clear_modelled(Cause cause) {
    for (auto* tlb : {&itlb_, &dtlb_, &stlb_, &walker_.nested_tlb()}) tlb->clear(cause);
    walker_.paging_cache().clear(cause);
    walker_.ept_cache().clear(cause);
    walker_.functional_nested().clear();
}

void Mmu::reset() {
    count(Cause::reset);
    clear_modelled(Cause::reset);
    clear_translation_caches();
    retained_.clear();
}

}  // namespace vtsim::mmu
