// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <deque>
#include <string>

#include "base/stats/stats.h"

namespace vtsim::mmu {

enum class WalkKind : u8 { native, ept, nested, pdpte_load };
enum class WalkCause : u8 { fetch, load, store, ad_update, prefetch };

// One number a cell: g is the guest level whose entry is wanted (0: the final guest-physical address), e the EPT level read (0: the
// guest entry itself). `native` has only g, `ept` only e; g0e0 does not exist.
class ReferenceMatrix : public stats::Group {
public:
    ReferenceMatrix(stats::Group& parent, std::string name, stats::Unit unit, const std::string& what);
    [[nodiscard]] stats::Counter& at(WalkKind kind, unsigned g, unsigned e) { return *cells_[static_cast<unsigned>(kind)][g][e]; }
    [[nodiscard]] u64 count(WalkKind kind, unsigned g, unsigned e) const { return *cells_[static_cast<unsigned>(kind)][g][e]; }
    [[nodiscard]] u64 total() const;

private:
    stats::Group native_{*this, "native"}, ept_{*this, "ept"}, nested_{*this, "nested"};
    std::deque<stats::Counter> counters_;
    std::array<std::array<std::array<stats::Counter*, 6>, 6>, 3> cells_{};
};

// The walks of VMX root operation (and of a processor without VMX), or those of non-root operation.
struct WalkSide : stats::Group {
    WalkSide(stats::Group& parent, std::string name);

    stats::Group walks{*this, "walks"};
    stats::Counter native{walks, "native", stats::Unit::events, "walks without a second dimension"};
    stats::Counter ept{walks, "ept", stats::Unit::events, "walks of EPT alone (paging off in the guest)"};
    stats::Counter nested{walks, "nested", stats::Unit::events, "two-dimensional walks"};
    stats::Counter completed{*this, "completed", stats::Unit::events, "walks that ended in a translation"};
    stats::Group aborted{*this, "aborted"};
    stats::Counter page_fault{aborted, "page_fault", stats::Unit::events, "walks that ended in a page fault"};
    stats::Counter ept_violation{aborted, "ept_violation", stats::Unit::events, "walks that ended in an EPT violation"};
    stats::Counter ept_misconfiguration{aborted, "ept_misconfiguration", stats::Unit::events, "walks that ended in an EPT misconfiguration"};
    stats::Group causes{*this, "causes"};
    std::deque<stats::Counter> by_cause;
    ReferenceMatrix refs{*this, "refs", stats::Unit::references, "reads of paging-structure entries"};
    ReferenceMatrix ref_cycles{*this, "ref_cycles", stats::Unit::cycles, "cycles of these reads"};
    stats::Group writes{*this, "ad_writes"};
    stats::Counter accessed_writes{writes, "accessed", stats::Unit::references, "paging-structure entries written to set A (and perhaps D)"};
    stats::Counter dirty_writes{writes, "dirty", stats::Unit::references, "paging-structure entries written to set D alone"};
    stats::Counter ept_accessed_writes{writes, "ept_accessed", stats::Unit::references, "EPT entries written to set A (and perhaps D)"};
    stats::Counter ept_dirty_writes{writes, "ept_dirty", stats::Unit::references, "EPT entries written to set D alone"};
    stats::Counter write_cycles{writes, "cycles", stats::Unit::cycles, "cycles of these writes"};
    stats::Counter pdpte_loads{*this, "pdpte_loads", stats::Unit::events, "PDPTEs loaded by MOV CR through EPT"};
    stats::Counter pdpte_refs{*this, "pdpte_refs", stats::Unit::references, "EPT entries read for loads of PDPTEs"};

    [[nodiscard]] u64 started() const { return u64{native} + u64{ept} + u64{nested}; }
    [[nodiscard]] u64 aborts() const { return u64{page_fault} + u64{ept_violation} + u64{ept_misconfiguration}; }
    stats::Counter& walks_of(WalkKind kind) { return kind == WalkKind::native ? native : kind == WalkKind::ept ? ept : nested; }
};

// Both sides, and the sums of all that they count under the same names.
struct WalkerStats : stats::Group {
    explicit WalkerStats(stats::Group& parent, std::string name = "walker");

    WalkSide root{*this, "root"};
    WalkSide guest{*this, "guest"};

private:
    void add_totals();
    std::deque<stats::Group> groups_;
    std::deque<stats::Formula> totals_;
};

}  // namespace vtsim::mmu
