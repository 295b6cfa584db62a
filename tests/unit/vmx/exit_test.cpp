// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/vmx/vmx_bench.h"

namespace vtsim::vmx::test {

namespace {

using arch::Segment;

// Every register that a transition touches gets a value of its own, so that a field in the wrong place shows.
void scramble_guest(VmxBench& bench) {
    auto& s = bench.state;
    s.cr0 |= arch::cr0::ts | arch::cr0::am;
    s.cr3 = 0x7'1000;
    s.cr4 |= arch::cr4::pge;
    s.gpr[arch::rsp] = 0x1111'0000;
    s.rip = 0x2222'0000;
    s.write_rflags(0x246);
    for (unsigned i = 0; i < arch::segment_count; ++i) {
        s.segment[i].selector = static_cast<u16>(0x100 + 8 * i);
        s.segment[i].base = 0x10'0000U * (i + 1);
        s.segment[i].limit = 0xf0'000fffU + (i << 16);
        s.segment[i].rights = 0xc093;
    }
    s.segment[arch::cs].rights = 0xa09b;
    s.gdtr = {0xaaaa'0000, 0x123};
    s.idtr = {0xbbbb'0000, 0x456};
    s.sysenter_cs = 0x10;
    s.sysenter_esp = 0xcccc'0000;
    s.sysenter_eip = 0xdddd'0000;
    s.dr[7] = 0x455;
    s.debugctl = 2;
    s.pat = 0x0606'0606'0606'0606;
}

}  // namespace

TEST(VmExit, SavesTheGuestAndLoadsTheHost) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x400c, 1 << 2 | 1 << 18 | 1 << 20);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    scramble_guest(bench);
    const arch::State guest = bench.state;
    const auto result = bench.vmx.exit(ExitReason::cpuid, {.qualification = 5, .guest_linear = 6, .guest_physical = 7, .instruction_length = 2, .instruction_information = 8});
    EXPECT_EQ(result.abort, 0);
    EXPECT_TRUE(result.flush_vpid0);

