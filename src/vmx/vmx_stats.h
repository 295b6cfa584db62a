// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>

#include "base/stats/stats.h"
#include "vmx/tables/exit_reasons.h"

namespace vtsim::vmx {

// One counter per row of the exit-reason table.
struct PerReason : stats::Group {
    PerReason(stats::Group& parent, const std::string& group_name, stats::Unit unit, const std::string& text) : Group(parent, group_name) {
        for (const auto& row : exit_reasons) counters.emplace_back(*this, std::string(row.name), unit, text + std::string(row.text));
    }
    stats::Counter& operator[](ExitReason reason) { return counters[exit_reason_index(static_cast<u16>(reason))]; }
    std::deque<stats::Counter> counters;
};

struct VmxStats : stats::Group {
    using Group::Group;
    stats::Counter entries{*this, "entries", stats::Unit::events, "VM entries that reached the guest"};
    stats::Counter entry_fails{*this, "entry_fails", stats::Unit::events, "VMLAUNCH and VMRESUME that ended in VMfail"};
    stats::Counter entry_failures{*this, "entry_failures", stats::Unit::events, "VM entries that failed after loading of guest state began"};
    stats::Counter injections{*this, "injections", stats::Unit::events, "events injected by VM entries"};
    stats::Counter vmreads{*this, "vmreads", stats::Unit::events, "VMREADs executed"};
    stats::Counter vmwrites{*this, "vmwrites", stats::Unit::events, "VMWRITEs executed"};
    stats::Counter exits_total{*this, "exits_total", stats::Unit::events, "VM exits from the guest"};
    PerReason exits{*this, "exits", stats::Unit::events, "VM exits: "};
    PerReason exit_cycles{*this, "exit_cycles", stats::Unit::cycles, "cycles of the transitions to the host: "};
    PerReason entry_cycles{*this, "entry_cycles", stats::Unit::cycles, "cycles of the VM entries that followed: "};
    PerReason handler_cycles{*this, "handler_cycles", stats::Unit::cycles, "cycles in the host until the next VM entry: "};
};

}  // namespace vtsim::vmx
