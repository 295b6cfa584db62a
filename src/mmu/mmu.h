// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "arch/access.h"
#include "arch/event.h"
#include "base/physical_memory.h"
#include "base/stats/stats.h"
#include "mmu/context.h"
#include "mmu/functional_tlb.h"
#include "mmu/params.h"
#include "mmu/translation.h"
#include "mmu/translation_cache.h"
#include "mmu/walker.h"
#include "tlb/retained.h"
#include "tlb/tlb.h"

namespace vtsim::mmu {

enum class Mode : u8 { functional, warm, timing };

// What translate_guest_physical is for: PDPTE loads by MOV CR are counted apart, and leave no D bit (SDM vol. 3, "EPT and Accessed/Dirty Flags").
enum class PhysicalUse : u8 { data, pdpte_load };

// The memory-management unit of one logical processor: TLBs, walker, paging-structure caches, and in front of them the translation
// caches that inline code of the core reads. It is handed a paging context and sees neither a VMCS nor an instruction.
//
// Every function of "Invalidation" and set_context may change the numbers that tag() returns: the core asks again afterwards.
class Mmu {
public:
    // Throws ConfigError. `port` is the way of the walker's references into the cache hierarchy.
    Mmu(const MmuParams& params, PhysicalMemory& memory, WalkPort port, stats::Group& parent, std::string name = "mmu");

    Mmu(const Mmu&) = delete;
    Mmu& operator=(const Mmu&) = delete;

    // --- Context ---
    // MOV CR, WRPKRU, VM entry and exit, ...: flushes nothing by itself. A context seen before costs no more than a comparison.
    void set_context(const arch::PagingContext& context);
    [[nodiscard]] const arch::PagingContext& context() const { return context_; }
    // The 12-bit context number for translation-cache tags (user wins over smap_off).
    [[nodiscard]] u64 tag(bool user, bool smap_off) const { return number_ + static_cast<u64>(privilege_of(user, smap_off)); }
    [[nodiscard]] u64 tag(arch::Access access) const { return tag(access.user, access.smap_off); }
    // Drops the translation caches; entering or leaving functional mode also empties the modelled structures.
    void set_mode(Mode mode);
    [[nodiscard]] Mode mode() const { return mode_; }
    void set_port(WalkPort port) { walker_.set_port(port); }
    // Where the first-level data TLB takes its time from: for stamp_data.
    void use_data_clock(u64& clock) { dtlb_.use_clock(clock); }

    // --- Translation ---
    // The slow path behind the translation caches: TLBs, then a walk; sets A and D bits and fills `data` or `fetch`. `linear` is
    // canonical. Fails with #PF (details.linear), or with VM exit 48 or 49 (all of `details`).
    [[nodiscard]] arch::Outcome<Translation> translate(u64 linear, arch::Access access);
    // A guest-physical address through EPT, or unchanged when EPT is off. Violations have no linear address.
    [[nodiscard]] arch::Outcome<Translation> translate_guest_physical(GuestPhysicalAddress address, arch::Access access,
                                                                      PhysicalUse use = PhysicalUse::data);
    [[nodiscard]] Probe probe(u64 linear) const { return walker_.probe(linear); }

    TranslationCache data;
    FetchCache fetch;
    arch::FaultDetails details;         // of the last fault that a translation returned

    // --- Timed fast path ---
    // After a tag hit in warm or timing mode: counts and stamps the hit if the modelled way still holds that entry; otherwise the
    // access takes translate(). In functional mode the core does not call these.
    [[nodiscard]] bool touch_data(u32 way, u32 serial) { return dtlb_.touch(way, serial); }
    // touch_data in two halves, where the TLB replaces by time stamps: the way still holds the entry (64 bits, the upper 32 clear), and the hit.
    [[nodiscard]] bool stamps_data() const { return dtlb_.stamps_only(); }
    [[nodiscard]] u64 data_serial(u32 way) const { return dtlb_.wide_serial(way); }
    void stamp_data(u32 way, u64 now) { dtlb_.stamp(way, now); }
    [[nodiscard]] bool stamps_fetch() const { return itlb_.stamps_only(); }
    [[nodiscard]] u64 fetch_serial(u32 way) const { return itlb_.wide_serial(way); }
    void stamp_fetch(u32 way) { itlb_.stamp(way); }
    [[nodiscard]] bool touch_fetch(u32 way, u32 serial) { return itlb_.touch(way, serial); }

