// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/guest_bench.h"

namespace vtsim::test {
namespace {

namespace flag = arch::rflags;
constexpr int db = 1, bp = 3, pf = 14;
constexpr u64 data = CoreBench::data, code = CoreBench::code;
constexpr u64 absent = 0x200'0000;                                      // 32 MiB: not mapped by withdraw()

enum Kind : u64 { execute = 0, write = 1, port = 2, access = 3 };

// DR7 with breakpoint `number` enabled globally; `length` in bytes.
constexpr u64 enabled(unsigned number, Kind kind, unsigned length = 1) {
    const u64 len = length == 1 ? 0 : length == 2 ? 1 : length == 8 ? 2 : 3;
    return 0x400 | u64{2} << (2 * number) | (kind | len << 2) << (16 + 4 * number);
}

template <class Base>
struct Debugging : Base {
    using Base::Base;
    using Base::core, Base::s;

    void arm(unsigned number, u64 address, u64 dr7) {
        s().dr[number] = address;
        s().dr[7] |= dr7;
        core.state_changed();
    }
    // Puts bytes at `code` and runs them until a handler's HLT, or up to `instructions` of them.
    CoreBench::Result run(std::initializer_list<int> bytes, u64 instructions = 100) {
        u64 at = code;
        for (const int byte : bytes) Base::template poke<u8>(at++, static_cast<u8>(byte));
        s().rip = code;
        return resume(instructions);
    }
    CoreBench::Result resume(u64 instructions = 100) {
        core.halted = false;
        s().activity = arch::Activity::active;
        core.state_changed();
        core.set_instruction_limit(core.instructions() + instructions);
        for (;;) {
            core.begin_activation(true);
            if (core.execute(core.cycles() + 1'000'000) != cpu::Stop::resync) break;
        }
        return Base::result();
    }
    u64 pushed_flags() { return Base::template peek<u64>(s().gpr[arch::rsp] + 16); }
    u64 status() { return s().dr[6] & 0xe00f; }
};
using Bench = Debugging<CoreBench>;
using Guest = Debugging<GuestBench>;

// ---- instruction breakpoints ----------------------------------------------------------------------------------------------

TEST(InstructionBreakpoint, IsAFaultBeforeTheInstruction) {
    Bench bench;
    bench.arm(2, code + 3, enabled(2, execute));
    const auto result = bench.run({0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0, 0xf4});          // inc rax; inc rax; hlt
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, code + 3);
    EXPECT_EQ(bench.s().gpr[arch::rax], 1U);
    EXPECT_EQ(bench.status(), 4U);
    EXPECT_EQ(bench.pushed_flags() & flag::rf, 0U);
}

TEST(InstructionBreakpoint, IsHeldOffOnceByTheResumeFlag) {
    Bench bench;
    bench.arm(0, code, enabled(0, execute));
    EXPECT_EQ(bench.run({0x48, 0xff, 0xc0, 0x75, 0xfb, 0xf4}).vector, db);               // again: inc rax; jnz again
    bench.poke<u16>(CoreBench::handlers + 16 * db, 0xcf48);                              // from now on the handler is IRETQ
    bench.poke<u64>(bench.s().gpr[arch::rsp] + 16, bench.pushed_flags() | flag::rf);
    bench.s().rip = CoreBench::handlers + 16 * db;
    EXPECT_EQ(bench.resume(2).vector, CoreBench::none);                                  // IRETQ, INC
    EXPECT_EQ(bench.s().gpr[arch::rax], 1U);
    EXPECT_EQ(bench.s().rflags & flag::rf, 0U);
    bench.poke<u8>(CoreBench::handlers + 16 * db, 0xf4);
    EXPECT_EQ(bench.resume().vector, db);                                                // JNZ, and the breakpoint again
    EXPECT_EQ(bench.s().gpr[arch::rax], 1U);
}

TEST(InstructionBreakpoint, OnTheInstructionAfterALoadOfSsIsIgnored) {
    Bench bench;
    bench.arm(0, code + 2, enabled(0, execute));
    bench.s().gpr[arch::rax] = CoreBench::data0;
    EXPECT_EQ(bench.run({0x8e, 0xd0, 0x90, 0x90}, 4).vector, CoreBench::none);           // mov ss, eax; nop; nop
}

TEST(InstructionBreakpoint, ComesBeforeAFaultOfItsFetch) {
    Bench bench;
    bench.poke<u64>(CoreBench::tables + 0x2000 + 8 * (absent >> 21), 0);
    bench.arm(0, absent, enabled(0, execute));
    bench.s().gpr[arch::rax] = absent;
    EXPECT_EQ(bench.run({0xff, 0xe0}).vector, db);                                       // jmp rax
}

TEST(ResumeFlag, IsPushedByFaultsAndNotByTraps) {
    Bench bench;
    EXPECT_EQ(bench.run({0x0f, 0x0b}).vector, 6);                                        // ud2
    EXPECT_NE(bench.pushed_flags() & flag::rf, 0U);
    EXPECT_EQ(bench.run({0xcc}).vector, bp);
    EXPECT_EQ(bench.pushed_flags() & flag::rf, 0U);
}

TEST(ResumeFlag, IsPushedByTheGeneralDetectException) {
    Bench bench;
    bench.s().dr[7] = 0x2400;
    EXPECT_EQ(bench.run({0x0f, 0x21, 0xf0}).vector, db);                                 // mov rax, dr6
    EXPECT_NE(bench.pushed_flags() & flag::rf, 0U);
    EXPECT_EQ(bench.status(), 0x2000U);
    EXPECT_EQ(bench.s().dr[7], 0x400U);
}

// ---- data breakpoints -----------------------------------------------------------------------------------------------------

struct Accessor {
    const char* name;
    std::vector<int> bytes;         // operand at RBX or where RSP, RSI and RDI point
    bool reads, writes;
    unsigned size;
};
const Accessor accessors[] = {
    {"mov load", {0x8b, 0x03}, true, false, 4},
    {"mov store", {0x89, 0x03}, false, true, 4},
    {"mov store of 8", {0x48, 0x89, 0x03}, false, true, 8},
    {"mov store of 1", {0x88, 0x03}, false, true, 1},
    {"add to memory", {0x01, 0x03}, true, true, 4},
    {"xchg", {0x87, 0x03}, true, true, 4},
    {"pop", {0x58}, true, false, 8},
    {"movsd, source", {0xa5}, true, false, 4},
    {"stosd", {0xab}, false, true, 4},
    {"movdqu load", {0xf3, 0x0f, 0x6f, 0x03}, true, false, 16},
    {"movdqu store", {0xf3, 0x0f, 0x7f, 0x03}, false, true, 16},
    {"fld m64", {0xdd, 0x03}, true, false, 8},
    {"sidt", {0x0f, 0x01, 0x0b}, false, true, 10},
};

class DataBreakpoint : public testing::TestWithParam<cpu::Mode> {};

// Every accessor at every distance from breakpoints of every kind and length; whether they match is counted byte by byte.
TEST_P(DataBreakpoint, TrapsAfterTheInstructionThatTouchesOneOfItsBytes) {
    constexpr u64 watched = data + 0x100;
    for (const auto& each : accessors) {
        for (const Kind kind : {write, access}) {
            for (const unsigned length : {1U, 2U, 4U, 8U}) {
                Bench bench;
                bench.s().cr4 |= arch::cr4::osfxsr;
                bench.core.set_mode(GetParam());
                // DR3 is not aligned: its low bits do not count.
                bench.arm(3, watched + length - 1, enabled(3, kind, length));
                for (int distance = -18; distance <= 10; ++distance) {
                    const u64 address = watched + static_cast<u64>(distance);
                    for (const auto number : {arch::rbx, arch::rsp, arch::rsi, arch::rdi}) bench.s().gpr[number] = address;
                    if (each.name == std::string{"movsd, source"}) bench.s().gpr[arch::rdi] = data + 0x800;
                    bench.s().dr[6] = 0xffff0ff0;
                    u64 at = code;
                    for (const int byte : each.bytes) bench.poke<u8>(at++, static_cast<u8>(byte));
                    bench.poke<u8>(at, 0xf4);
                    bench.core.code_written(PhysicalAddress{code}, 16);
                    bench.s().rip = code;
                    bool touches = false;
                    for (unsigned byte = 0; byte < each.size; ++byte) touches |= address + byte >= watched && address + byte < watched + length;
                    const bool expected = touches && (each.writes || (each.reads && kind == access));
                    const auto result = bench.resume();
                    SCOPED_TRACE(testing::Message() << each.name << " at " << distance << ", kind " << kind << ", length " << length);
                    ASSERT_EQ(result.vector, expected ? db : CoreBench::none);
                    ASSERT_EQ(bench.status(), expected ? 8U : 0U);
                    if (expected) { ASSERT_EQ(result.pushed_rip, code + each.bytes.size()); }
                }
            }
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Modes, DataBreakpoint, testing::Values(cpu::Mode::functional, cpu::Mode::timing));

TEST(DataBreakpoints, StopsABlockThatRanBeforeItWasSet) {
    Bench bench;
    bench.s().gpr[arch::rbx] = data;
    const auto bytes = {0x89, 0x03, 0x48, 0xff, 0xc0, 0xf4};                             // mov [rbx], eax; inc rax; hlt
    EXPECT_EQ(bench.run(bytes).vector, CoreBench::none);
    bench.s().gpr[arch::rax] = 5;
    bench.arm(1, data, enabled(1, write, 4));
    EXPECT_EQ(bench.run(bytes).vector, db);
    EXPECT_EQ(bench.s().gpr[arch::rax], 5U);
    EXPECT_EQ(bench.peek<u32>(data), 5U);
    bench.s().dr[7] = 0x400;
    bench.core.state_changed();
    EXPECT_EQ(bench.run(bytes).vector, CoreBench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], 6U);
}

TEST(DataBreakpoints, OfAnInstructionThatFaultsAreLost) {
    Bench bench;
    bench.poke<u64>(CoreBench::tables + 0x2000 + 8 * (absent >> 21), 0);
    bench.arm(0, data, enabled(0, access, 4));
    bench.s().gpr[arch::rsi] = data;
    bench.s().gpr[arch::rdi] = absent;
    EXPECT_EQ(bench.run({0xa5}).vector, pf);                                             // movsd: the source is read first
    EXPECT_EQ(bench.status(), 0U);
    EXPECT_EQ(bench.core.breakpoint_hits, 0U);
}

TEST(DataBreakpoints, OfABranchTrapBeforeAFaultOfItsTargetsFetch) {
    Bench bench;
    bench.poke<u64>(CoreBench::tables + 0x2000 + 8 * (absent >> 21), 0);
    bench.arm(0, CoreBench::stack - 8, enabled(0, write, 8));
    bench.s().gpr[arch::rax] = absent;
    const auto result = bench.run({0xff, 0xd0});                                         // call rax
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, absent);
}

TEST(DataBreakpoints, StopARepeatedInstructionAfterTheIteration) {
    for (const auto mode : {cpu::Mode::functional, cpu::Mode::timing}) {
        Bench bench;
        bench.core.set_mode(mode);
        bench.arm(0, data + 10, enabled(0, write));
        bench.s().gpr[arch::rdi] = data;
        bench.s().gpr[arch::rcx] = 100;
        const auto result = bench.run({0xf3, 0xaa});                                     // rep stosb
        EXPECT_EQ(result.vector, db);
        EXPECT_EQ(result.pushed_rip, code);
        EXPECT_EQ(bench.s().gpr[arch::rcx], 89U);
        EXPECT_NE(bench.pushed_flags() & flag::rf, 0U);
    }
}

TEST(DataBreakpoints, OnALoadOfSsTrapAfterTheNextInstruction) {
    Bench bench;
    bench.arm(0, data, enabled(0, access, 2));
    bench.poke<u16>(data, CoreBench::data0);
    bench.s().gpr[arch::rbx] = data;
    const auto result = bench.run({0x8e, 0x13, 0x90, 0x90});                             // mov ss, [rbx]; nop; nop
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, code + 3);
}

