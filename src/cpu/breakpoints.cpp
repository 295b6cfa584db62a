// SPDX-License-Identifier: Apache-2.0
#include "cpu/breakpoints.h"

#include <algorithm>

#include "base/bits.h"

namespace vtsim::cpu {

bool Breakpoints::compile(const std::array<u64, 8>& dr, bool extensions) {
    const Pages before = data_pages_;
    count_ = 0;
    data_pages_ = {};
    for (unsigned i = 0; i < 4; ++i) {
        if ((dr[7] >> (2 * i) & 3) == 0) continue;                          // neither L nor G
        const auto kind = static_cast<Kind>(dr[7] >> (16 + 4 * i) & 3);
        if (kind == Kind::port && !extensions) continue;                    // undefined without CR4.DE
        // LEN: 1, 2, 8 or 4 bytes; an instruction breakpoint is at the first byte, and other lengths are undefined. The address is aligned to the length.
        static constexpr std::array<u64, 4> lengths{1, 2, 8, 4};
        const u64 length = kind == Kind::instruction ? 1 : lengths[dr[7] >> (18 + 4 * i) & 3];
        const u64 first = dr[i] & ~(length - 1);
        breakpoints_[count_++] = {kind, static_cast<u8>(1U << i), first, first + length - 1};
        if (kind == Kind::write || kind == Kind::read_or_write) data_pages_.page[data_pages_.used++] = first & ~page_offset_mask;
    }
    return data_pages_ != before;
}

u32 Breakpoints::on_instruction(u64 linear) const {
    u32 matched = 0;
    for (unsigned i = 0; i < count_; ++i)
        if (breakpoints_[i].kind == Kind::instruction && breakpoints_[i].first == linear) matched |= breakpoints_[i].status;
    return matched;
}

u32 Breakpoints::on_data(u64 linear, unsigned bytes, bool write) const {
    u32 matched = 0;
    for (unsigned i = 0; i < count_; ++i) {
        const auto& each = breakpoints_[i];
        const bool wanted = each.kind == Kind::read_or_write || (write && each.kind == Kind::write);
        if (wanted && each.overlaps(linear, bytes)) matched |= each.status;
    }
    return matched;
}

u32 Breakpoints::on_port(u16 port, unsigned bytes) const {
    u32 matched = 0;
    for (unsigned i = 0; i < count_; ++i)
        if (breakpoints_[i].kind == Kind::port && breakpoints_[i].overlaps(port, bytes)) matched |= breakpoints_[i].status;
    return matched;
}

}  // namespace vtsim::cpu
