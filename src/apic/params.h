// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/config/schema.h"
#include "base/types.h"

namespace vtsim::apic {

// What a local APIC can do. Defaults: Broadwell.
struct LocalApicParams {
    bool x2apic = true;
    bool tsc_deadline = true;
    bool suppress_eoi_broadcast = true;
    bool cmci = true;
    unsigned version = 0x15;
    u64 timer_hz = 100'000'000;

    void validate() const;      // throws ConfigError
};

}  // namespace vtsim::apic

namespace vtsim::config {

template <>
inline constexpr auto schema<apic::LocalApicParams> = std::tuple{
    Param{"x2apic", &apic::LocalApicParams::x2apic, "x2APIC mode is supported (CPUID.01H:ECX[21])"},
    Param{"tsc_deadline", &apic::LocalApicParams::tsc_deadline, "the timer has a TSC-deadline mode (CPUID.01H:ECX[24])"},
    Param{"suppress_eoi_broadcast", &apic::LocalApicParams::suppress_eoi_broadcast, "SVR bit 12 keeps EOIs from the I/O APICs (version register bit 24)"},
    Param{"cmci", &apic::LocalApicParams::cmci, "the local vector table has an entry for corrected machine checks"},
    Param{"version", &apic::LocalApicParams::version, "bits 7:0 of the version register, 0x10 to 0x15"},
    Param{"timer_hz", &apic::LocalApicParams::timer_hz, "frequency of the timer before its divider, in Hz"},
};

}  // namespace vtsim::config
