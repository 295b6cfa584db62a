// SPDX-License-Identifier: Apache-2.0
#include "differential/simulated.h"

#include <algorithm>
#include <stdexcept>

namespace vtsim::differential {
namespace {

using Bench = test::CoreBench;
constexpr u64 code_table = 0x18'0000, data_table = 0x18'1000;
constexpr u64 present_user_writable = 7, present_user = 5, no_user = ~u64{4};
constexpr u64 instruction_limit = 10'000;
constexpr u64 stack_frame = Bench::kernel_stack - 40;         // RIP, CS, RFLAGS, RSP, SS

}  // namespace

SimulatedProcessor::SimulatedProcessor(cpu::Mode mode) {
    map_pages();
    bench_.s().cr0 |= arch::cr0::ne | arch::cr0::mp | arch::cr0::wp;
    bench_.s().cr4 |= arch::cr4::osfxsr | arch::cr4::osxmmexcpt | arch::cr4::osxsave | arch::cr4::fsgsbase;
    bench_.s().xcr0 = 7;
    bench_.set_cpl(3);
    bench_.core.set_mode(mode);
}

// Only the pages of code and data belong to the user.
void SimulatedProcessor::map_pages() {
    const u64 directory = Bench::tables + 0x2000;
    for (u64 i = 0; i < 32; ++i) bench_.poke<u64>(directory + i * 8, bench_.peek<u64>(directory + i * 8) & no_user);
    bench_.poke<u64>(directory + (code_page >> 21) * 8, code_table | present_user_writable);
    bench_.poke<u64>(code_table + (code_page >> 12 & 511) * 8, code_page | present_user_writable);
    bench_.poke<u64>(directory + (data_region >> 21) * 8, data_table | present_user_writable);
    for (u64 at = 0; at < data_bytes; at += page) {
        const u64 address = data_start + at;
        bench_.poke<u64>(data_table + (address >> 12 & 511) * 8, address | (at < writable_bytes ? present_user_writable : present_user));
    }
}

void SimulatedProcessor::load(const Registers& registers) {
    auto& s = bench_.s();
    if (s.cpl != 3) bench_.set_cpl(3);
    std::copy(registers.gpr.begin(), registers.gpr.end(), s.gpr.begin());
    s.write_rflags(registers.rflags | arch::rflags::if_);
    s.rip = code_page;
    s.segment[arch::fs].base = registers.fs_base, s.segment[arch::gs].base = registers.gs_base;
    s.mxcsr = registers.fx.mxcsr;
    for (unsigned i = 0; i < 16; ++i) {
        std::memcpy(&s.vector[i].x[0], registers.fx.xmm[i], 16);
        std::memcpy(&s.vector[i].x[1], registers.high[i].data(), 16);
    }
    s.x87.control = registers.fx.control;
    s.x87.status = registers.fx.status;
    s.x87.valid = registers.fx.tags;
    cpu::exec::x87::load_stack(s.x87, registers.fx);
    cpu::exec::x87::summarize(s.x87);
}

Outcome SimulatedProcessor::outcome(u64 end) const {
    const auto& s = bench_.core.s;
    Outcome result;
    auto& r = result.registers;
    std::copy_n(s.gpr.begin(), 16, r.gpr.begin());
    r.fs_base = s.segment[arch::fs].base, r.gs_base = s.segment[arch::gs].base;
    r.fx.control = s.x87.control;
    r.fx.status = s.x87.status;
    r.fx.tags = s.x87.valid;
    r.fx.mxcsr = s.mxcsr;
    cpu::exec::x87::store_stack(s.x87, r.fx);
    for (unsigned i = 0; i < 16; ++i) {
        std::memcpy(r.fx.xmm[i], &s.vector[i].x[0], 16);
        std::memcpy(r.high[i].data(), &s.vector[i].x[1], 16);
    }
    // An exception, the #UD at the end among them, has been delivered: execution stops at the HLT of its handler, which asks to be in step with the kernel.
    result.vector = static_cast<int>((s.rip - Bench::handlers) / 16);
    u64 frame = stack_frame;
    if (arch::pushes_error_code(static_cast<arch::Vector>(result.vector))) result.error_code = bench_.peek<u32>(frame - 8);
    result.cr2 = s.cr2;
    r.rip = bench_.peek<u64>(frame);
    r.rflags = bench_.peek<u64>(frame + 16);
    r.gpr[arch::rsp] = bench_.peek<u64>(frame + 24);
    if (result.vector == static_cast<int>(arch::Vector::ud) && r.rip == end) result.vector = no_vector;
    return result;
}

Outcome SimulatedProcessor::run(std::span<const u8> code, const Registers& start) {
    u8 bytes[longest_code + 2];
    std::copy(code.begin(), code.end(), bytes);
    bytes[code.size()] = 0x0f, bytes[code.size() + 1] = 0x0b;      // UD2
    bench_.memory.write_block(PhysicalAddress{code_page}, bytes, code.size() + 2);
    load(start);
    auto& core = bench_.core;
    core.halted = false;
    bench_.s().activity = arch::Activity::active;
    core.state_changed();
    core.set_instruction_limit(core.instructions() + instruction_limit);
    core.execute(core.cycles() + 100 * instruction_limit);
    if (bench_.s().gpr[arch::State::zero_register] != 0) throw std::logic_error("an instruction wrote to the register that stands for none");
    return outcome(code_page + code.size());
}

}  // namespace vtsim::differential
