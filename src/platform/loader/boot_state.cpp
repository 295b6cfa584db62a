// SPDX-License-Identifier: Apache-2.0
#include "platform/loader/boot_state.h"

namespace vtsim::platform {
namespace {

constexpr u32 code_type = 0xb, data_type = 0x3;              // accessed: read/execute, read/write
constexpr u32 present_code_or_data = 0x90;
constexpr u32 flat_flags = 0xc000;                           // G and D/B

void set_data_segments(arch::State& state, const arch::Segment& segment) {
    for (const auto which : {arch::es, arch::ss, arch::ds, arch::fs, arch::gs}) state.segment[which] = segment;
}

void enter_protected(const BootState& boot, arch::State& state) {
    state.cr0 |= arch::cr0::pe;
    state.segment[arch::cs] = {.base = 0, .limit = 0xffff'ffff, .rights = flat_flags | present_code_or_data | code_type, .selector = 0x08};
    set_data_segments(state, {.base = 0, .limit = 0xffff'ffff, .rights = flat_flags | present_code_or_data | data_type, .selector = 0x10});
    state.gdtr = {.base = 0, .limit = 0};                    // the specification leaves both tables undefined
    state.idtr = {.base = 0, .limit = 0};
    state.rip = boot.address;
}

void enter_real(const BootState& boot, arch::State& state) {
    state.cr0 &= ~arch::cr0::pe;
    const auto selector = static_cast<u16>(boot.address < 0x10000 ? 0 : (boot.address >> 4) & 0xf000);
    state.segment[arch::cs] = {.base = u64{selector} << 4, .limit = 0xffff, .rights = present_code_or_data | code_type, .selector = selector};
    set_data_segments(state, {.base = 0, .limit = 0xffff, .rights = present_code_or_data | data_type, .selector = 0});
    state.gdtr = {.base = 0, .limit = 0xffff};
    state.idtr = {.base = 0, .limit = 0x3ff};
    state.rip = boot.address - (u64{selector} << 4);
}

}  // namespace

void apply(const BootState& boot, arch::State& state) {
    state.gpr.fill(0);
    state.gpr[arch::rax] = boot.eax;
    state.gpr[arch::rbx] = boot.ebx;
    state.gpr[arch::rdx] = boot.edx;
    state.gpr[arch::rsp] = boot.esp;
    state.write_rflags(arch::rflags::one);
    state.cr0 &= ~(arch::cr0::cd | arch::cr0::nw);                // as after firmware, which enables the caches
    boot.entry == BootState::Entry::protected32 ? enter_protected(boot, state) : enter_real(boot, state);
}

}  // namespace vtsim::platform
