// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/types.h"

namespace vtsim::platform {

// MC146818 clock and its RAM behind ports 0x70 (index) and 0x71 (data). Simulated machines start at a fixed date, so that runs repeat;
// the date stands still. Sizes of RAM are where PC firmware leaves them.
class Cmos {
public:
    static constexpr unsigned access_size = 1;
    explicit Cmos(u64 ram_bytes);
    u64 read(u64 offset, unsigned size);
    void write(u64 offset, unsigned size, u64 value);
    [[nodiscard]] bool nmi_masked() const { return nmi_masked_; }

private:
    void set16(u8 index, u64 value);

    std::array<u8, 128> cells_{};
    u8 index_ = 0;
    bool nmi_masked_ = false;
};

}  // namespace vtsim::platform
