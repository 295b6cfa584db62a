// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/types.h"

namespace vtsim::cpu {

// What DR0 to DR3 and DR7 watch for. SDM vol. 3, "Debug Registers", "Breakpoint Field Recognition". Nobody asks while nothing is enabled: instructions are checked by
// micro-ops that only DecodeMode::breakpoints inserts, and pages with data breakpoints are kept out of the translation cache.
class Breakpoints {
public:
    // From the debug registers; `extensions` is CR4.DE. True when the pages with data breakpoints are others than before.
    bool compile(const std::array<u64, 8>& dr, bool extensions);
    [[nodiscard]] bool any() const { return count_ != 0; }
    [[nodiscard]] bool watches_data() const { return data_pages_.used != 0; }

    // Linear addresses of pages with data breakpoints.
    struct Pages {
        std::array<u64, 4> page{};
        unsigned used = 0;
        bool operator==(const Pages&) const = default;
    };
    [[nodiscard]] const Pages& data_pages() const { return data_pages_; }

    // B0 to B3 of DR6 that an instruction at a linear address, an access of data or one of an I/O port matches.
    [[nodiscard]] u32 on_instruction(u64 linear) const;
    [[nodiscard]] u32 on_data(u64 linear, unsigned bytes, bool write) const;
    [[nodiscard]] u32 on_port(u16 port, unsigned bytes) const;

private:
    enum class Kind : u8 { instruction, write, port, read_or_write };       // as R/W0 to R/W3 are encoded
    struct Breakpoint {
        Kind kind;
        u8 status;              // its bit in DR6
        u64 first, last;
        [[nodiscard]] bool overlaps(u64 begin, unsigned bytes) const { return begin <= last && first <= begin + (bytes - 1); }
    };
    std::array<Breakpoint, 4> breakpoints_{};
    unsigned count_ = 0;
    Pages data_pages_;
};

}  // namespace vtsim::cpu
