// SPDX-License-Identifier: Apache-2.0
// Segment overrides of hidden operands, hidden parts of segment registers, transfers and frames: what the comparison with Unicorn has found (tests/unicorn).
#include <gtest/gtest.h>

#include <optional>

#include "cpu/events/delivery.h"
#include "support/core_bench.h"

namespace vtsim {
namespace {

using test::CodeMode;
using Bench = test::CoreBench;

constexpr u64 free_slot = 0x48;              // of the bench's GDT
constexpr u64 sixteen_bit_code = u64{0x9a} << 40 | 0xffff, present16 = u64{0x86} << 40;

// SDM vol. 2, "XLAT/XLATB": the segment may be overridden.
TEST(Overrides, XlatReadsTheSegmentOfItsPrefix) {
    Bench bench{CodeMode::real};
    bench.s().segment[arch::fs] = {0x4'0000, 0xffff, 0x93, 0x4000};
    bench.s().gpr[arch::rbx] = 0x20;
    bench.s().gpr[arch::rax] = 0x1103;
    bench.poke<u8>(0x23, 0x11);
    bench.poke<u8>(0x4'0023, 0x77);
    EXPECT_EQ(bench.step({0x64, 0xd7}).vector, Bench::none);
    EXPECT_EQ(bench.s().gpr[arch::rax], 0x1177U);
    bench.s().gpr[arch::rax] = 3;
    bench.step({0xd7});
    EXPECT_EQ(bench.s().gpr[arch::rax], 0x11U);
}

TEST(Overrides, OutsReadsTheSegmentOfItsPrefix) {
    Bench bench{CodeMode::real};
    bench.s().segment[arch::gs] = {0x4'0000, 0xffff, 0x93, 0x4000};
    bench.s().gpr[arch::rsi] = 0x30;
    bench.poke<u8>(0x4'0030, 0x5a);
    bench.step({0x65, 0x6e});
    ASSERT_EQ(bench.io.writes.size(), 1U);
    EXPECT_EQ(bench.io.writes[0].value, 0x5aU);
}

// SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ": a trap comes after each iteration.
TEST(SingleStep, RepeatedInputStopsAfterEveryElement) {
    Bench bench{CodeMode::protected32};
    auto& s = bench.s();
    s.gpr[arch::rcx] = 5;
    s.gpr[arch::rdi] = Bench::data;
    s.write_rflags(arch::rflags::one | arch::rflags::tf);
    EXPECT_EQ(bench.step({0xf3, 0x6c}).vector, 1);
    EXPECT_EQ(s.gpr[arch::rcx], 4U);
    EXPECT_EQ(bench.io.reads.size(), 1U);
    EXPECT_EQ(bench.peek<u32>(s.gpr[arch::rsp]), Bench::code);
}

// SDM vol. 3, "Priority Among Concurrent Events": traps on the previous instruction come before faults from fetching the next one.
TEST(SingleStep, TrapOfABranchComesBeforeThePageFaultOfItsTarget) {
    Bench bench;
    constexpr u64 target = 0x60'0000, present = 1;
    bench.poke<u64>(Bench::tables + 0x2000 + (target >> 21) * 8, (target | 0x87) & ~present);
    bench.s().write_rflags(arch::rflags::one | arch::rflags::tf);
    bench.step({0xe9, 0xfb, 0xff, 0x5e, 0x00});
    EXPECT_EQ(bench.s().rip, Bench::handlers + 16);                // the handler of #DB, whose HLT is the next instruction
    EXPECT_EQ(bench.peek<u64>(bench.s().gpr[arch::rsp]), target);
}

// SDM vol. 3, "Code- and Data-Segment Descriptor Types": loading sets the bit; the register must not lack it, as VM entry wants it there.
TEST(HiddenPart, OfACodeSegmentIsAccessedAfterAFarJump) {
    Bench bench{CodeMode::protected32};
    bench.poke<u64>(Bench::gdt + free_slot, u64{0x00cf'9a00} << 32 | 0xffff);
    auto& s = bench.s();
    EXPECT_EQ(bench.step({0xea, 0x00, 0x80, 0x01, 0x00, 0x48, 0x00}).vector, Bench::none);
    EXPECT_EQ(s.segment[arch::cs].selector, free_slot);
    EXPECT_EQ(s.segment[arch::cs].rights, 0xc09bU);
    EXPECT_EQ(bench.peek<u8>(Bench::gdt + free_slot + 5), 0x9bU);
}

// SDM vol. 3, "IDT Descriptors": the offset of a 16-bit gate has 16 bits, whatever stands above.
TEST(Gates, Of16BitsLeadToTheLow16BitsOfTheirOffset) {
    Bench bench{CodeMode::protected32};
    bench.poke<u64>(Bench::gdt + free_slot, sixteen_bit_code);
    bench.poke<u64>(Bench::idt + 0x80 * 8, u64{0x7ed8} << 48 | present16 | free_slot << 16 | 0x1234);
    bench.step({0xcd, 0x80});
    EXPECT_EQ(bench.s().segment[arch::cs].selector, free_slot);
    EXPECT_EQ(bench.s().rip & ~u64{1}, 0x1234U);
}

// SDM vol. 2, "INT n/INTO/INT3/INT1": #SS(EXT) when the frame does not fit on the present stack.
TEST(Gates, StackFaultOfAFrameTellsThatAnExternalEventMetIt) {
    Bench bench{CodeMode::protected32};
    auto& s = bench.s();
    s.segment[arch::ss].limit = 0x1000;
    s.gpr[arch::rsp] = 0x2000;
    std::optional<cpu::events::Delivery> first;
    bench.core.on_delivery = [&](const cpu::events::Delivery& delivery) {
        first = delivery;
        return false;
    };
    const auto event = cpu::events::deliver_once(bench.core, {.vector = 0x30, .type = cpu::events::Type::external});
    EXPECT_EQ(event.number, static_cast<u16>(arch::Vector::ss));
    EXPECT_EQ(event.code, 1U);
    EXPECT_FALSE(first);                     // one that is delivered directly is nobody's business
    EXPECT_EQ(s.gpr[arch::rsp], 0x2000U);
}

// SDM vol. 2, "RET": on the way to an outer level the stack is checked first, then the target.
TEST(FarReturn, ChecksTheOuterStackBeforeTheTarget) {
    Bench bench{CodeMode::protected32};
    auto& s = bench.s();
    bench.poke<u64>(Bench::gdt + free_slot, u64{0xfa} << 40 | 0xff);             // DPL 3, limit FFH
    const u32 frame[] = {0x5000, 0x4b, 0x6000, 0x18};
    s.gpr[arch::rsp] = Bench::stack;
    for (u64 i = 0; i < 4; ++i) bench.poke<u32>(Bench::stack + 4 * i, frame[i]);
    const auto fault = bench.step({0xcb});
    EXPECT_EQ(fault.vector, 13);
    EXPECT_EQ(fault.error_code, 0x18U);
}

// The first exception of an instruction, which is not delivered, so that its frame covers nothing.
std::optional<cpu::events::Delivery> exception_of(Bench& bench, std::initializer_list<int> code) {
    std::optional<cpu::events::Delivery> first;
    bench.core.on_delivery = [&](const cpu::events::Delivery& delivery) {
        if (!first) first = delivery;
        bench.core.halted = bench.core.attention = true;
        return true;
    };
    bench.step(code);
    bench.core.on_delivery = nullptr;
    return first;
}

constexpr u64 short_code = u64{0x0040'9b00} << 32 | 0xff, limited_stack = u64{0x0040'9300} << 32 | 0xfff;      // limits FFH and FFFH
constexpr u64 sentinel = 0x5a5a'5a5a'5a5a'5a5a;

// SDM vol. 2, "CALL": room for the return address, then the target, then the pushes.
TEST(FarCall, FindsATargetBeyondTheLimitBeforeItPushes) {
    Bench bench{CodeMode::protected32};
    bench.poke<u64>(Bench::gdt + free_slot, short_code);
    bench.s().gpr[arch::rsp] = Bench::stack;
    bench.poke<u64>(Bench::stack - 8, sentinel);
    const auto fault = exception_of(bench, {0x9a, 0x00, 0x01, 0x00, 0x00, free_slot, 0x00});         // offset 100H
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->vector, 13);
    EXPECT_EQ(fault->error_code, 0U);
    EXPECT_EQ(bench.peek<u64>(Bench::stack - 8), sentinel);
    EXPECT_EQ(bench.s().gpr[arch::rsp], Bench::stack);
}

TEST(FarCall, LooksForRoomBeforeTheTarget) {
    Bench bench{CodeMode::protected32};
    bench.poke<u64>(Bench::gdt + free_slot, short_code);
    bench.s().segment[arch::ss].limit = 0xfff;
    bench.s().gpr[arch::rsp] = 4;                                                                    // for one word of two
    bench.poke<u32>(0, 0x5a5a'5a5a);
    const auto fault = exception_of(bench, {0x9a, 0x00, 0x01, 0x00, 0x00, free_slot, 0x00});
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->vector, 12);
    EXPECT_EQ(fault->error_code, 0U);
    EXPECT_EQ(bench.peek<u32>(0), 0x5a5a'5a5aU);
    EXPECT_EQ(bench.s().gpr[arch::rsp], 4U);
}

// The same on the way to an inner level: #SS tells of the new stack segment, and nothing of the frame is written when a part of it does not fit.
TEST(CallGate, LooksForRoomOnTheNewStackBeforeTheTarget) {
    constexpr u16 gate = free_slot, code = free_slot + 8, stack = free_slot + 16;
    constexpr u64 call_gate_of_ring_3 = u64{0xec00} << 32;
    for (const u64 offset : {u64{0x10}, u64{0x100}})                                                 // within and beyond the limit
        for (const u32 esp : {8U, 0xffcU}) {
            Bench bench{CodeMode::protected32};
            bench.poke<u64>(Bench::gdt + gate, call_gate_of_ring_3 | u64{code} << 16 | offset);
            bench.poke<u64>(Bench::gdt + code, short_code);
            bench.poke<u64>(Bench::gdt + stack, limited_stack);
            bench.set_cpl(3);
            bench.poke<u32>(Bench::tss + 4, esp);
            bench.poke<u32>(Bench::tss + 8, stack);
            for (u64 at = 0; at < 8; at += 4) bench.poke<u32>(at, 0x5a5a'5a5a);
            const auto fault = exception_of(bench, {0x9a, 0x00, 0x00, 0x00, 0x00, gate | 3, 0x00});
            const bool room = esp > 16, within = offset <= 0xff;
            ASSERT_EQ(fault.has_value(), !(room && within)) << esp << ' ' << offset;
            for (u64 at = 0; at < 8; at += 4) EXPECT_EQ(bench.peek<u32>(at), 0x5a5a'5a5aU);
            if (!fault) continue;
            EXPECT_EQ(fault->vector, room ? 13 : 12) << esp << ' ' << offset;
            EXPECT_EQ(fault->error_code, room ? 0U : stack);
        }
}

}  // namespace
}  // namespace vtsim
