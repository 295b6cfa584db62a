// SPDX-License-Identifier: Apache-2.0
#include "common/way_back.h"

#include "common/descriptors.h"

extern "C" char way_back[];
extern "C" guest::u64 way_back_stack;

namespace guest {

void take_way_back(InterruptFrame& frame) {
    constexpr u64 rflags_fixed = 2;
    frame.rip = reinterpret_cast<u64>(way_back);
    frame.rsp = way_back_stack;
    frame.cs = kernel_code;
    frame.ss = kernel_data;
    frame.rflags = rflags_fixed;
}

}  // namespace guest
