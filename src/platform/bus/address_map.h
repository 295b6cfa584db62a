// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace vtsim::platform {

// Which target answers which addresses of one space.
class AddressMap {
public:
    struct Range {
        u64 first;
        u64 last;              // inclusive
        unsigned target;       // index of the bus's target socket
        u64 target_address;    // what the target sees for `first`
        std::string name;
        [[nodiscard]] bool contains(u64 address) const { return address >= first && address <= last; }
        [[nodiscard]] u64 to_target(u64 address) const { return address - first + target_address; }
    };

    // Throws ConfigError when the range is empty, wraps around or overlaps another one; the text names both.
    void add(Range range);
    [[nodiscard]] const Range* find(u64 address) const;      // nullptr: nobody answers
    [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }

private:
    std::vector<Range> ranges_;                              // sorted by first
    mutable std::size_t last_found_ = 0;
};

}  // namespace vtsim::platform
