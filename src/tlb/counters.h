// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>

#include "base/stats/stats.h"
#include "tlb/invalidation.h"

namespace vtsim::tlb {

// How many entries were removed, by cause.
class RemovalCounters final : public stats::Group {
public:
    explicit RemovalCounters(stats::Group& parent) : Group(parent, "removed") {
        for (const auto name : cause_names)
            counters_.emplace_back(*this, std::string{name}, stats::Unit::events, "entries removed by cause " + std::string{name});
    }
    void add(Cause cause, u64 entries) { counters_[static_cast<std::size_t>(cause)] += entries; }

private:
    std::deque<stats::Counter> counters_;
};

// Look-ups of one TLB or cache.
class LookupCounters : public stats::Group {
public:
    using Group::Group;
    stats::Formula lookups{*this, "lookups", stats::Unit::events, "look-ups (hits + misses)", [this] { return u64{hits} + u64{misses}; }};
    stats::Counter hits{*this, "hits", stats::Unit::events, "look-ups that found a mapping"};
    stats::Counter misses{*this, "misses", stats::Unit::events, "look-ups that found none"};
    stats::Counter fills{*this, "fills", stats::Unit::events, "entries written"};
    RemovalCounters removed{*this};
};

}  // namespace vtsim::tlb
