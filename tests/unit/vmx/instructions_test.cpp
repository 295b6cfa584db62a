// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/vmx/vmx_bench.h"

namespace vtsim::vmx::test {

namespace {

constexpr VmxResult succeed{}, invalid{VmxResult::Kind::fail_invalid, 0};
constexpr VmxResult valid_failure(u8 error) { return {VmxResult::Kind::fail_valid, error}; }
constexpr Instruction all_instructions[] = {Instruction::vmxon, Instruction::vmxoff, Instruction::vmclear, Instruction::vmptrld, Instruction::vmptrst, Instruction::vmread,
                                            Instruction::vmwrite, Instruction::vmlaunch, Instruction::vmresume, Instruction::vmcall, Instruction::invept, Instruction::invvpid};

bool is_ud(arch::Event event) { return event.kind == arch::EventKind::exception && event.number == 6; }
bool is_gp(arch::Event event) { return event.kind == arch::EventKind::exception && event.number == 13 && event.code == 0; }

}  // namespace

TEST(VmxResult, SetsTheFlagsOfTheInstructionReference) {
    for (const auto& [result, flags] : {std::pair{succeed, u64{0}}, {invalid, u64{1}}, {valid_failure(7), u64{0x40}}}) {
        arch::State state;
        state.write_rflags(0xad7);
        apply_flags(result, state);
        EXPECT_EQ(state.read_rflags(), 0x202 | flags);
    }
}

TEST(Vetting, RaisesInvalidOpcodeOutsideVmxOperation) {
    VmxBench bench;
    for (const auto instruction : all_instructions) EXPECT_EQ(is_ud(bench.vmx.vet(instruction)), instruction != Instruction::vmxon);
    bench.state.cr4 &= ~arch::cr4::vmxe;
    EXPECT_TRUE(is_ud(bench.vmx.vet(Instruction::vmxon)));
}

TEST(Vetting, RaisesInvalidOpcodeInModesWithoutVmx) {
    VmxBench bench;
    bench.on();
    const auto state = bench.state;
    for (const auto instruction : all_instructions) {
        EXPECT_FALSE(bench.vmx.vet(instruction));
        bench.state.segment[arch::cs].rights &= ~0x2000U;
        EXPECT_TRUE(is_ud(bench.vmx.vet(instruction))) << "compatibility mode";
        bench.state = state;
        bench.state.rflags |= arch::rflags::vm;
        EXPECT_TRUE(is_ud(bench.vmx.vet(instruction))) << "virtual-8086 mode";
        bench.state = state;
        bench.state.cpl = 3;
        EXPECT_TRUE(is_gp(bench.vmx.vet(instruction)));
        bench.state = state;
    }
}

TEST(Vetting, ExitsInNonRootOperationBeforeTheCplCheck) {
    VmxBench bench;
    bench.make_current();
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    bench.state.cpl = 3;
    for (const auto& [instruction, reason] :
         {std::pair{Instruction::vmcall, 18}, {Instruction::vmclear, 19}, {Instruction::vmlaunch, 20}, {Instruction::vmptrld, 21}, {Instruction::vmptrst, 22}, {Instruction::vmread, 23},
          {Instruction::vmresume, 24}, {Instruction::vmwrite, 25}, {Instruction::vmxoff, 26}, {Instruction::vmxon, 27}, {Instruction::invept, 50}, {Instruction::invvpid, 53}}) {
        const auto event = bench.vmx.vet(instruction);
        EXPECT_EQ(event.kind, arch::EventKind::vm_exit);
        EXPECT_EQ(event.number, reason);
    }
    bench.state.cr0 &= ~arch::cr0::pe;
    EXPECT_TRUE(is_ud(bench.vmx.vet(Instruction::vmxoff)));
    EXPECT_EQ(bench.vmx.vet(Instruction::vmcall).kind, arch::EventKind::vm_exit) << "VMCALL exits in every mode";
}

TEST(Vetting, OfVmxonDemandsFixedBitsAndFeatureControl) {
    VmxBench bench;
    EXPECT_FALSE(bench.vmx.vet(Instruction::vmxon));
    for (const u64 control : {0, 1, 4}) {
        bench.state.feature_control = control;
        EXPECT_TRUE(is_gp(bench.vmx.vet(Instruction::vmxon))) << control;
    }
    bench.state.feature_control = 5;
    bench.state.cr0 &= ~arch::cr0::ne;
    EXPECT_TRUE(is_gp(bench.vmx.vet(Instruction::vmxon)));
}

TEST(Vmxon, ChecksItsPointerAndRevision) {
    VmxBench bench;
    EXPECT_EQ(bench.vmx.vmxon(VmxBench::vmxon_region + 1), invalid);
    EXPECT_EQ(bench.vmx.vmxon(u64{1} << 40 | VmxBench::vmxon_region), invalid);
    bench.memory.write<u32>(PhysicalAddress{VmxBench::vmxon_region}, 0x8000'0012);
    EXPECT_EQ(bench.vmx.vmxon(VmxBench::vmxon_region), invalid);
    EXPECT_FALSE(bench.vmx.in_vmx_operation());
    bench.memory.write<u32>(PhysicalAddress{VmxBench::vmxon_region}, 0x12);
    EXPECT_EQ(bench.vmx.vmxon(VmxBench::vmxon_region), succeed);
    EXPECT_TRUE(bench.vmx.root());
    EXPECT_EQ(bench.vmx.vmxon(VmxBench::vmxon_region), invalid) << "no current VMCS: VMfail is VMfailInvalid";
    bench.make_current();
    EXPECT_EQ(bench.vmx.vmxon(VmxBench::vmxon_region), valid_failure(15));
    EXPECT_EQ(bench.vmx.vmcall(), valid_failure(1));
    EXPECT_EQ(bench.vmx.vmxoff(), succeed);
    EXPECT_FALSE(bench.vmx.in_vmx_operation());
}

TEST(VmcsPointers, FailWithTheirErrorNumbers) {
    VmxBench bench;
    bench.on();
    EXPECT_EQ(bench.vmx.vmptrst(), ~u64{0});
    EXPECT_EQ(bench.vmx.vmclear(VmxBench::vmcs_region + 8), invalid);
    EXPECT_EQ(bench.vmx.vmptrld(VmxBench::vmxon_region), invalid);
    bench.make_current();
    EXPECT_EQ(bench.vmx.vmptrst(), VmxBench::vmcs_region);
    EXPECT_EQ(bench.vmx.vmclear(VmxBench::vmcs_region + 8), valid_failure(2));
    EXPECT_EQ(bench.vmx.vmclear(u64{1} << 39), valid_failure(2));
    EXPECT_EQ(bench.vmx.vmclear(VmxBench::vmxon_region), valid_failure(3));
    EXPECT_EQ(bench.vmx.vmptrld(VmxBench::vmcs_region + 8), valid_failure(9));
    EXPECT_EQ(bench.vmx.vmptrld(VmxBench::vmxon_region), valid_failure(10));
    EXPECT_EQ(bench.vmx.vmptrld(0x8000), valid_failure(11));
    bench.memory.write<u32>(PhysicalAddress{VmxBench::other_region}, 0x8000'0012);
    EXPECT_EQ(bench.vmx.vmptrld(VmxBench::other_region), valid_failure(11)) << "a shadow VMCS without VMCS shadowing";
    EXPECT_EQ(bench.read(0x4400), 11);
    EXPECT_EQ(bench.vmx.vmptrst(), VmxBench::vmcs_region) << "a failed VMPTRLD changes nothing";
    EXPECT_EQ(bench.vmx.vmclear(VmxBench::vmcs_region), succeed);
    EXPECT_EQ(bench.vmx.vmptrst(), ~u64{0});
}

TEST(VmcsFields, AreReachableWithTheirWidthExactlyWhenTheyExist) {
    VmxBench bench;
    bench.make_current();
    for (const auto& field : vmcs_fields) {
        const bool exists = field.exists(bench.vmx.capabilities.params);
        const u64 value = 0xfedc'ba98'7654'3210;
        const auto expected = exists ? succeed : valid_failure(12);
        EXPECT_EQ(bench.vmx.vmwrite(field.encoding, value), expected) << field.name;
        const auto read = bench.vmx.vmread(field.encoding);
        EXPECT_EQ(read.result, expected) << field.name;
        if (!exists) continue;
        const u64 truncated = field.width() == FieldWidth::bits16 ? 0x3210 : field.width() == FieldWidth::bits32 ? 0x7654'3210 : value;
        EXPECT_EQ(read.value, truncated) << field.name;
        const auto high = bench.vmx.vmread(field.encoding + 1U);
        if (field.width() == FieldWidth::bits64) {
            EXPECT_EQ(high.value, 0xfedc'ba98);
            EXPECT_EQ(bench.vmx.vmwrite(field.encoding + 1U, 0xffff'ffff'0000'0001), succeed);
            EXPECT_EQ(bench.read(field.encoding), 0x1'7654'3210);
        } else {
            EXPECT_EQ(high.result, valid_failure(12));
        }
    }
    EXPECT_EQ(bench.vmx.vmread(0xffff'ffff).result, valid_failure(12));
}

TEST(VmcsFields, OfExitInformationAreReadOnlyWithoutTheCapability) {
    VmxBench bench{{.vmwrite_exit_information = false}};
    bench.make_current();
    for (const auto& field : vmcs_fields) {
        if (!field.exists(bench.vmx.capabilities.params)) continue;
        EXPECT_EQ(bench.vmx.vmwrite(field.encoding, 0), field.area() == FieldArea::exit_information ? valid_failure(13) : succeed) << field.name;
        EXPECT_TRUE(bench.vmx.vmread(field.encoding).result.ok());
    }
    bench.vmx.vmclear(VmxBench::vmcs_region);
    EXPECT_EQ(bench.vmx.vmwrite(0x681e, 0), invalid);
    EXPECT_EQ(bench.vmx.vmread(0x681e).result, invalid);
}

TEST(VmcsFields, OfAFreshRegionAreZero) {
    VmxBench bench;
    bench.on();
    bench.vmx.vmclear(VmxBench::vmcs_region);
    bench.vmx.vmptrld(VmxBench::vmcs_region);
    for (const auto& field : vmcs_fields) {
        if (field.exists(bench.vmx.capabilities.params)) {
            EXPECT_EQ(bench.read(field.encoding), 0) << field.name;
        }
    }
}

TEST(Vmcs, LivesInItsRegionAfterVmclear) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x681e, 0x1234'5678'9abc);
    bench.vmx.vmclear(VmxBench::vmcs_region);
    for (u64 offset = 0; offset < page_size; offset += 8)
        bench.memory.write<u64>(PhysicalAddress{VmxBench::other_region + offset}, bench.memory.read<u64>(PhysicalAddress{VmxBench::vmcs_region + offset}));
    EXPECT_EQ(bench.vmx.vmptrld(VmxBench::other_region), succeed);
    EXPECT_EQ(bench.read(0x681e), 0x1234'5678'9abc);
    EXPECT_EQ(bench.read(0x6c16), 0xffff'8000'0000'9999);
}

// More VMCSs than a processor holds decoded: each keeps its own contents and launch state.
TEST(Vmcs, KeepsContentsAndLaunchStateAmongMany) {
    for (const unsigned held : {1U, 2U, 8U}) {
        VmxBench bench{{.active_vmcs = held}};
        constexpr u64 first = 0x100000, count = 20;
        for (u64 i = 0; i < count; ++i) {
            bench.memory.write<u32>(PhysicalAddress{first + i * page_size}, 0x12);
            bench.make_current(first + i * page_size);
            bench.write(0x681c, i);
            if (i % 3 == 0) {
                ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
                bench.vmx.exit(ExitReason::vmcall, {});
            }
        }
        for (u64 i = count; i-- > 0;) {
            ASSERT_EQ(bench.vmx.vmptrld(first + i * page_size), succeed);
            EXPECT_EQ(bench.read(0x681c), i);
            EXPECT_EQ(bench.launch().result, i % 3 == 0 ? valid_failure(4) : succeed);
            if (i % 3 != 0) bench.vmx.exit(ExitReason::vmcall, {});
            EXPECT_EQ(bench.resume().kind, EntryResult::Kind::entered);
            bench.vmx.exit(ExitReason::vmcall, {});
        }
        bench.vmx.vmclear(first);
        bench.vmx.vmptrld(first);
        EXPECT_EQ(bench.resume().result, valid_failure(5)) << "VMCLEAR makes the launch state clear";
    }
}

TEST(Invept, AcceptsItsTypesAndValidEptps) {
    VmxBench bench;
    bench.make_current();
    EXPECT_EQ(bench.vmx.invept(0, 0x1e).result, valid_failure(28));
    EXPECT_EQ(bench.vmx.invept(1, 0x501e).result, succeed);
    EXPECT_EQ(bench.vmx.invept(1, 0x5000).result, valid_failure(28));
    EXPECT_EQ(bench.vmx.invept(2, 0xbad).result, succeed);
    EXPECT_EQ(bench.vmx.invept(3, 0x1e).result, valid_failure(28));
    EXPECT_EQ(bench.vmx.invept(u64{1} << 32 | 1, 0x1e).result, valid_failure(28));
}

TEST(Invvpid, FollowsTheRulesOfItsDescriptor) {
    VmxBench bench;
    bench.make_current();
    for (u64 type = 0; type < 300; ++type)
        for (const u64 vpid : {u64{0}, u64{1}, u64{0xffff}, u64{0x10000}, u64{1} << 63})
            for (const u64 linear : {u64{0x1000}, u64{0xaaaa'aaaa'aaaa'aaaa}}) {
                const bool good = type <= 3 && vpid <= 0xffff && (type == 2 || vpid != 0) && (type != 0 || linear == 0x1000);
                const auto what = bench.vmx.invvpid(type, vpid, linear);
                EXPECT_EQ(what.result, good ? succeed : valid_failure(28)) << type << " " << vpid;
                if (good) {
                    EXPECT_EQ(what.type, type);
                    EXPECT_EQ(what.vpid, vpid);
                }
            }
}

TEST(Reset, LeavesVmxOperationWithoutWritingRegions) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x681e, 0x777);
    bench.vmx.reset();
    EXPECT_FALSE(bench.vmx.in_vmx_operation());
    EXPECT_EQ(bench.vmx.vmptrst(), ~u64{0});
    EXPECT_TRUE(bench.vmx.describe().empty());
}

}  // namespace vtsim::vmx::test
