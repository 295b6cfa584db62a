// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "arch/access.h"
#include "arch/event.h"
#include "base/physical_memory.h"
#include "mmu/functional_nested.h"
#include "mmu/params.h"
#include "mmu/translation.h"
#include "mmu/walker_stats.h"
#include "tlb/mapping.h"
#include "tlb/paging_structure_cache.h"
#include "tlb/tlb.h"

namespace vtsim::mmu {

// An access to a guest-physical address, as the second dimension judges and reports it.
struct SecondAccess {
    u8 needed = 0;                      // rights::second_*
    bool writes = false;                // sets D
    u64 qualification = 0;              // what an EPT violation of it reports, without bits 6:3
};

struct SecondStage {
    u64 physical = 0;
    u8 shift = 12;
    u8 rights = 0;
    u8 type = 6;
    bool ignore_pat = false;
    bool dirty = false;
};

// The page walker. One loop serves all paging formats; the second dimension is a call before each reference. In functional mode
// nothing is counted and no modelled cache is used.
class Walker {
public:
    Walker(stats::Group& parent, const MmuParams& params, PhysicalMemory& memory, WalkPort port);

    void set_context(const arch::PagingContext& context, tlb::Space space, u16 root) {
        context_ = &context;
        space_ = space;
        root_ = root;
        side_ = context.guest ? &stats_.guest : &stats_.root;
    }
    void set_port(WalkPort port) { port_ = port; }
    void set_mode(bool modelled, bool timed) {
        modelled_ = modelled;
        timed_ = timed;
    }

    // Walks for a linear address. On success `mapping` is the page; A and D bits are set. On a fault nothing is changed in memory
    // but EPT A/D bits of tables that were reached, and `details` is complete.
    [[nodiscard]] arch::Event walk(u64 linear, arch::Access access, WalkCause cause, tlb::Mapping& mapping, TranslationLatency& latency,
                                   arch::FaultDetails& details);
    // Walks EPT alone for a guest-physical address; needs EPT on. `linear`: the same number as a linear address (paging off in the guest).
    [[nodiscard]] arch::Event walk_guest_physical(u64 address, arch::Access access, bool is_linear, bool pdpte_load, WalkCause cause,
                                                  tlb::Mapping& mapping, TranslationLatency& latency, arch::FaultDetails& details);

    tlb::Tlb& nested_tlb() { return nested_tlb_; }
    tlb::PagingStructureCache& paging_cache() { return paging_cache_; }
    tlb::PagingStructureCache& ept_cache() { return ept_cache_; }
    FunctionalNestedTlb& functional_nested() { return functional_nested_; }
    [[nodiscard]] const WalkerStats& stats() const { return stats_; }
    [[nodiscard]] const MmuParams& params() const { return params_; }

private:
    struct Request;
    template <bool modelled>
    arch::Event dispatch(Request& request, tlb::Mapping& mapping);
    template <class Format, bool nested, bool modelled>
    arch::Event walk_paging(Request& request, tlb::Mapping& mapping);
    template <bool modelled>
    arch::Event second_stage(u64 address, const SecondAccess& access, unsigned g, Request& request, SecondStage& result);
    template <bool modelled>
    arch::Event walk_ept(u64 address, const SecondAccess& access, unsigned g, Request& request, SecondStage& result);
    template <bool modelled>
    struct EptPort;
    template <bool modelled>
    u64 read(u64 slot, unsigned bytes, unsigned g, unsigned e, Request& request);
    template <bool modelled>
    void write_flags(u64 slot, unsigned bytes, u64 entry, stats::Counter& counter, Request& request);
    arch::Event page_fault(Request& request, u32 code) const;
    void account(const Request& request, arch::Event event, TranslationLatency& latency);
    [[nodiscard]] bool use_caches() const { return params_.walk_caches && !forget_; }

    const MmuParams& params_;
    PhysicalMemory& memory_;
    WalkPort port_;
    WalkerStats stats_;
    tlb::Tlb nested_tlb_;
    tlb::PagingStructureCache paging_cache_;
    tlb::PagingStructureCache ept_cache_;
    FunctionalNestedTlb functional_nested_;
    const arch::PagingContext* context_ = nullptr;
    tlb::Space space_;
    u16 root_ = 0;
    WalkSide* side_ = nullptr;
    bool modelled_ = false, timed_ = false, forget_ = false;
};

}  // namespace vtsim::mmu
