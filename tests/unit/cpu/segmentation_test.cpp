// SPDX-License-Identifier: Apache-2.0
// Segment overrides of hidden operands, hidden parts of segment registers, transfers and frames: what the comparison with Unicorn has found (tests/unicorn).
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace vtsim
