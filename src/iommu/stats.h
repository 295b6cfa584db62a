// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <deque>
#include <string>

#include "base/stats/stats.h"
#include "iommu/fault.h"

namespace vtsim::iommu {

struct CacheStats : stats::Group {
    using Group::Group;
    stats::Formula lookups{*this, "lookups", stats::Unit::events, "lookups (hits + misses)", [this] { return u64{hits} + u64{misses}; }};
    stats::Counter hits{*this, "hits", stats::Unit::events, "lookups that found a usable entry"};
    stats::Counter misses{*this, "misses", stats::Unit::events, "lookups that found none"};
    stats::Counter fills{*this, "fills", stats::Unit::events, "entries written"};
    stats::Counter removed{*this, "removed", stats::Unit::events, "entries removed by invalidations"};
};

class FaultCounters final : public stats::Group {
public:
    explicit FaultCounters(stats::Group& parent) : Group(parent, "faults") {
        for (const auto& row : fault_table) counters_.emplace_back(*this, std::string{row.name}, stats::Unit::events, std::string{row.description});
    }
    void count(FaultReason reason) {
        for (std::size_t i = 0; i < fault_table.size(); ++i)
            if (fault_table[i].reason == reason) ++counters_[i];
    }

private:
    std::deque<stats::Counter> counters_;
};

struct RemappingStats : stats::Group {
    using Group::Group;
    using Counter = stats::Counter;
    static constexpr auto events = stats::Unit::events;
    static constexpr auto references = stats::Unit::references;

    Counter requests{*this, "requests", events, "DMA requests (bypassed + interrupts + translations + refused)"};
    Counter bypassed{*this, "bypassed", events, "requests while DMA remapping was off"};
    Counter interrupts{*this, "interrupts", events, "write requests to the interrupt address range"};
    Counter translations{*this, "translations", events, "requests that got a physical address, pass-through included"};
    Counter pass_through{*this, "pass_through", events, "requests of devices in pass-through mode"};
    Counter refused{*this, "refused", events, "requests that were blocked, with or without a fault"};
    Counter permission_rewalks{*this, "permission_rewalks", events, "walks because the IOTLB entry did not permit the request"};
    CacheStats iotlb{*this, "iotlb"};
    CacheStats context_cache{*this, "context_cache"};
    CacheStats paging_structure_cache{*this, "paging_structure_cache"};

    struct References : stats::Group {
        Counter root{*this, "root", references, "root entries read (16 bytes)"};
        Counter context{*this, "context", references, "context entries read (16 bytes)"};
        std::deque<Counter> level;          // [0] is level 1
        explicit References(stats::Group& parent) : Group(parent, "references") {
            for (const char* name : {"level1", "level2", "level3", "level4"})
                level.emplace_back(*this, name, references, std::string{"second-level entries read at "} + name);
        }
    } refs{*this};
    Counter walks{*this, "walks", events, "second-level walks started (completed + aborted)"};
    Counter walks_completed{*this, "walks_completed", events, "walks that found a usable leaf"};
    Counter walks_aborted{*this, "walks_aborted", events, "walks that ended in a fault"};
    Counter cycles{*this, "cycles", stats::Unit::cycles, "latency of all requests, table references included"};

    FaultCounters faults{*this};
    struct Log : stats::Group {
        using Group::Group;
        Counter recorded{*this, "recorded", events, "faults in a fault recording register"};
        Counter suppressed{*this, "suppressed", events, "faults not recorded because of FPD"};
        Counter overflowed{*this, "overflowed", events, "faults dropped because no fault recording register was free"};
        Counter messages{*this, "messages", events, "fault events sent"};
    } fault_log{*this, "fault_log"};

    struct Invalidations : stats::Group {
        using Group::Group;
        Counter context_global{*this, "context_global", events, "context-cache invalidations, global"};
        Counter context_domain{*this, "context_domain", events, "context-cache invalidations, domain-selective"};
        Counter context_device{*this, "context_device", events, "context-cache invalidations, device-selective"};
        Counter iotlb_global{*this, "iotlb_global", events, "IOTLB invalidations, global"};
        Counter iotlb_domain{*this, "iotlb_domain", events, "IOTLB invalidations, domain-selective"};
        Counter iotlb_page{*this, "iotlb_page", events, "IOTLB invalidations, page-selective"};
        Counter incorrect{*this, "incorrect", events, "invalidation requests that the unit refused"};
    } invalidations{*this, "invalidations"};
};

}  // namespace vtsim::iommu