    EXPECT_EQ(bench.read(0x4402), 10);
    EXPECT_EQ(bench.read(0x6400), 5);
    EXPECT_EQ(bench.read(0x640a), 6);
    EXPECT_EQ(bench.read(0x2400), 7);
    EXPECT_EQ(bench.read(0x440c), 2);
    EXPECT_EQ(bench.read(0x440e), 8);
    EXPECT_EQ(bench.read(0x6800), guest.cr0);
    EXPECT_EQ(bench.read(0x6802), guest.cr3);
    EXPECT_EQ(bench.read(0x6804), guest.cr4);
    EXPECT_EQ(bench.read(0x681c), 0x1111'0000);
    EXPECT_EQ(bench.read(0x681e), 0x2222'0000);
    EXPECT_EQ(bench.read(0x6820), 0x246);
    for (unsigned i = 0; i < arch::segment_count; ++i) {
        EXPECT_EQ(bench.read(0x800 + 2 * i), guest.segment[i].selector);
        EXPECT_EQ(bench.read(0x6806 + 2 * i), guest.segment[i].base);
        EXPECT_EQ(bench.read(0x4800 + 2 * i), guest.segment[i].limit);
        EXPECT_EQ(bench.read(0x4814 + 2 * i), guest.segment[i].rights);
    }
    EXPECT_EQ(bench.read(0x6816), 0xaaaa'0000);
    EXPECT_EQ(bench.read(0x4810), 0x123);
    EXPECT_EQ(bench.read(0x6818), 0xbbbb'0000);
    EXPECT_EQ(bench.read(0x4812), 0x456);
    EXPECT_EQ(bench.read(0x482a), 0x10);
    EXPECT_EQ(bench.read(0x6824), 0xcccc'0000);
    EXPECT_EQ(bench.read(0x6826), 0xdddd'0000);
    EXPECT_EQ(bench.read(0x681a), 0x455);
    EXPECT_EQ(bench.read(0x2802), 2);
    EXPECT_EQ(bench.read(0x2804), 0x0606'0606'0606'0606);
    EXPECT_EQ(bench.read(0x2806), guest.efer);

    const auto& s = bench.state;
    EXPECT_EQ(s.cr0, 0x80010031);
    EXPECT_EQ(s.cr3, 0x5000);
    EXPECT_EQ(s.cr4, 0x2020);
    EXPECT_EQ(s.gpr[arch::rsp], 0x8888);
    EXPECT_EQ(s.rip, 0xffff'8000'0000'9999);
    EXPECT_EQ(s.read_rflags(), 2);
    EXPECT_EQ(s.dr[7], 0x400);
    EXPECT_EQ(s.debugctl, 0);
    EXPECT_EQ(s.sysenter_esp, 0x6666);
    EXPECT_EQ(s.sysenter_eip, 0x7777);
    EXPECT_EQ(s.segment[arch::cs].selector, 8);
    EXPECT_EQ(s.segment[arch::cs].rights, 0xa09b);
    EXPECT_EQ(s.segment[arch::cs].limit, 0xffff'ffff);
    EXPECT_EQ(s.segment[arch::ss].rights, 0xc093);
    EXPECT_TRUE(s.segment[arch::ds].unusable());
    EXPECT_TRUE(s.segment[arch::ldtr].unusable());
    EXPECT_EQ(s.segment[arch::fs].base, 0x1111);
    EXPECT_EQ(s.segment[arch::gs].base, 0x2222);
    EXPECT_EQ(s.segment[arch::tr].base, 0x3333);
    EXPECT_EQ(s.segment[arch::tr].limit, 0x67);
    EXPECT_EQ(s.segment[arch::tr].rights, 0x8b);
    EXPECT_EQ(s.gdtr.base, 0x4444);
    EXPECT_EQ(s.gdtr.limit, 0xffff);
    EXPECT_EQ(s.idtr.base, 0x5555);
    EXPECT_EQ(s.cpl, 0);
    EXPECT_FALSE(bench.vmx.non_root());
    EXPECT_EQ(bench.vmx.stats.exits[ExitReason::cpuid], 1);
    EXPECT_EQ(static_cast<const stats::Counter&>(*dynamic_cast<const stats::Counter*>(bench.root.find("vmx.exits.cpuid"))), 1);
}

TEST(VmEntry, GivesTheGuestBackWhatTheExitSaved) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x400c, 1 << 2 | 1 << 18 | 1 << 20);
    bench.set(0x4012, 1 << 2 | 1 << 14 | 1 << 15);
    bench.write(0x2806, 0xd01);
    bench.write(0x2804, 0x0606'0606'0606'0606);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    auto& s = bench.state;
    EXPECT_EQ(s.efer, 0xd01);
    s.gpr[arch::rsp] = 0x1234;
    s.rip = 0x5678;
    s.write_rflags(0x203);
    s.cr4 |= arch::cr4::pge;
    s.cr0 |= arch::cr0::ts;
    s.segment[arch::fs] = {.base = 0xffff'8000'0000'0000, .limit = 7, .rights = Segment::unusable_bit, .selector = 0};
    s.segment[arch::gs].base = 0xffff'8888'0000'0000;
    s.dr[7] = 0x4aa;
    const auto before = s;
    bench.vmx.exit(ExitReason::hlt, {.instruction_length = 1});
    ASSERT_EQ(bench.resume().kind, EntryResult::Kind::entered);
    EXPECT_EQ(s.gpr, before.gpr);
    EXPECT_EQ(s.rip, before.rip);
    EXPECT_EQ(s.read_rflags(), before.read_rflags());
    EXPECT_EQ(s.cr0, before.cr0);
    EXPECT_EQ(s.cr3, before.cr3);
    EXPECT_EQ(s.cr4, before.cr4);
    EXPECT_EQ(s.efer, before.efer);
    EXPECT_EQ(s.pat, before.pat);
    EXPECT_EQ(s.dr, before.dr);
    for (unsigned i = 0; i < arch::segment_count; ++i) {
        EXPECT_EQ(s.segment[i].selector, before.segment[i].selector);
        EXPECT_EQ(s.segment[i].base, before.segment[i].base);
        EXPECT_EQ(s.segment[i].limit, before.segment[i].limit);
        EXPECT_EQ(s.segment[i].rights, before.segment[i].rights);
    }
    EXPECT_EQ(bench.vmx.stats.entries, 2);
}

TEST(VmEntry, LeavesTheUnloadedBitsOfCr0Alone) {
    VmxBench bench;
    bench.make_current();
    bench.state.cr0 |= arch::cr0::cd;
    bench.write(0x6800, 0x8001'0021 | arch::cr0::nw);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_EQ(bench.state.cr0, 0x8001'0031 | arch::cr0::cd);
}

TEST(VmEntry, SetsEferFromTheControlWithoutLoadEfer) {
    VmxBench bench;
    bench.make_current();
    bench.clear(0x4012, 1 << 9);
    bench.write(0x4816, 0xc09b);
    bench.clear(0x6804, 0x20);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_EQ(bench.state.efer, arch::efer::sce | arch::efer::nxe) << "LMA and LME cleared, the others kept";
    EXPECT_FALSE(bench.state.code64());
    bench.vmx.exit(ExitReason::hlt, {});
    EXPECT_EQ(bench.state.efer, arch::efer::sce | arch::efer::nxe | arch::efer::lma | arch::efer::lme);
}

TEST(VmExit, StoresEferLmaInTheEntryControl) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x401e, 1 << 1 | 1 << 7);
    bench.write(0x201a, 0x1e);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    bench.state.cr0 &= ~arch::cr0::pg;                  // the guest leaves IA-32e mode by itself
    bench.state.efer &= ~arch::efer::lma;
    bench.state.segment[arch::cs].rights = 0xc09b;
    bench.vmx.exit(ExitReason::hlt, {});
    EXPECT_EQ(bench.read(0x4012) & (1 << 9), 0);
    EXPECT_EQ(bench.resume().kind, EntryResult::Kind::entered) << bench.vmx.last_failed_check();
    EXPECT_FALSE(bench.state.long_mode_active());
}

TEST(EventInjection, AsksForTheEventAndClearsBlocking) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x4016, 0x8000'0b0e);
    bench.write(0x4018, 5);
    bench.write(0x4826, 0);
    bench.write(0x4824, 2);
    auto result = bench.launch();
    ASSERT_EQ(result.kind, EntryResult::Kind::entered) << bench.vmx.last_failed_check();
    EXPECT_TRUE(result.injection.valid);
    EXPECT_EQ(result.injection.type, EventType::hardware_exception);
    EXPECT_EQ(result.injection.vector, 14);
    EXPECT_TRUE(result.injection.deliver_error_code);
    EXPECT_EQ(result.injection.error_code, 5);
    EXPECT_FALSE(bench.state.blocked_by_mov_ss);
    bench.vmx.exit(ExitReason::ept_violation, {.idt_vectoring_information = 0x8000'0b0e, .idt_vectoring_error_code = 5});
    EXPECT_EQ(bench.read(0x4016), 0x0000'0b0e) << "every exit clears the valid bit";
    EXPECT_EQ(bench.read(0x4408), 0x8000'0b0e);
    EXPECT_EQ(bench.read(0x440a), 5);
    EXPECT_FALSE(bench.resume().injection.valid);
}

TEST(EventInjection, OfAPendingMtfExitDeliversNothing) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x4016, 0x8000'0700);
    bench.write(0x4826, 1);
    const auto result = bench.launch();
    ASSERT_EQ(result.kind, EntryResult::Kind::entered);
    EXPECT_FALSE(result.injection.valid);
    EXPECT_TRUE(result.pending_mtf);
    EXPECT_EQ(bench.state.activity, arch::Activity::hlt);
}

TEST(EventInjection, WithMonitorTrapFlagLeavesAnMtfExitPending) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x4002, 1 << 27);
    EXPECT_FALSE(bench.launch().pending_mtf);
    bench.vmx.exit(ExitReason::monitor_trap_flag, {});
    bench.write(0x4016, 0x8000'0306);
    EXPECT_TRUE(bench.resume().pending_mtf);
}

TEST(EventInjection, OfAnNmiBlocksNmisOfTheRightKind) {
    for (const u64 pin : {0, 0x28}) {
        VmxBench bench;
        bench.make_current();
        bench.set(0x4000, pin);
        bench.write(0x4016, 0x8000'0202);
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
        EXPECT_EQ(bench.state.blocked_by_nmi, pin == 0);
        EXPECT_EQ(bench.vmx.virtual_nmi_blocking, pin != 0);
        bench.vmx.exit(ExitReason::hlt, {});
        EXPECT_EQ(bench.read(0x4824), 8);
        EXPECT_FALSE(bench.vmx.virtual_nmi_blocking);
        EXPECT_EQ(bench.state.blocked_by_nmi, pin == 0) << "an exit that no NMI caused leaves blocking as it is";
    }
}

TEST(VmExit, ByAnNmiBlocksNmis) {
    VmxBench bench;
    bench.make_current();
    bench.set(0x4000, 8);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    bench.vmx.exit(ExitReason::exception_or_nmi, {.interruption_information = interruption::encode(EventType::nmi, 2)});
    EXPECT_EQ(bench.read(0x4404), 0x8000'0202);
    EXPECT_EQ(bench.read(0x4824), 0) << "blocking begins after the exit";
    EXPECT_TRUE(bench.state.blocked_by_nmi);
}

TEST(VmExit, SavesBlockingActivityAndPendingDebugExceptions) {
    struct Row {
        ExitReason reason;
        bool mov_ss;
        u64 saved;
    };
    for (const auto& row : {Row{ExitReason::cpuid, false, 0}, Row{ExitReason::cpuid, true, 0x4000}, Row{ExitReason::init, false, 0x4000}, Row{ExitReason::monitor_trap_flag, false, 0x4000},
                            Row{ExitReason::tpr_below_threshold, false, 0x4000}, Row{ExitReason::external_interrupt, false, 0}}) {
        VmxBench bench;
        bench.make_current();
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
        bench.state.pending_debug = 0x4000;
        bench.state.blocked_by_mov_ss = row.mov_ss;
        bench.state.blocked_by_sti = !row.mov_ss;
        bench.state.activity = row.mov_ss ? arch::Activity::active : arch::Activity::shutdown;
        bench.vmx.exit(row.reason, {});
        EXPECT_EQ(bench.read(0x6822), row.saved) << name_of(row.reason);
        EXPECT_EQ(bench.read(0x4824), row.mov_ss ? 2 : 1);
        EXPECT_EQ(bench.read(0x4826), row.mov_ss ? 0 : 2);
        EXPECT_EQ(bench.state.activity, arch::Activity::active);
        EXPECT_FALSE(bench.state.blocked_by_mov_ss || bench.state.blocked_by_sti);
        EXPECT_EQ(bench.state.pending_debug, 0);
    }
}

TEST(PendingDebugExceptions, SurviveEntryUnlessAnEventReplacesThem) {
    struct Row {
        u64 injection, interruptibility, activity;
        bool kept;
    };
    for (const auto& row : {Row{0, 0, 0, true}, Row{0x8000'0306, 0, 0, false}, Row{0x8000'0202, 0, 0, false}, Row{0x8000'0480, 0, 0, false}, Row{0x8000'0480, 2, 0, true},
                            Row{0, 0, 2, false}, Row{0x8000'0700, 0, 0, true}}) {
        VmxBench bench;
        bench.make_current();
        bench.write(0x6820, 0x102);
        bench.write(0x6822, 0x4000);
        bench.write(0x4016, row.injection);
        bench.write(0x401a, 2);
        bench.write(0x4824, row.interruptibility);
        bench.write(0x4826, row.activity);
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered) << bench.vmx.last_failed_check();
        EXPECT_EQ(bench.state.pending_debug, row.kept ? 0x4000 : 0) << std::hex << row.injection;
    }
}

TEST(ResumeFlag, IsSavedAsTheCauseDemands) {
    VmxBench bench;
    bench.make_current();
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    for (const bool keep : {false, true})
        for (const bool value : {false, true}) {
            bench.state.write_rflags(0x10002);
            bench.vmx.exit(ExitReason::hlt, {.resume_flag = value, .keep_resume_flag = keep});
            EXPECT_EQ(bench.read(0x6820), keep || value ? 0x10002 : 2);
            ASSERT_EQ(bench.resume().kind, EntryResult::Kind::entered);
        }
}

TEST(PreemptionTimer, CountsChangesOfItsTscBit) {
    for (const u64 start : {u64{0}, u64{31}, u64{1000}}) {
        VmxBench bench;
        bench.make_current();
        bench.set(0x4000, 1 << 6);
        bench.set(0x400c, 1 << 22);
        bench.write(0x482e, 10);
        bench.environment.clock = start;
        const u64 deadline = bench.launch().timer_deadline;
        u64 ticks = 0, now = start;
        for (; ticks < 10; ++now) ticks += (now >> 5 & 1) != ((now + 1) >> 5 & 1) ? 1U : 0U;
        EXPECT_EQ(deadline, now);
        bench.environment.clock = start + 64;
        bench.vmx.exit(ExitReason::hlt, {});
        EXPECT_EQ(bench.read(0x482e), 8);
        bench.resume();
        bench.environment.clock = start + 100000;
        bench.vmx.exit(ExitReason::preemption_timer, {});
        EXPECT_EQ(bench.read(0x482e), 0);
    }
}

TEST(MsrLists, AreStoredAndLoadedInOrder) {
    VmxBench bench;
    bench.make_current();
    bench.environment.msrs = {{0x10, 100}, {0x1d9, 200}, {0xc000'0102, 300}};
    const auto put = [&](u64 slot, u64 index, u64 data) {
        bench.memory.write<u64>(PhysicalAddress{VmxBench::msr_area + 16 * slot}, index);
        bench.memory.write<u64>(PhysicalAddress{VmxBench::msr_area + 16 * slot + 8}, data);
    };
    put(0, 0x10, 11);                                    // entry load
    put(1, 0xc000'0102, 12);
    put(4, 0xc000'0102, 0);                              // exit store
    put(5, 0x10, 0);
    put(8, 0xc000'0102, 33);                             // exit load
    bench.write(0x200a, VmxBench::msr_area);
    bench.write(0x4014, 2);
    bench.write(0x2006, VmxBench::msr_area + 64);
    bench.write(0x400e, 2);
    bench.write(0x2008, VmxBench::msr_area + 128);
    bench.write(0x4010, 1);
    EXPECT_EQ(bench.vmx.entry_msr_entries(), 2);
    EXPECT_EQ(bench.vmx.exit_msr_entries(), 3);
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    EXPECT_EQ(bench.environment.msrs[0x10], 11);
    EXPECT_EQ(bench.environment.msrs[0xc000'0102], 12);
    bench.environment.msrs[0xc000'0102] = 22;
    EXPECT_EQ(bench.vmx.exit(ExitReason::hlt, {}).abort, 0);
    EXPECT_EQ(bench.memory.read<u64>(PhysicalAddress{VmxBench::msr_area + 72}), 22);
    EXPECT_EQ(bench.memory.read<u64>(PhysicalAddress{VmxBench::msr_area + 88}), 11);
    EXPECT_EQ(bench.environment.msrs[0xc000'0102], 33);
}

TEST(VmxAbort, LeavesItsIndicatorInTheRegion) {
    const auto indicator = [](VmxBench& bench) { return bench.memory.read<u32>(PhysicalAddress{VmxBench::vmcs_region + 4}); };
    for (const auto& [address, count, expected] : {std::tuple{0x2006, 0x400e, 1U}, {0x2008, 0x4010, 4U}}) {
        VmxBench bench;
        bench.make_current();
        bench.write(static_cast<u64>(address), VmxBench::msr_area);
        bench.write(static_cast<u64>(count), 1);
        bench.memory.write<u32>(PhysicalAddress{VmxBench::msr_area}, 0x808);
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
        EXPECT_EQ(bench.vmx.exit(ExitReason::hlt, {}).abort, expected);
        EXPECT_EQ(indicator(bench), expected);
    }
}

TEST(PaeGuest, GetsItsPdptesFromTheFieldsWithEptAndBack) {
    VmxBench bench;
    bench.make_current();
    bench.clear(0x4012, 1 << 9);
    bench.write(0x4816, 0xc09b);
    bench.set(0x401e, 2);
    bench.write(0x201a, 0x1e);
    for (u64 i = 0; i < 4; ++i) bench.write(0x280a + 2 * i, 0x1001 * (i + 1) & ~u64{6});
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered) << bench.vmx.last_failed_check();
    for (u64 i = 0; i < 4; ++i) EXPECT_EQ(bench.state.pdpte[i], 0x1001 * (i + 1) & ~u64{6});
    bench.state.pdpte[2] = 0x9001;
    bench.vmx.exit(ExitReason::hlt, {});
    EXPECT_EQ(bench.read(0x280e), 0x9001);
}

TEST(Description, NamesEveryFieldThatExists) {
    VmxBench bench;
    bench.make_current();
    bench.write(0x6802, u64{1} << 50);
    bench.launch();
    const auto text = bench.vmx.describe();
    EXPECT_NE(text.find("guest.cr3.reserved"), std::string::npos);
    for (const auto& field : vmcs_fields) EXPECT_EQ(text.find(field.name) != std::string::npos, field.exists(bench.vmx.capabilities.params)) << field.name;
}

// The formats of "Information for VM Exits Due to Instruction Execution", encoded by hand.
TEST(InstructionInformation, HasTheFormatOfTheInstruction) {
    const OperandInfo memory{.scaling = 2, .address_size = 2, .reg2 = 9, .segment = arch::gs, .base = 3, .index = 12, .base_valid = true, .index_valid = true, .operand_size = 1, .identity = 3};
    constexpr u32 common = 2 | 2 << 7 | 5 << 15 | 12 << 18 | 3 << 23;
    EXPECT_EQ(instruction_information(InformationFormat::b, memory), common | 9U << 28);
    EXPECT_EQ(instruction_information(InformationFormat::c, memory), common | 1U << 11 | 3U << 28);
    EXPECT_EQ(instruction_information(InformationFormat::d, memory), common);
    EXPECT_EQ(instruction_information(InformationFormat::e, memory), common | 9U << 28);
    EXPECT_EQ(instruction_information(InformationFormat::f, memory), common | 3U << 28);
    EXPECT_EQ(instruction_information(InformationFormat::a, {.address_size = 1, .segment = arch::es}), 1U << 7);
    EXPECT_EQ(instruction_information(InformationFormat::e, {.is_register = true, .reg1 = 11, .reg2 = 4}), 1U << 10 | 11U << 3 | 4U << 28);
    EXPECT_EQ(instruction_information(InformationFormat::g, {.reg1 = 7, .operand_size = 2}), 7U << 3 | 2U << 11);
    EXPECT_EQ(instruction_information(InformationFormat::none, memory), 0);
    EXPECT_EQ(instruction_information(InformationFormat::d, {.segment = arch::ds}), 2U << 7 | 3U << 15 | 1U << 22 | 1U << 27);
}

TEST(Qualifications, HaveTheirFormats) {
    EXPECT_EQ(cr_access_qualification(3, 1, 0), 0x13);
    EXPECT_EQ(mov_dr_qualification(7, true, 9), 0x917);
    EXPECT_EQ(io_qualification(0x3f8, 4, true, true, true, false), 0x03f8'003b);
    EXPECT_EQ(task_switch_qualification(0x28, TaskSwitchSource::task_gate), 0xc000'0028);
}

}  // namespace vtsim::vmx::test
