// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/stats/stats.h"

namespace vtsim::cpu {

struct CoreStats : stats::Group {
    using Group::Group;
    stats::Counter instructions{*this, "instructions", stats::Unit::instructions, "instructions retired"};
    stats::Counter functional{*this, "instructions_by_mode.functional", stats::Unit::instructions, "instructions retired in functional mode"};
    stats::Counter warm{*this, "instructions_by_mode.warm", stats::Unit::instructions, "instructions retired in warm mode"};
    stats::Counter timing{*this, "instructions_by_mode.timing", stats::Unit::instructions, "instructions retired in timing mode"};
    stats::Counter exceptions{*this, "exceptions", stats::Unit::events, "exceptions delivered through the IDT"};
    stats::Counter interrupts{*this, "interrupts", stats::Unit::events, "external interrupts delivered through the IDT"};
    stats::Counter missing{*this, "missing_instructions", stats::Unit::events, "executions of instructions that are not there (raised #UD, named in the log)"};
};

}  // namespace vtsim::cpu
