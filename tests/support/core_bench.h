// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "apic/local_apic.h"
#include "base/physical_memory.h"
#include "cpu/core.h"
#include "cpu/events/descriptor.h"
#include "timing/cache/memory_hierarchy.h"
#include "timing/instruction_costs.h"
#include "vmx/vmx.h"

// One core with memory, descriptor tables and identity-mapped pages, for tests that assemble by hand. Every vector of the IDT leads to a HLT of its own, so
// that a test sees which exception an instruction raised.
namespace vtsim::test {

struct FakeBus final : BusPort {
    u64 read(PhysicalAddress, unsigned size) override { return low_bits(8 * size); }
    void write(PhysicalAddress, unsigned, u64) override {}
};

struct FakeIo final : IoPort {
    struct Access {
        u16 port;
        unsigned size;
        u64 value;
        bool operator==(const Access&) const = default;
    };
    std::map<u16, u64> answers;
    std::vector<Access> reads, writes;
    u64 in(u16 port, unsigned size) override {
        const auto answer = answers.find(port);
        const u64 value = (answer == answers.end() ? ~u64{0} : answer->second) & low_bits(8 * size);
        reads.push_back({port, size, value});
        return value;
    }
    void out(u16 port, unsigned size, u64 value) override { writes.push_back({port, size, value}); }
};

// A processor with everything that the engine has.
inline cpu::CoreParams every_feature_params() {
    cpu::CoreParams params;
    params.features = cpu::every_feature();
    return params;
}

enum class CodeMode : u8 { real, protected32, compatibility, long64 };

struct CoreBench {
    static constexpr u64 code = 0x1'0000, handlers = 0x2'0000, data = 0x3'0000, gdt = 0x1000, idt = 0x2000, tss = 0x3000, ldt = 0x4000, stack = 0x9000, kernel_stack = 0xa000,
                         tables = 0x10'0000;
    static constexpr u16 code64 = 0x08, data0 = 0x10, code32 = 0x18, code32_user = 0x23, data_user = 0x2b, code64_user = 0x33, tss_selector = 0x40;
    static constexpr int none = -1;

    PhysicalMemory memory{64 * MiB};
    stats::Group root{nullptr, "machine"};
    FakeBus bus;
    FakeIo io;
    timing::MemoryHierarchy hierarchy{timing::CacheParams{}, timing::DramParams{}, root};
    timing::InstructionCosts costs;
    std::vector<std::string> log;
    cpu::Core core;

    explicit CoreBench(CodeMode mode = CodeMode::long64, const cpu::CoreParams& params = {}) : core{0, params, {memory, bus, io, hierarchy, costs}, root} {
        core.on_log = [this](const std::string& line) { log.push_back(line); };
        write_gdt();
        write_idt(mode);
        map_pages();
        enter(mode);
    }

    arch::State& s() { return core.s; }
    template <class T>
    void poke(u64 address, T value) {
        memory.write<T>(PhysicalAddress{address}, value);
    }
    template <class T>
    T peek(u64 address) const {
        return memory.read<T>(PhysicalAddress{address});
    }

    // What became of one instruction.
    struct Result {
        int vector = none;          // of the exception it raised
        u32 error_code = 0;         // as pushed; only vectors that push one
        u64 pushed_rip = 0;
    };

    // Executes the instruction of these bytes at `code`. An exception is delivered; its handler's HLT is executed then.
    Result step(std::initializer_list<int> bytes) {
        u64 at = code;
        for (const int byte : bytes) poke<u8>(at++, static_cast<u8>(byte));
        s().rip = s().protected_mode() ? code : 0;          // real mode: CS leads to `code`
        return go();
    }

    // The same for the instruction at RIP.
    Result go() {
        core.halted = false;
        s().activity = arch::Activity::active;
        core.state_changed();
        core.set_instruction_limit(core.instructions() + 1);
        for (int activations = 0; activations < 16; ++activations) {
            core.begin_activation(true);
            if (core.execute(core.cycles() + 1'000'000) != cpu::Stop::resync) break;
        }
        return result();
    }

    void set_cpl(u8 cpl) {
        const bool wide = s().segment[arch::cs].long_mode();
        s().cpl = cpl;
        load(arch::cs, cpl == 0 ? (wide ? code64 : code32) : (wide ? code64_user : code32_user));
        load(arch::ss, cpl == 0 ? data0 : data_user);
        core.state_changed();
    }