// SDM vol. 3, "Delivery of Pending Debug Exceptions after VM Entry", says it for injected events: software interrupts let them pass, INT1 does not.
TEST(DataBreakpoints, OnALoadOfSsTrapAfterASoftwareInterruptButNotAfterInt1) {
    Bench bench;
    bench.arm(0, data, enabled(0, access, 2));
    bench.poke<u16>(data, CoreBench::data0);
    bench.s().gpr[arch::rbx] = data;
    EXPECT_EQ(bench.run({0x8e, 0x13, 0xcc}).vector, db);                                 // mov ss, [rbx]; int3: #DB before #BP's handler
    EXPECT_EQ(bench.peek<u64>(bench.s().gpr[arch::rsp]), CoreBench::handlers + 16 * bp);
    EXPECT_EQ(bench.status(), 1U);
    bench.s().dr[6] = 0xffff0ff0;
    const auto result = bench.run({0x8e, 0x13, 0xf1});
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, code + 3);
    EXPECT_EQ(bench.status(), 0U);
}

TEST(DataBreakpoints, SeeNeitherDescriptorTablesNorFramesOfEvents) {
    Bench bench;
    bench.arm(0, CoreBench::idt + 16 * bp, enabled(0, access, 8));
    bench.arm(1, CoreBench::stack - 8, enabled(1, access, 8));
    EXPECT_EQ(bench.run({0xcc}).vector, bp);
    EXPECT_EQ(bench.status(), 0U);
}

