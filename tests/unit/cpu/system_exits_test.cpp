// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/guest_bench.h"

namespace vtsim::test {
namespace {

constexpr u32 hlt_exiting = 1U << 7, invlpg_exiting = 1U << 9, mwait_exiting = 1U << 10, rdpmc_exiting = 1U << 11, rdtsc_exiting = 1U << 12, cr3_load = 1U << 15, cr3_store = 1U << 16,
              cr8_load = 1U << 19, cr8_store = 1U << 20, mov_dr_exiting = 1U << 23, unconditional_io = 1U << 24, use_io_bitmaps = 1U << 25, use_msr_bitmaps = 1U << 28,
              monitor_exiting = 1U << 29, pause_exiting = 1U << 30, use_tsc_offsetting = 1U << 3;
constexpr u32 descriptor_tables = 1U << 2, enable_rdtscp = 1U << 3, wbinvd_exiting = 1U << 6, rdrand_exiting = 1U << 11, enable_invpcid = 1U << 12, rdseed_exiting = 1U << 16;

// Control, instruction, and what the SDM says its exit shows: vol. 3, "Instructions That Cause VM Exits", "Basic VM-Exit Information".
struct Exit {
    const char* name;
    u32 primary, secondary;
    std::vector<int> bytes;
    u64 reason, qualification;
    bool unconditional = false;
    int vector_without = CoreBench::none;       // without the control the instruction raises this
};

const Exit exits[] = {
    {"HLT", hlt_exiting, 0, {0xf4}, 12, 0},
    {"INVLPG", invlpg_exiting, 0, {0x0f, 0x01, 0x3c, 0x25, 0x78, 0x56, 0x34, 0x12}, 14, 0x1234'5678},
    {"MWAIT", mwait_exiting, 0, {0x0f, 0x01, 0xc9}, 36, 0},
    {"MONITOR", monitor_exiting, 0, {0x0f, 0x01, 0xc8}, 39, 0},
    {"PAUSE", pause_exiting, 0, {0xf3, 0x90}, 40, 0},
    {"RDPMC", rdpmc_exiting, 0, {0x0f, 0x33}, 15, 0, false, 13},
    {"RDTSC", rdtsc_exiting, 0, {0x0f, 0x31}, 16, 0},
    {"RDTSCP", rdtsc_exiting, enable_rdtscp, {0x0f, 0x01, 0xf9}, 51, 0, false, 6},
    {"MOV to CR3", cr3_load, 0, {0x0f, 0x22, 0xdb}, 28, 0x303},
    {"MOV from CR3", cr3_store, 0, {0x0f, 0x20, 0xde}, 28, 0x613},
    {"MOV to CR8", cr8_load, 0, {0x44, 0x0f, 0x22, 0xc0}, 28, 0x8},
    {"MOV from CR8", cr8_store, 0, {0x44, 0x0f, 0x20, 0xc0}, 28, 0x18},
    {"MOV to DR7", mov_dr_exiting, 0, {0x0f, 0x23, 0xf9}, 29, 0x107},
    {"MOV from DR5", mov_dr_exiting, 0, {0x0f, 0x21, 0xe9}, 29, 0x115},
    {"SGDT", 0, descriptor_tables, {0x0f, 0x01, 0x04, 0x25, 0x00, 0x00, 0x03, 0x00}, 46, 0x3'0000},
    {"LIDT", 0, descriptor_tables, {0x0f, 0x01, 0x1c, 0x25, 0x00, 0x00, 0x03, 0x00}, 46, 0x3'0000},
    {"SLDT", 0, descriptor_tables, {0x0f, 0x00, 0xc0}, 47, 0},
    {"STR", 0, descriptor_tables, {0x66, 0x0f, 0x00, 0xc8}, 47, 0},
    {"LLDT", 0, descriptor_tables, {0x0f, 0x00, 0xd0}, 47, 0},
    {"WBINVD", 0, wbinvd_exiting, {0x0f, 0x09}, 54, 0},
    {"RDRAND", 0, rdrand_exiting, {0x48, 0x0f, 0xc7, 0xf0}, 57, 0},
    {"RDSEED", 0, rdseed_exiting, {0x48, 0x0f, 0xc7, 0xf8}, 61, 0},
    {"INVPCID", invlpg_exiting, enable_invpcid, {0x66, 0x0f, 0x38, 0x82, 0x04, 0x25, 0x00, 0x00, 0x03, 0x00}, 58, 0x3'0000, false, 6},
    {"CPUID", 0, 0, {0x0f, 0xa2}, 10, 0, true},
    {"INVD", 0, 0, {0x0f, 0x08}, 13, 0, true},
    {"RDMSR without bitmaps", 0, 0, {0x0f, 0x32}, 31, 0, true},
    {"WRMSR without bitmaps", 0, 0, {0x0f, 0x30}, 32, 0, true},
    {"IN", unconditional_io, 0, {0xec}, 30, 0x8},
    {"OUT", unconditional_io, 0, {0xe7, 0x80}, 30, 0x80'0043},
};

CoreBench::Result run(GuestBench& bench, const std::vector<int>& bytes) {
    u64 at = CoreBench::code;
    for (const int byte : bytes) bench.poke<u8>(at++, static_cast<u8>(byte));
    bench.s().gpr[arch::rbx] = CoreBench::tables;               // what MOV to CR3 loads
    bench.s().gpr[arch::rcx] = bytes == std::vector{0x0f, 0x23, 0xf9} ? 0x400 : 0;       // DR7; the extensions of MONITOR and MWAIT
    bench.s().gpr[arch::rdx] = 0;                               // port of IN
    return bench.go();
}

TEST(VmExits, HappenWithTheirControlAndShowWhatTheManualSays) {
    for (const auto& row : exits) {
        GuestBench bench{{.primary = row.primary, .secondary = row.secondary}};
        run(bench, row.bytes);
        ASSERT_TRUE(bench.exited()) << row.name;
        EXPECT_EQ(bench.exit_reason(), row.reason) << row.name;
        EXPECT_EQ(bench.qualification(), row.qualification) << row.name;
        EXPECT_EQ(bench.instruction_length(), row.bytes.size()) << row.name;
        EXPECT_EQ(bench.guest_rip(), CoreBench::code) << row.name;
    }
}

// SDM vol. 3, "Other Causes of VM Exits": the exception bitmap is asked before a second exception becomes a double fault, or a third one a triple fault.
TEST(VmExits, ComeBeforeDoubleAndTripleFaults) {
    constexpr u64 unmapped = 0x7f00'0000'0000;
    constexpr u32 page_fault_exits = 1U << 14, gp = 13, pf = 14, df = 8;
    const auto run_with_bad_stack = [](GuestBench& bench, u64 address) {
        bench.s().gpr[arch::rax] = address;
        bench.s().gpr[arch::rsp] = unmapped;
        return run(bench, {0x48, 0x8b, 0x18});      // MOV RBX, [RAX]
    };
    const auto vectoring = [](u32 vector) { return 0x8000'0b00 | vector; };

    GuestBench triple{{.exception_bitmap = page_fault_exits}};
    const u64 gate = triple.s().idtr.base + gp * 16 + 5;
    triple.poke<u8>(gate, triple.peek<u8>(gate) & 0x7f);        // #GP is not present, so it becomes a double fault, which faults
    run_with_bad_stack(triple, u64{1} << 63);
    ASSERT_TRUE(triple.exited());
    EXPECT_EQ(triple.exit_reason(), 0U);
    EXPECT_EQ(triple.read(0x4404), vectoring(pf));
    EXPECT_EQ(triple.qualification(), unmapped - 8);
    EXPECT_EQ(triple.read(0x4408), vectoring(df));
    EXPECT_EQ(triple.guest_rip(), CoreBench::code);

    GuestBench second{{.exception_bitmap = 1U << gp}};
    const u64 page_fault_gate = second.s().idtr.base + pf * 16 + 2;
    second.poke<u16>(page_fault_gate, 0xfff8);                  // a selector beyond the table: #GP while #PF is delivered
    run_with_bad_stack(second, unmapped);
    ASSERT_TRUE(second.exited());
    EXPECT_EQ(second.exit_reason(), 0U);
    EXPECT_EQ(second.read(0x4404), vectoring(gp));
    EXPECT_EQ(second.read(0x4408), vectoring(pf));
}

TEST(VmExits, DoNotHappenWithoutTheirControl) {
    for (const auto& row : exits) {
        if (row.unconditional) continue;
        GuestBench bench{{}};
        const auto result = run(bench, row.bytes);
        EXPECT_FALSE(bench.exited()) << row.name << " " << bench.exit_reason();
        EXPECT_EQ(result.vector, row.vector_without) << row.name;
    }
}

TEST(VmExits, OfPrivilegedInstructionsComeAfterThePrivilegeCheck) {
    for (const auto& row : exits) {
        if (row.reason != 14 && row.reason != 28 && row.reason != 31 && row.reason != 54) continue;
        GuestBench bench{{.primary = row.primary, .secondary = row.secondary}};
        bench.set_cpl(3);
        EXPECT_EQ(run(bench, row.bytes).vector, 13) << row.name;
        EXPECT_FALSE(bench.exited()) << row.name;
    }
}

TEST(VmExits, OfHltComeAfterThePrivilegeCheck) {
    GuestBench bench{{.primary = hlt_exiting}};
    bench.set_cpl(3);
    run(bench, {0xf4});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.guest_rip(), CoreBench::handlers + 13 * 16);       // the HLT of the handler of #GP
}

TEST(VmExits, OfMovDrComeBeforeThePrivilegeCheck) {
    GuestBench bench{{.primary = mov_dr_exiting}};
    bench.set_cpl(3);
    run(bench, {0x0f, 0x21, 0xc0});
    EXPECT_TRUE(bench.exited());
    EXPECT_EQ(bench.exit_reason(), 29U);
}

TEST(MaskedControlRegisters, ExitWhenTheSourceDiffersFromTheShadow) {
    GuestBench bench{{.cr0_mask = 0xa, .cr0_shadow = 0xa}};
    bench.poke<u8>(CoreBench::code, 0x0f);
    bench.s().gpr[arch::rsi] = bench.s().cr0 | 0x2 | u64{0xdead} << 48;        // decided before reserved bits are looked at
    run(bench, {0x0f, 0x22, 0xc6});
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.exit_reason(), 28U);
    EXPECT_EQ(bench.qualification(), 0x600U);
}

TEST(MaskedControlRegisters, ReadTheShadowAndKeepTheirValue) {
    GuestBench bench{{.cr0_mask = 0xa, .cr0_shadow = 0xa}};
    const u64 cr0 = bench.s().cr0;
    run(bench, {0x0f, 0x20, 0xc0});
    EXPECT_EQ(bench.s().gpr[arch::rax], cr0 | 0xa);
    bench.s().gpr[arch::rsi] = cr0 | 0xa | arch::cr0::wp;
    bench.s().rip = CoreBench::code;
    run(bench, {0x0f, 0x22, 0xc6});
    EXPECT_FALSE(bench.exited());
    EXPECT_EQ(bench.s().cr0, cr0 | arch::cr0::wp);
}

TEST(MaskedControlRegisters, ClearingNeFaultsInVmxOperation) {
    GuestBench bench{{}};
    bench.s().gpr[arch::rsi] = bench.s().cr0 & ~arch::cr0::ne;
    EXPECT_EQ(run(bench, {0x0f, 0x22, 0xc6}).vector, 13);
    GuestBench other{{}};
    other.s().gpr[arch::rsi] = other.s().cr4 & ~arch::cr4::vmxe;
    EXPECT_EQ(run(other, {0x0f, 0x22, 0xe6}).vector, 13);
}

TEST(MsrBitmaps, DecideByNumberAndDirection) {
    for (const u32 number : {0x10U, 0xc000'0082U, 0x5000U}) {
        for (const bool write : {false, true}) {
            for (const bool set : {false, true}) {
                GuestBench bench{{.primary = use_msr_bitmaps}};
                const u64 bit_number = number & 0x1fff;
                const u64 quarter = (write ? 2048U : 0U) + (number >= 0xc000'0000 ? 1024U : 0U);
                if (set) bench.poke<u8>(GuestBench::msr_bitmap + quarter + bit_number / 8, static_cast<u8>(1 << bit_number % 8));
                bench.poke<u16>(CoreBench::code, write ? 0x300f : 0x320f);
                bench.s().gpr[arch::rcx] = number;
                bench.go();
                EXPECT_EQ(bench.exited(), set || number == 0x5000) << std::hex << number << write;
            }
        }
    }
}

TEST(IoBitmaps, CoverEveryByteOfAnAccess) {
    for (u16 port = 0x7ffc; port < 0x8002; ++port) {
        GuestBench bench{{.primary = use_io_bitmaps}};
        bench.poke<u8>(GuestBench::io_bitmap_a + 0xfff, 0x80);                // 7FFFH
        bench.s().gpr[arch::rdx] = port;
        bench.poke<u8>(CoreBench::code, 0xed);
        bench.go();
        EXPECT_EQ(bench.exited(), port <= 0x7fff) << port;
    }
}

TEST(StringIoExits, HaveQualificationInformationAndLinearAddress) {
    GuestBench bench{{.primary = unconditional_io}};
    bench.s().gpr[arch::rdx] = 0x1f0;
    bench.s().gpr[arch::rsi] = 0x1000;
    bench.s().segment[arch::fs].base = 0x3'0000;
    for (u64 i = 0; const int byte : {0xf3, 0x64, 0x66, 0x6f}) bench.poke<u8>(CoreBench::code + i++, static_cast<u8>(byte));      // REP OUTSW FS
    bench.s().gpr[arch::rcx] = 5;
    bench.go();
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.qualification(), 0x01f0'0000U | 1 | 1 << 4 | 1 << 5);
    EXPECT_EQ(bench.guest_linear(), 0x3'1000U);
    EXPECT_EQ(bench.instruction_information(), 2U << 7 | 4U << 15);           // 64-bit addresses, FS
    EXPECT_EQ(bench.s().gpr[arch::rcx], 5U);
}

TEST(InstructionInformation, OfDescriptorTableExits) {
    GuestBench bench{{.secondary = descriptor_tables}};
    bench.s().gpr[arch::rax] = CoreBench::data;
    run(bench, {0x0f, 0x01, 0x5c, 0x88, 0x10});                               // LIDT [RAX + RCX*4 + 10H]
    ASSERT_TRUE(bench.exited());
    EXPECT_EQ(bench.qualification(), 0x10U);
    // Scaling 4, 64-bit addresses, DS, index RCX, base RAX, LIDT; bit 11 is undefined in 64-bit mode.
    EXPECT_EQ(bench.instruction_information() & ~(1U << 11), 2U | 2U << 7 | 3U << 15 | 1U << 18 | 3U << 28);
}

TEST(TscOffsetting, AddsTheOffsetInTheGuest) {
    GuestBench bench{{.primary = use_tsc_offsetting | use_msr_bitmaps, .tsc_offset = u64{1} << 40}};
    run(bench, {0x0f, 0x31});
    EXPECT_EQ(bench.s().gpr[arch::rdx], 1U << 8);
    bench.s().gpr[arch::rcx] = 0x10;
    bench.s().rip = CoreBench::code;
    bench.poke<u16>(CoreBench::code, 0x320f);
    bench.go();
    EXPECT_EQ(bench.s().gpr[arch::rdx], 1U << 8);
}

}  // namespace
}  // namespace vtsim::test