    // A segment register from the GDT, unchecked.
    void load(arch::SegmentRegister number, u16 selector) {
        const cpu::Descriptor descriptor{peek<u64>(gdt + (selector & 0xfff8U)), number == arch::tr ? peek<u64>(gdt + (selector & 0xfff8U) + 8) : 0};
        s().segment[number] = descriptor.segment(selector, number == arch::tr);
    }

protected:
    static constexpr u64 flat(u64 access, u64 flags) { return 0x000f'0000'0000'ffff | access << 40 | flags << 52; }

    void write_gdt() {
        poke<u64>(gdt + 0x08, flat(0x9b, 0xa));
        poke<u64>(gdt + 0x10, flat(0x93, 0xc));
        poke<u64>(gdt + 0x18, flat(0x9b, 0xc));
        poke<u64>(gdt + 0x20, flat(0xfb, 0xc));
        poke<u64>(gdt + 0x28, flat(0xf3, 0xc));
        poke<u64>(gdt + 0x30, flat(0xfb, 0xa));
        poke<u64>(gdt + 0x40, u64{0x8b} << 40 | tss << 16 | 0x1fff);
    }

    void write_idt(CodeMode mode) {
        for (u64 vector = 0; vector < 256; ++vector) {
            const u64 handler = handlers + vector * 16;
            poke<u8>(handler, 0xf4);
            const u64 selector = mode == CodeMode::protected32 ? code32 : code64;
            const u64 gate = (handler & 0xffff) | selector << 16 | u64{0x8e} << 40 | (handler >> 16 & 0xffff) << 48;
            if (mode == CodeMode::protected32) {
                poke<u64>(idt + vector * 8, gate);
            } else if (mode != CodeMode::real) {
                poke<u64>(idt + vector * 16, gate);
                poke<u64>(idt + vector * 16 + 8, 0);
            } else {
                poke<u32>(vector * 4, static_cast<u32>((handlers >> 4) << 16 | (vector * 16)));
            }
        }
    }

    // 64 MiB, identity, 2-MByte pages, everything allowed to everybody.
    void map_pages() {
        poke<u64>(tables, (tables + 0x1000) | 7);
        poke<u64>(tables + 0x1000, (tables + 0x2000) | 7);
        for (u64 i = 0; i < 32; ++i) poke<u64>(tables + 0x2000 + i * 8, i << 21 | 0x87);
    }

    void enter(CodeMode mode) {
        s().gpr[arch::rsp] = stack;
        s().gdtr = {gdt, 0x7f};
        s().idtr = mode == CodeMode::real ? arch::DescriptorTable{0, 0x3ff} : arch::DescriptorTable{idt, 0xfff};
        for (auto number : {arch::ds, arch::es, arch::ss, arch::fs, arch::gs}) s().segment[number] = {0, 0xffff, 0x93, 0};
        s().segment[arch::cs] = {code, 0xffff, 0x9b, static_cast<u16>(code >> 4)};
        if (mode != CodeMode::real) enter_protected(mode);
        poke<u64>(tss + 4, kernel_stack);
        poke<u32>(tss + 8, mode == CodeMode::protected32 ? data0 : 0);
        core.state_changed();
    }

    void enter_protected(CodeMode mode) {
        s().cr0 = arch::cr0::pe | arch::cr0::et;
        if (mode != CodeMode::protected32) {
            s().cr0 |= arch::cr0::pg;
            s().cr3 = tables;
            s().cr4 = arch::cr4::pae;
            s().efer = arch::efer::lme | arch::efer::lma | arch::efer::nxe;
        }
        for (auto number : {arch::ds, arch::es, arch::ss, arch::fs, arch::gs}) load(number, data0);
        load(arch::cs, mode == CodeMode::long64 ? code64 : code32);
        load(arch::tr, tss_selector);
    }

    Result result() {
        const u64 rip = s().segment[arch::cs].base + s().rip;
        const u64 linear = s().code64() ? s().rip : rip;
        if (linear <= handlers || linear > handlers + 255 * 16 + 1) return {};
        Result result{static_cast<int>((linear - handlers - 1) / 16)};
        u64 rsp = s().gpr[arch::rsp];
        const bool error = arch::pushes_error_code(static_cast<arch::Vector>(result.vector)) && s().protected_mode();
        const unsigned slot = s().long_mode_active() ? 8 : s().protected_mode() ? 4 : 2;
        if (error) {
            result.error_code = peek<u32>(rsp);
            rsp += slot;
        }
        result.pushed_rip = slot == 8 ? peek<u64>(rsp) : slot == 4 ? peek<u32>(rsp) : peek<u16>(s().segment[arch::ss].base + rsp);
        return result;
    }
};

}  // namespace vtsim::test