TEST(DebugStatus, KeepsWhatItDoesNotReport) {
    Bench bench;
    bench.s().dr[6] = 0xffff4ff2;                                                        // BS and B1, left there by software
    bench.arm(0, data, enabled(0, write, 4));
    bench.s().gpr[arch::rbx] = data;
    EXPECT_EQ(bench.run({0x89, 0x03}).vector, db);
    EXPECT_EQ(bench.s().dr[6], 0xffff4ff1);
}

// ---- I/O breakpoints ------------------------------------------------------------------------------------------------------

TEST(PortBreakpoint, TrapsAfterTheAccessIfDebuggingExtensionsAreOn) {
    for (const bool extensions : {false, true}) {
        Bench bench;
        bench.s().cr4 |= extensions ? arch::cr4::de : 0;
        bench.arm(0, 0x62, enabled(0, port, 2));
        EXPECT_EQ(bench.run({0xe4, 0x61, 0xf4}).vector, CoreBench::none);                // in al, 61H
        EXPECT_EQ(bench.run({0xe5, 0x60, 0xf4}).vector, extensions ? db : CoreBench::none);          // in eax, 60H
        EXPECT_EQ(bench.run({0xe6, 0x63, 0xf4}).vector, extensions ? db : CoreBench::none);          // out 63H, al
        EXPECT_EQ(bench.io.writes.size(), 1U);
    }
}

