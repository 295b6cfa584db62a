// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"

namespace vtsim::tlb {

// What tags a cached mapping beside its address. SDM vol. 3, "Information That May Be Cached": linear mappings carry VPID and PCID,
// combined mappings also the EPTRTA, guest-physical mappings only that. EPTRTAs are interned: root 0 says that EPT was off.
// AMD's ASID fits in the VPID and nCR3 in the root. The paging mode is part of the tag, so that no mapping is used in another mode.
struct Space {
    using Vpid = Field<15, 0>;
    using Pcid = Field<27, 16>;
    using Mode = Field<31, 28>;
    using Root = Field<47, 32>;
    using Global = Field<63>;           // of a cached mapping only

    u64 bits = 0;

    static constexpr Space of(u16 vpid, unsigned pcid, unsigned mode, u16 root) {
        return {Vpid::set(0, vpid) | Pcid::set(0, pcid) | Mode::set(0, mode) | Root::set(0, root)};
    }
    static constexpr Space guest_physical(unsigned mode, u16 root) { return of(0, 0, mode, root); }

    [[nodiscard]] constexpr u64 vpid() const { return Vpid::get(bits); }
    [[nodiscard]] constexpr u64 pcid() const { return Pcid::get(bits); }
    [[nodiscard]] constexpr u64 mode() const { return Mode::get(bits); }
    [[nodiscard]] constexpr u64 root() const { return Root::get(bits); }
    [[nodiscard]] constexpr bool global() const { return Global::test(bits); }
    [[nodiscard]] constexpr Space with_global(bool global) const { return {Global::set(bits, global ? 1 : 0)}; }

    // May a mapping with this tag serve an access in `wanted`? Global mappings serve every PCID.
    [[nodiscard]] constexpr bool serves(Space wanted) const {
        const u64 ignored = global() ? Pcid::mask | Global::mask : 0;
        return ((bits ^ wanted.bits) & ~ignored) == 0;
    }
    friend constexpr bool operator==(Space, Space) = default;
};

}  // namespace vtsim::tlb
