// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/stats/stats.h"

namespace vtsim::apic {

struct LocalApicStats : stats::Group {
    using Group::Group;
    using Counter = stats::Counter;
    static constexpr auto events = stats::Unit::events;

    Counter accepted{*this, "accepted", events, "interrupts that set a bit of the IRR"};
    Counter coalesced{*this, "coalesced", events, "interrupts whose vector was already requested"};
    Counter refused{*this, "refused", events, "fixed interrupts that a disabled APIC did not take"};
    Counter delivered{*this, "delivered", events, "interrupts that the core acknowledged"};
    Counter delivered_external{*this, "delivered_external", events, "ExtINT interrupts that the core acknowledged"};
    Counter spurious{*this, "spurious", events, "acknowledgements that found nothing deliverable"};
    Counter nmis{*this, "nmis", events, "NMIs that arrived"};
    Counter inits{*this, "inits", events, "INITs that arrived"};
    Counter sipis{*this, "sipis", events, "SIPIs that arrived"};
    Counter smis{*this, "smis", events, "SMIs that arrived"};
    Counter eois{*this, "eois", events, "writes of the EOI register"};
    Counter timer_expiries{*this, "timer_expiries", events, "expiries of the timer, masked ones included"};
    Counter local{*this, "local", events, "interrupts of local sources, by the local vector table"};
    Counter errors{*this, "errors", events, "errors recorded for the ESR"};
    Counter undefined_accesses{*this, "undefined_accesses", events, "accesses of the xAPIC page that are not one aligned 32-bit register"};
    struct Ipis : stats::Group {
        using Group::Group;
        Counter fixed{*this, "fixed", events, "fixed IPIs sent to others or to all"};
        Counter lowest_priority{*this, "lowest_priority", events, "lowest-priority IPIs sent"};
        Counter self{*this, "self", events, "IPIs to itself by shorthand or SELF_IPI"};
        Counter nmi{*this, "nmi", events, "NMI IPIs sent"};
        Counter init{*this, "init", events, "INIT IPIs sent, level de-asserts included"};
        Counter startup{*this, "startup", events, "SIPIs sent"};
        Counter smi{*this, "smi", events, "SMI IPIs sent"};
    } ipis{*this, "ipis"};
};

}  // namespace vtsim::apic