TEST(PortBreakpoint, StopsARepeatedInstructionAfterEveryIteration) {
    Bench bench;
    bench.s().cr4 |= arch::cr4::de;
    bench.arm(0, 0x60, enabled(0, port));
    bench.s().gpr[arch::rdx] = 0x60;
    bench.s().gpr[arch::rcx] = 3;
    bench.s().gpr[arch::rsi] = data;
    const auto result = bench.run({0xf3, 0x6e});                                         // rep outsb
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, code);
    EXPECT_EQ(bench.s().gpr[arch::rcx], 2U);
}

// ---- single steps, seen from the same side ----------------------------------------------------------------------------------

TEST(SingleStep, TrapsAgainAfterTheHandlerHasReturned) {
    Bench bench;
    bench.poke<u16>(CoreBench::handlers + 16 * db, 0xcf48);                              // IRETQ
    bench.s().write_rflags(flag::one | flag::tf);
    bench.run({0x90, 0x90, 0x90, 0x90, 0x90}, 6);                                        // NOP and IRETQ in turns
    EXPECT_EQ(bench.s().rip, code + 3);
}

TEST(SingleStep, OfARepeatedOutputTrapsAfterEveryIteration) {
    Bench bench;
    bench.s().write_rflags(flag::one | flag::tf);
    bench.s().gpr[arch::rcx] = 3;
    bench.s().gpr[arch::rsi] = data;
    EXPECT_EQ(bench.run({0xf3, 0x6e}).vector, db);
    EXPECT_EQ(bench.s().gpr[arch::rcx], 2U);
}

// ---- task switches ----------------------------------------------------------------------------------------------------------

