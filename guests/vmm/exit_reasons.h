// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, appendix "VMX Basic Exit Reasons".
#pragma once
#include "common/types.h"

namespace guest {

enum class ExitReason : u16 {
    exception_or_nmi = 0,
    triple_fault = 2,
    task_switch = 9,
    cpuid = 10,
    getsec = 11,
    hlt = 12,
    invd = 13,
    invlpg = 14,
    vmcall = 18,
    vmclear = 19,
    vmlaunch = 20,
    vmptrld = 21,
    vmptrst = 22,
    vmread = 23,
    vmresume = 24,
    vmwrite = 25,
    vmxoff = 26,
    vmxon = 27,
    cr_access = 28,
    io_instruction = 30,
    rdmsr = 31,
    wrmsr = 32,
    ept_violation = 48,
    ept_misconfiguration = 49,
    invept = 50,
    preemption_timer = 52,
    invvpid = 53,
    xsetbv = 55,
};
constexpr unsigned exit_reason_count = 80;

}  // namespace guest
