// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bits.h"

// Fields of the registers, as VT-d, "Register Descriptions" names them.
namespace vtsim::iommu {

namespace cap {
using Nd = Field<2, 0>;             // 2^(4 + 2 * ND) domains
using Cm = Field<7>;
using Sagaw = Field<12, 8>;         // bit 1: 39-bit, bit 2: 48-bit
using Mgaw = Field<21, 16>;         // width - 1
using Zlr = Field<22>;
using Fro = Field<33, 24>;          // in units of 16 bytes
using Sllps = Field<37, 34>;        // bit 0: 2 MBytes, bit 1: 1 GByte
using Psi = Field<39>;
using Nfr = Field<47, 40>;          // number - 1
using Mamv = Field<53, 48>;
using Dwd = Field<54>;
using Drd = Field<55>;
}  // namespace cap
namespace ecap {
using C = Field<0>;
using Pt = Field<6>;
using Sc = Field<7>;
using Iro = Field<17, 8>;           // in units of 16 bytes
}  // namespace ecap
namespace gcmd {                    // GSTS reports each command at the same bit
using Te = Field<31>;
using Srtp = Field<30>;
}  // namespace gcmd
namespace ccmd {
using Icc = Field<63>;
using Cirg = Field<62, 61>;
using Caig = Field<60, 59>;
using Fm = Field<33, 32>;
using Sid = Field<31, 16>;
using Did = Field<15, 0>;
}  // namespace ccmd
namespace iva {
using Address = Field<63, 12>;
using Ih = Field<6>;
using Am = Field<5, 0>;
}  // namespace iva
namespace iotlb {
using Ivt = Field<63>;
using Iirg = Field<61, 60>;
using Iaig = Field<58, 57>;
using Did = Field<47, 32>;
}  // namespace iotlb
namespace fsts {
using Pfo = Field<0>;
using Ppf = Field<1>;
using Fri = Field<15, 8>;
}  // namespace fsts
namespace fectl {
using Im = Field<31>;
using Ip = Field<30>;
}  // namespace fectl
namespace frcd {                    // of the high quadword
using Sid = Field<15, 0>;
using Reason = Field<39, 32>;
using At = Field<61, 60>;
using Read = Field<62>;             // T1
using F = Field<63>;
}  // namespace frcd

// Granularity of invalidations, requested and performed; the same in CCMD and IOTLB.
enum class Granularity : u8 { none = 0, global = 1, domain = 2, selective = 3 };

}  // namespace vtsim::iommu
