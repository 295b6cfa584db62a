// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::platform {

// The region of interest that guests mark (vtsim/guest/magic.h). It is the machine's, whichever processor marks: it lasts from the first begin until there were as
// many ends. So marks may nest, each processor may mark its own part, and an end outside a region is nothing.
class RegionOfInterest {
public:
    [[nodiscard]] bool begin() { return depth_++ == 0; }                      // whether the region begins with this mark
    [[nodiscard]] bool end() { return depth_ != 0 && --depth_ == 0; }         // whether it ends with this mark

private:
    u64 depth_ = 0;
};

}  // namespace vtsim::platform
