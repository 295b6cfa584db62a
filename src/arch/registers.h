// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"

// Names of the bits of control registers, RFLAGS and EFER. SDM vol. 3, "Control Registers"; vol. 1, "EFLAGS Register".
namespace vtsim::arch {

namespace cr0 { inline constexpr u64 pe = bit(0), mp = bit(1), em = bit(2), ts = bit(3), et = bit(4), ne = bit(5), wp = bit(16), am = bit(18), nw = bit(29), cd = bit(30), pg = bit(31); }
namespace cr4 {
inline constexpr u64 vme = bit(0), pvi = bit(1), tsd = bit(2), de = bit(3), pse = bit(4), pae = bit(5), mce = bit(6), pge = bit(7), pce = bit(8), osfxsr = bit(9),
                     osxmmexcpt = bit(10), umip = bit(11), la57 = bit(12), vmxe = bit(13), smxe = bit(14), fsgsbase = bit(16), pcide = bit(17), osxsave = bit(18),
                     smep = bit(20), smap = bit(21), pke = bit(22);
}
// State components: bits of XCR0, IA32_XSS and the masks of the XSAVE family. SDM vol. 1, "XSAVE-Supported Features and State-Component Bitmaps".
namespace xcr0 { inline constexpr u64 x87 = bit(0), sse = bit(1), avx = bit(2), pkru = bit(9); }
namespace rflags {
inline constexpr u64 cf = bit(0), one = bit(1), pf = bit(2), af = bit(4), zf = bit(6), sf = bit(7), tf = bit(8), if_ = bit(9), df = bit(10), of = bit(11), iopl = bit(12) | bit(13),
                     nt = bit(14), rf = bit(16), vm = bit(17), ac = bit(18), vif = bit(19), vip = bit(20), id = bit(21);
inline constexpr u64 status = cf | pf | af | zf | sf | of;
}
namespace efer { inline constexpr u64 sce = bit(0), lme = bit(8), lma = bit(10), nxe = bit(11); }

enum Gpr : u8 { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, gpr_count };

// Error code of #PF. SDM vol. 3, "Page-Fault Exceptions".
namespace pf_error { inline constexpr u32 present = 1, write = 2, user = 4, reserved = 8, fetch = 16, protection_key = 32; }

}  // namespace vtsim::arch