    // Pages of these linear addresses (at most four) stay out of `data`: every access of theirs is a call of translate(). For data breakpoints.
    void keep_out(std::span<const u64> pages);

    // A page has got decoded code: no store may bypass the slow path any more. For PhysicalMemory's CodeListener.
    void drop_write_entries(PhysicalAddress page);

    // --- Invalidation (SDM vol. 3, "Invalidation of TLBs and Paging-Structure Caches", "Invalidating Cached Translation Information") ---
    // All act on the current VPID unless they name one. Call those of MOV CR before set_context.
    void invlpg(u64 linear);
    void mov_cr3(u64 value, bool no_flush);                     // no_flush: bit 63 of the source with CR4.PCIDE = 1
    void control_registers_changed(u64 old_cr0, u64 new_cr0, u64 old_cr4, u64 new_cr4);
    void invpcid(unsigned type, u16 pcid, u64 linear);
    void invept(unsigned type, u64 eptp);
    void invvpid(unsigned type, u16 vpid, u64 linear);
    void vm_transition(bool vpid_enabled);                      // VM entry or VM exit; enable VPID of the VMCS
    void eptp_switched(bool vpid_enabled);                      // VMFUNC 0
    void page_fault(u64 linear);                                // translate does this itself; for a #PF that comes from elsewhere
    void reset();                                               // power-up: everything is empty

    [[nodiscard]] const WalkerStats& walker_stats() const { return walker_.stats(); }
    [[nodiscard]] const MmuParams& params() const { return params_; }

private:
    enum class Stale : u8 { model, retain, forget };        // mmu.stale

    struct Stats : stats::Group {
        Stats(stats::Group& parent, std::string name);
        stats::Group invalidations{*this, "invalidations"};
        std::deque<stats::Counter> operations;              // by cause
        stats::Group rewalks{*this, "rewalks"};
        stats::Counter permission{rewalks, "permission", stats::Unit::events, "cached mappings that denied an access: the walk decides"};
        stats::Counter dirty{rewalks, "dirty", stats::Unit::events, "stores to cached mappings whose D bit was clear"};
        stats::Counter retained_hits{*this, "retained_hits", stats::Unit::events, "walks avoided by mappings that only mmu.stale=retain still holds"};
    };

    arch::Outcome<Translation> unpaged(u64 linear, arch::Access access);
    arch::Outcome<Translation> translate_functional(u64 linear, arch::Access access);
    arch::Outcome<Translation> translate_modelled(u64 linear, arch::Access access);
    arch::Event find_or_walk(u64 linear, arch::Access access, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency);
    WalkCause note_rewalk(u64 linear, arch::Access access, const tlb::Mapping& mapping);
    void after_fault(arch::Event event, u64 linear);

    [[nodiscard]] bool permits(const tlb::Mapping& mapping, arch::Access access) const;
    [[nodiscard]] u8 allowed(const tlb::Mapping& mapping, arch::Access access) const;
    [[nodiscard]] Translation describe(u64 linear, const tlb::Mapping& mapping) const;
    void fill_caches(u64 linear, arch::Access access, const tlb::Mapping& mapping, u8 allows, u32 way, u32 serial);

    void renew_number();
    void clear_translation_caches();
    void clear_modelled(tlb::Cause cause);
    void drop_cached_page(u64 linear);
    void count(tlb::Cause cause) { ++stats_.operations[static_cast<std::size_t>(cause)]; }
    template <class Match>
    void drop_linear(tlb::Cause cause, Match&& match);
    template <class Match>
    void drop_linear_address(u64 linear, tlb::Cause cause, Match&& match);
    template <class Match>
    void drop_guest_physical(tlb::Cause cause, Match&& match);

    MmuParams params_;
    PhysicalMemory& memory_;
    Stats stats_;
    tlb::Tlb itlb_, dtlb_, stlb_;
    Walker walker_;
    std::unique_ptr<FunctionalTlb> functional_ = std::make_unique<FunctionalTlb>();
    LargePageFilter large_pages_;
    std::array<u64, 4> kept_out_{};
    unsigned kept_out_count_ = 0;
    tlb::RetainedMappings retained_;
    EptRoots roots_;
    ContextTable contexts_;
    arch::PagingContext context_;
    ContextKey key_;
    u64 number_ = 0;
    Mode mode_ = Mode::functional;
    Stale stale_ = Stale::model;
};

}  // namespace vtsim::mmu
