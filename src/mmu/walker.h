// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "arch/access.h"
#include "arch/event.h"
#include "base/physical_memory.h"
#include "mmu/format/ept.h"
#include "mmu/functional_nested.h"
#include "mmu/params.h"
#include "mmu/translation.h"
#include "mmu/walker_stats.h"
#include "tlb/mapping.h"
#include "tlb/paging_structure_cache.h"
#include "tlb/tlb.h"

namespace vtsim::mmu {

// Space::mode of a context is its paging mode, with this bit for mode-based execute control: EPT rights mean something else then.
inline constexpr unsigned mode_based_execute_mode = 8;

// The page walker. One loop serves all paging formats; the second dimension is a call before each reference. In functional mode
// nothing is counted and no modelled cache is used.
class Walker {
public:
    Walker(stats::Group& parent, const MmuParams& params, PhysicalMemory& memory, WalkPort port);

    // `context` stays where it is; `space` tags linear or combined mappings.
    void set_context(const arch::PagingContext& context, tlb::Space space) {
        context_ = &context;
        space_ = space;
        nested_space_ = tlb::Space::guest_physical(static_cast<unsigned>(space.mode() & mode_based_execute_mode), static_cast<u16>(space.root()));
        side_ = context.guest ? &stats_.guest : &stats_.root;
        ept_format_.mode_based_execute = context.mode_based_execute;
        ept_format_.accessed_dirty = Eptp::AccessedDirty::test(context.eptp);
    }
    void set_port(WalkPort port) { port_ = port; }
    void set_mode(bool modelled, bool timed) {
        modelled_ = modelled;
        timed_ = timed;
    }

    // Walks for a linear address; paging or EPT is on. On success `mapping` is the page and A and D bits are set. A fault leaves
    // memory as it was, but for the EPT A/D bits of guest tables that were reached; `details` is then complete.
    [[nodiscard]] arch::Event walk(u64 linear, arch::Access access, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency,
                                   arch::FaultDetails& details);
    // Walks EPT, which is on, for an access by guest-physical address. PDPTE loads are counted apart from walks.
    [[nodiscard]] arch::Event walk_guest_physical(u64 address, arch::Access access, bool pdpte_load, WalkCause cause, tlb::Mapping& mapping,
                                                  TranslationLatency& latency, arch::FaultDetails& details);

    // As walk() for a supervisor read without regard to permissions, and without any effect.
    [[nodiscard]] Probe probe(u64 linear) const;

    tlb::Tlb& nested_tlb() { return nested_tlb_; }
    tlb::PagingStructureCache& paging_cache() { return paging_cache_; }
    tlb::PagingStructureCache& ept_cache() { return ept_cache_; }
    [[nodiscard]] tlb::Space nested_space() const { return nested_space_; }
    FunctionalNestedTlb& functional_nested() { return functional_nested_; }
    [[nodiscard]] const WalkerStats& stats() const { return stats_; }
    [[nodiscard]] const MmuParams& params() const { return params_; }

private:
    // One walk on its way.
    struct Request {
        u64 linear = 0;
        arch::Access access;
        WalkCause cause = WalkCause::load;
        WalkKind kind = WalkKind::native;
        bool linear_valid = true;           // false for accesses by guest-physical address
        bool may_use_caches = true;
        bool used_cache = false;            // rights may be older than the entries in memory
        bool denied = false;                // the fault is one of rights
        u32 cycles = 0;
        arch::FaultDetails* details = nullptr;
    };
    // An access to a guest-physical address, as the second dimension judges and reports it.
    struct SecondAccess {
        u8 needed = 0;                      // rights::second_*
        bool writes = false;                // sets D
        u64 qualification = 0;              // what an EPT violation of it reports, without bits 6:3
        unsigned g = 0;                     // row of the reference matrix
    };
    struct EptPort;
    template <class Format>
    struct Path;
    template <class Format>
    [[nodiscard]] bool probe_paging(u64 linear, Probe& probe) const;
    [[nodiscard]] bool probe_second_stage(u64 address, PhysicalAddress& physical, u8& shift) const;

    arch::Event run(Request& request, tlb::Mapping& mapping, TranslationLatency& latency);
    template <bool modelled>
    arch::Event dispatch(Request& request, tlb::Mapping& mapping);
    template <class Format, bool modelled>
    arch::Event walk_format(Request& request, tlb::Mapping& mapping);
    template <class Format, bool nested, bool modelled>
    arch::Event walk_paging(Request& request, tlb::Mapping& mapping);
    template <bool modelled>
    arch::Event second_stage(u64 address, const SecondAccess& access, Request& request, tlb::Mapping& result);
    template <bool modelled>
    arch::Event walk_ept(u64 address, const SecondAccess& access, Request& request, tlb::Mapping& result);
    arch::Event ept_violation(u64 address, u64 qualification, u8 rights, Request& request) const;
    [[nodiscard]] SecondAccess table_access(unsigned g, const Request& request) const;
    [[nodiscard]] SecondAccess final_access(u8 paging_rights, const Request& request) const;
    template <class Raw, bool modelled>
    u64 read_entry(u64 slot, unsigned g, unsigned e, Request& request);
    template <class Raw>
    void write_entry(u64 slot, u64 entry, stats::Counter& counter, Request& request);
    static arch::Event page_fault(Request& request, u32 code);
    void account(const Request& request, arch::Event event, TranslationLatency& latency);

    const MmuParams& params_;
    PhysicalMemory& memory_;
    WalkPort port_;
    WalkerStats stats_;
    tlb::Tlb nested_tlb_;
    tlb::PagingStructureCache paging_cache_;
    tlb::PagingStructureCache ept_cache_;
    FunctionalNestedTlb functional_nested_;
    const arch::PagingContext* context_ = nullptr;
    tlb::Space space_, nested_space_;
    WalkSide* side_ = nullptr;
    EptFormat ept_format_;
    bool use_caches_;                       // mmu.walk_caches, unless everything is to be forgotten
    bool modelled_ = false, timed_ = false;
};

}  // namespace vtsim::mmu