TEST(TaskSwitch, TrapsByTheFlagOfTheNewTaskAndDropsLocalBreakpoints) {
    constexpr u64 new_tss = 0x7000, entry = code + 0x100;
    constexpr u16 selector = 0x48;
    Debugging<CoreBench> bench{CodeMode::protected32};
    bench.poke<u64>(CoreBench::gdt + selector, u64{0x89} << 40 | new_tss << 16 | 0x67);
    const std::pair<unsigned, u32> words[] = {{32, static_cast<u32>(entry)}, {36, 2}, {56, CoreBench::stack}, {72, CoreBench::data0}, {76, CoreBench::code32}, {80, CoreBench::data0},
                                              {84, CoreBench::data0}, {88, CoreBench::data0}, {92, CoreBench::data0}, {100, 1}};
    for (const auto& [offset, value] : words) bench.poke<u32>(new_tss + offset, value);
    bench.s().dr[7] = 0x700 | 1 | 8;                                                     // LE, GE, L0, G1: at addresses that nobody reaches
    bench.s().dr[0] = bench.s().dr[1] = 0xdead'0000;
    const auto result = bench.run({0xea, 0, 0, 0, 0, selector, 0});                      // jmp 48H:0
    EXPECT_EQ(result.vector, db);
    EXPECT_EQ(result.pushed_rip, entry);
    EXPECT_EQ(bench.status(), 0x8000U);
    EXPECT_EQ(bench.s().dr[7], 0x608U);
}

// ---- with VMX ---------------------------------------------------------------------------------------------------------------

TEST(BreakpointsOfAGuest, ExitWithTheirStatusAndLeaveDr6Alone) {
    Guest bench{{.exception_bitmap = 1U << db}};
    bench.arm(2, data, enabled(2, write, 4));
    bench.s().gpr[arch::rbx] = data;
    bench.run({0x89, 0x03});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.exit_reason(), 0U);
    EXPECT_EQ(bench.read(0x4404), 0x8000'0301U);                                         // VM-exit interruption information
    EXPECT_EQ(bench.qualification(), 4U);
    EXPECT_EQ(bench.guest_rip(), code + 2);
    EXPECT_EQ(bench.s().dr[6], 0xffff0ff0U);
    EXPECT_EQ(bench.s().dr[7], 0x400U);
    EXPECT_FALSE(bench.core.decode_mode.breakpoints);                                    // the host has none
}

TEST(BreakpointsOfAGuest, OnAnInstructionExitBeforeIt) {
    Guest bench{{.exception_bitmap = 1U << db}};
    bench.arm(0, code + 1, enabled(0, execute));
    bench.run({0x90, 0x90});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.qualification(), 1U);
    EXPECT_EQ(bench.guest_rip(), code + 1);
    EXPECT_EQ(bench.read(0x6820) & flag::rf, 0U);
}

// SDM vol. 3, "Monitor Trap Flag": the exit comes after the delivery of the fault, before the handler's first instruction; the debug trap of the same instruction stays
// pending.
TEST(MonitorTrapFlag, ExitsAfterTheDeliveryOfAFaultAndKeepsDebugTrapsPending) {
    constexpr u32 monitor_trap_flag = 1U << 27;
    {
        Guest bench{{.primary = monitor_trap_flag}};
        bench.run({0x0f, 0x0b});
        ASSERT_TRUE(bench.exited());
        EXPECT_EQ(bench.exit_reason(), 37U);
        EXPECT_EQ(bench.guest_rip(), CoreBench::handlers + 16 * 6);
    }
    Guest bench{{.primary = monitor_trap_flag}};
    bench.arm(1, data, enabled(1, write, 4));
    bench.s().gpr[arch::rbx] = data;
    bench.run({0x89, 0x03});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.exit_reason(), 37U);
    EXPECT_EQ(bench.read(0x6822), 0x1002U);                                              // guest pending debug exceptions
}

// An access to a device waits for the kernel and begins again: that was no instruction yet.
TEST(MonitorTrapFlag, WaitsForAnOutputThatIsNotInStep) {
    Guest bench{{.primary = 1U << 27}};
    bench.poke<u16>(code, 0x80e6);                                                       // out 80H, al
    bench.core.begin_activation(false);
    ASSERT_EQ(bench.core.execute(bench.core.cycles() + 1000), cpu::Stop::resync);
    bench.resume(2);
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.guest_rip(), code + 2);
    EXPECT_EQ(bench.io.writes.size(), 1U);
}

}  // namespace
}  // namespace vtsim::test
