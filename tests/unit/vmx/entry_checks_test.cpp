// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>

#include "unit/vmx/vmx_bench.h"
#include "vmx/entry/entry_check.h"

// Each rule of VM entry, broken alone in a VMCS that is valid otherwise.
namespace vtsim::vmx::test {

namespace {

constexpr u64 primary = 0x4002, secondary = 0x401e, pin = 0x4000, exit_controls = 0x400c, entry_controls = 0x4012, injection = 0x4016;
constexpr u64 too_wide = u64{1} << 45, not_canonical = 0x0000'8000'0000'0000;

VmxParams everything() {
    VmxParams params;
    params.virtualize_apic_accesses = params.virtualize_x2apic = params.apic_register_virtualization = params.virtual_interrupt_delivery = params.posted_interrupts = true;
    params.vm_functions = params.vmcs_shadowing = params.pml = params.ept_violation_ve = params.mode_based_execute = params.tsc_scaling = params.perf_global_ctrl_controls = true;
    return params;
}

using Break = std::function<void(VmxBench&)>;
struct Case {
    std::string id;
    Break breaks;
    VmxParams params = everything();
    std::set<std::string> also{};          // rules that no such VMCS can keep
};

Break write(u64 encoding, u64 value) {
    return [=](VmxBench& bench) { bench.write(encoding, value); };
}
Break set(u64 encoding, u64 bits) {
    return [=](VmxBench& bench) { bench.set(encoding, bits); };
}
Break clear(u64 encoding, u64 bits) {
    return [=](VmxBench& bench) { bench.clear(encoding, bits); };
}
Break all(std::vector<Break> steps) {
    return [=](VmxBench& bench) {
        for (const auto& step : steps) step(bench);
    };
}
Break rights(unsigned segment, u64 value) { return write(0x4814 + 2 * segment, value); }
Break limit(unsigned segment, u64 value) { return write(0x4800 + 2 * segment, value); }

const Break with_ept = all({set(secondary, 2), write(0x201a, 0x1e)});
const Break with_tpr_shadow = all({set(primary, 1 << 21), write(0x2012, VmxBench::virtual_apic)});
const Break with_vid = all({with_tpr_shadow, set(secondary, 1 << 9), set(pin, 1)});
const Break with_posted = all({with_vid, set(pin, 1 << 7), set(exit_controls, 1 << 15)});
const Break unrestricted = all({with_ept, set(secondary, 1 << 7)});
// A guest outside IA-32e mode, in 32-bit protected mode with paging.
const Break legacy_guest = all({clear(entry_controls, 1 << 9), rights(arch::cs, 0xc09b), clear(0x6804, 0x20)});
const Break v86_guest = all({legacy_guest, write(0x6820, 0x20002), [](VmxBench& bench) {
                                 for (unsigned i = 0; i < 6; ++i) {
                                     bench.write(0x4814 + 2 * i, 0xf3);
                                     bench.write(0x4800 + 2 * i, 0xffff);
                                     bench.write(0x6806 + 2 * i, bench.read(0x800 + 2 * i) << 4);
                                 }
                             }});
const Break link = [](VmxBench& bench) { bench.write(0x2800, VmxBench::other_region); };

std::vector<Case> control_cases() {
    return {
        {"ctl.pin.reserved", set(pin, 1 << 8)},
        {"ctl.proc1.reserved", set(primary, 1)},
        {"ctl.proc2.reserved", set(secondary, 1U << 31)},
        {"ctl.cr3-target-count", write(0x400a, 5)},
        {"ctl.io-bitmap-a", all({set(primary, 1 << 25), write(0x2000, 1)})},
        {"ctl.io-bitmap-b", all({set(primary, 1 << 25), write(0x2002, too_wide)})},
        {"ctl.msr-bitmap", all({set(primary, 1 << 28), write(0x2004, 0x800)})},
        {"ctl.tpr-shadow.vapic-addr", all({with_tpr_shadow, write(0x2012, VmxBench::virtual_apic + 8)})},
        {"ctl.tpr-shadow.threshold-reserved", all({with_tpr_shadow, write(0x401c, 0x10)})},
        {"ctl.tpr-shadow.threshold-vtpr", all({with_tpr_shadow, write(0x401c, 6), [](VmxBench& bench) { bench.memory.write<u32>(PhysicalAddress{VmxBench::virtual_apic + 0x80}, 0x5f); }})},
        {"ctl.tpr-shadow.required", set(secondary, 1 << 8)},
        {"ctl.nmi.virtual-needs-exiting", set(pin, 1 << 5)},
        {"ctl.nmi.window-needs-virtual", set(primary, 1 << 22)},
        {"ctl.apic-access-addr", all({set(secondary, 1), write(0x2014, 0x10)})},
        {"ctl.x2apic-vs-xapic", all({with_tpr_shadow, set(secondary, 1 | 1 << 4)})},
        {"ctl.vid.extint", all({with_vid, clear(pin, 1)})},
        {"ctl.pi.vid", all({with_posted, clear(secondary, 1 << 9)})},
        {"ctl.pi.ack", all({with_posted, clear(exit_controls, 1 << 15)})},
        {"ctl.pi.vector", all({with_posted, write(0x0002, 0x100)})},
        {"ctl.pi.desc", all({with_posted, write(0x2016, 0x20)})},
        {"ctl.vpid.nonzero", set(secondary, 1 << 5)},
        {"ctl.ept.memtype", all({with_ept, write(0x201a, 0x1c)})},
        {"ctl.ept.walk", all({with_ept, write(0x201a, 0x26)})},
        {"ctl.ept.ad", all({with_ept, write(0x201a, 0x5e)}), [] { VmxParams p; p.ept_accessed_dirty = false; return p; }()},
        {"ctl.ept.sss", all({with_ept, write(0x201a, 0x9e)})},
        {"ctl.ept.reserved", all({with_ept, write(0x201a, 0x81e)})},
        {"ctl.ept.addr", all({with_ept, write(0x201a, too_wide | 0x1e)})},
        {"ctl.ept.required", set(secondary, 1 << 7)},
        {"ctl.pml.addr", all({with_ept, set(secondary, 1 << 17), write(0x200e, 4)})},
        {"ctl.vmfunc.reserved", all({with_ept, set(secondary, 1 << 13), write(0x2018, 2)})},
        {"ctl.vmfunc.eptp-switch", all({set(secondary, 1 << 13), write(0x2018, 1)})},
        {"ctl.shadow.bitmaps", all({set(secondary, 1 << 14), write(0x2028, 1)})},
        {"ctl.ve.info", all({set(secondary, 1 << 18), write(0x202a, 1)})},
        {"ctl.tsc.multiplier", set(secondary, 1 << 25)},
        {"ctl.exit.reserved", set(exit_controls, 1U << 31)},
        {"ctl.exit.save-timer", set(exit_controls, 1 << 22)},
        {"ctl.exit.msr-store", all({write(0x400e, 1), write(0x2006, 8)})},
        {"ctl.exit.msr-load", all({write(0x4010, 2), write(0x2008, (u64{1} << 39) - 16)})},
        {"ctl.entry.reserved", set(entry_controls, 1U << 31)},
        {"ctl.entry.msr-load", all({write(0x4014, 1), write(0x200a, too_wide)})},
        {"ctl.entry.smm", set(entry_controls, 1 << 10), everything(), {"ctl.entry.reserved"}},
        {"ctl.inject.type", write(injection, 0x8000'0100)},
        {"ctl.inject.vector-nmi", write(injection, 0x8000'0203)},
        {"ctl.inject.vector-hw", write(injection, 0x8000'0320)},
        {"ctl.inject.vector-other", write(injection, 0x8000'0701)},
        {"ctl.inject.errcode-required", write(injection, 0x8000'030d)},
        {"ctl.inject.errcode-forbidden", write(injection, 0x8000'0b06)},
        {"ctl.inject.nested", write(injection, 0x8000'2b0d)},
        {"ctl.inject.reserved", write(injection, 0x8000'1b0d)},
        {"ctl.inject.errcode-high", all({write(injection, 0x8000'0b0d), write(0x4018, 0x10000)})},
        {"ctl.inject.ilen", write(injection, 0x8000'0403)},
    };
}

std::vector<Case> host_cases() {
    const Break legacy_host = all({clear(exit_controls, 1 << 9), legacy_guest, write(0x6c16, 0x1000), [](VmxBench& bench) { bench.state.efer = 0; }});
    return {
        {"host.cr0.fixed", clear(0x6c00, 0x20)},
        {"host.cr4.fixed", clear(0x6c04, 0x2000)},
        {"host.cr3.reserved", write(0x6c02, too_wide)},
        {"host.sysenter", write(0x6c12, not_canonical)},
        {"host.perf-global", all({set(exit_controls, 1 << 12), write(0x2c04, 1)})},
        {"host.pat", all({set(exit_controls, 1 << 19), write(0x2c00, 0x0002'0000)})},
        {"host.efer.reserved", all({set(exit_controls, 1 << 21), write(0x2c02, 0x2500)})},
        {"host.efer.lma-lme", all({set(exit_controls, 1 << 21), write(0x2c02, 0x100)})},
        {"host.sel.rpl-ti", write(0x0c00, 4)},
        {"host.sel.cs-nonnull", write(0x0c02, 0)},
        {"host.sel.tr-nonnull", write(0x0c0c, 0)},
        {"host.sel.ss-nonnull", all({legacy_host, write(0x0c04, 0)})},
        {"host.base.canonical", write(0x6c0e, not_canonical)},
        {"host.size.legacy-now", [](VmxBench& bench) { bench.state.efer = 0; }},
        {"host.size.long-now", all({legacy_host, [](VmxBench& bench) { bench.state.efer = arch::efer::lma | arch::efer::lme; }})},
        {"host.size.hass0", all({legacy_host, set(0x6c04, 1 << 17)})},
        {"host.size.hass1", write(0x6c16, not_canonical)},
    };
}

std::vector<Case> guest_register_cases() {
    return {
        {"guest.cr0.fixed", clear(0x6800, 0x20)},
        {"guest.cr0.pg-pe", all({unrestricted, legacy_guest, clear(0x6800, 1)})},
        {"guest.cr4.fixed", set(0x6804, u64{1} << 31)},
        {"guest.debugctl", all({set(entry_controls, 4), write(0x2802, 4)})},
        {"guest.ia32e.paging", clear(0x6804, 0x20)},
        {"guest.cr4.pcide", all({legacy_guest, set(0x6804, 1 << 17)})},
        {"guest.cr3.reserved", write(0x6802, too_wide)},
        {"guest.dr7", all({set(entry_controls, 4), write(0x681a, u64{1} << 32)})},
        {"guest.sysenter", write(0x6824, not_canonical)},
        {"guest.perf-global", all({set(entry_controls, 1 << 13), write(0x2808, 2)})},
        {"guest.pat", all({set(entry_controls, 1 << 14), write(0x2804, 0x0800)})},
        {"guest.efer.reserved", all({set(entry_controls, 1 << 15), write(0x2806, 0x502)})},
        {"guest.efer.lma", all({set(entry_controls, 1 << 15), write(0x2806, 0x100)})},
        {"guest.gdtr.base", write(0x6816, not_canonical)},
        {"guest.idtr.base", write(0x6818, not_canonical)},
        {"guest.gdtr.limit", write(0x4810, 0x10000)},
        {"guest.idtr.limit", write(0x4812, 0x10000)},
        {"guest.rip.high", all({legacy_guest, write(0x681e, u64{1} << 32)})},
        {"guest.rip.width", write(0x681e, u64{1} << 48)},
        {"guest.rflags.reserved", write(0x6820, 0)},
        {"guest.rflags.vm", write(0x6820, 0x20002), everything(), {"guest.v86.base", "guest.v86.limit", "guest.v86.ar"}},
        {"guest.rflags.if", write(injection, 0x8000'0020)},
        {"guest.pdpte.memory", all({legacy_guest, set(0x6804, 0x20), [](VmxBench& bench) { bench.memory.write<u64>(PhysicalAddress{0x6008}, 3); }})},
        {"guest.pdpte.fields", all({legacy_guest, with_ept, set(0x6804, 0x20), write(0x2810, too_wide | 1)})},
    };
}

std::vector<Case> guest_segment_cases() {
    using namespace arch;
    return {
        {"guest.tr.sel-ti", write(0x080e, 0x1c)},
        {"guest.ldtr.sel-ti", all({write(0x080c, 4), rights(ldtr, 0x82)})},
        {"guest.ss.rpl-cs", all({write(0x0802, 9), write(0x0806, 0)})},
        {"guest.v86.base", all({v86_guest, write(0x6806, 0x123)})},
        {"guest.base.canonical", write(0x680e, not_canonical)},
        {"guest.base.cs-high", write(0x6808, u64{1} << 32)},
        {"guest.base.ds-high", write(0x680c, u64{1} << 32)},
        {"guest.v86.limit", all({v86_guest, limit(gs, 0xfffe)})},
        {"guest.v86.ar", all({v86_guest, rights(fs, 0x93)})},
        {"guest.cs.type", all({legacy_guest, rights(cs, 0xc093)}), everything(), {}},
        {"guest.cs.type-unrestricted", all({unrestricted, legacy_guest, rights(cs, 0xc091)})},
        {"guest.ss.type", rights(ss, 0xc091)},
        {"guest.data.type-accessed", rights(ds, 0xc092)},
        {"guest.data.type-readable", rights(ds, 0xc099)},
        {"guest.seg.s", rights(ds, 0xc083)},
        {"guest.cs.dpl-type3", all({unrestricted, legacy_guest, rights(cs, 0xc0b3)})},
        {"guest.cs.dpl-nonconforming", rights(cs, 0xa0fb)},
        {"guest.cs.dpl-conforming", rights(cs, 0xa0bf)},
        {"guest.ss.dpl-rpl", all({rights(ss, 0xc0b3), rights(cs, 0xa0bb)})},
        {"guest.ss.dpl-real", all({unrestricted, legacy_guest, rights(cs, 0xc093), rights(ss, 0xc0b3)})},
        {"guest.data.dpl-rpl", write(0x0806, 0x13)},
        {"guest.seg.p", rights(ds, 0xc013)},
        {"guest.seg.ar-reserved-low", rights(ds, 0xc193)},
        {"guest.cs.d-l", rights(cs, 0xe09b)},
        {"guest.seg.g", limit(ds, 0xffff'fffe)},
        {"guest.seg.ar-reserved-high", rights(ds, 0x2c093)},
        {"guest.tr.type", rights(tr, 0x83)},
        {"guest.tr.s-p", rights(tr, 0x0b)},
        {"guest.tr.reserved", rights(tr, 0x18b)},
        {"guest.tr.g", rights(tr, 0x808b)},
        {"guest.tr.usable", rights(tr, 0x1008b)},
        {"guest.ldtr.type", rights(ldtr, 0x83)},
        {"guest.ldtr.reserved", rights(ldtr, 0x482)},
        {"guest.ldtr.g", all({rights(ldtr, 0x82), limit(ldtr, 0x100000)})},
    };
}

std::vector<Case> guest_state_cases() {
    const Break hlt = write(0x4826, 1), interrupts_on = write(0x6820, 0x202);
    return {
        {"guest.activity.range", write(0x4826, 4)},
        {"guest.activity.hlt-dpl", all({hlt, rights(arch::ss, 0xc0f3), write(0x0804, 19), write(0x0802, 11), rights(arch::cs, 0xa0fb)})},
        {"guest.activity.blocking", all({write(0x4826, 2), write(0x4824, 2)})},
        {"guest.activity.inject-hlt", all({hlt, write(injection, 0x8000'0306)})},
        {"guest.activity.inject-shutdown", all({write(0x4826, 2), interrupts_on, write(injection, 0x8000'0020)})},
        {"guest.activity.inject-sipi", all({write(0x4826, 3), write(injection, 0x8000'0202)})},
        {"guest.intr.reserved", write(0x4824, 0x20)},
        {"guest.intr.sti-movss", all({interrupts_on, write(0x4824, 3)})},
        {"guest.intr.sti-if", write(0x4824, 1)},
        {"guest.intr.extint", all({interrupts_on, write(0x4824, 2), write(injection, 0x8000'0020)})},
        {"guest.intr.nmi-movss", all({write(0x4824, 2), write(injection, 0x8000'0202)})},
        {"guest.intr.nmi-sti", all({interrupts_on, write(0x4824, 1), write(injection, 0x8000'0202)})},
        {"guest.intr.smi", write(0x4824, 4)},
        {"guest.intr.nmi-virtual", all({set(pin, 0x28), write(0x4824, 8), write(injection, 0x8000'0202)})},
        {"guest.intr.enclave", write(0x4824, 0x10)},
        {"guest.pdbg.reserved", write(0x6822, 0x800)},
        {"guest.pdbg.bs-set", all({hlt, write(0x6820, 0x102)})},
        {"guest.pdbg.bs-clear", all({hlt, write(0x6822, 0x4000)})},
        {"guest.pdbg.rtm", write(0x6822, 0x11000)},
        {"guest.link.align", write(0x2800, too_wide)},
        {"guest.link.revision", all({link, [](VmxBench& bench) { bench.memory.write<u32>(PhysicalAddress{VmxBench::other_region}, 7); }})},
        {"guest.link.shadow", all({link, [](VmxBench& bench) { bench.memory.write<u32>(PhysicalAddress{VmxBench::other_region}, 0x8000'0012); }})},
        {"guest.link.not-current", write(0x2800, VmxBench::vmcs_region)},
    };
}

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const auto& list : {control_cases(), host_cases(), guest_register_cases(), guest_segment_cases(), guest_state_cases()}) cases.insert(cases.end(), list.begin(), list.end());
    return cases;
}

const CheckTable* const tables[] = {&execution_control_checks, &exit_control_checks, &injection_checks, &entry_control_checks, &host_checks,
                                    &guest_register_checks, &guest_segment_checks, &guest_rip_checks, &guest_state_checks, &guest_pdpte_checks};

std::set<std::string> broken_rows(const VmxBench& bench) {
    std::set<std::string> ids;
    const CheckInputs inputs{*bench.vmx.current(), bench.vmx.capabilities, bench.state, bench.memory};
    for (const auto* table : tables)
        for (const auto& row : table->rows)
            if (!row.holds(inputs)) ids.insert(std::string(row.id));
    return ids;
}

}  // namespace

TEST(EntryChecks, LetAValidVmcsPass) {
    for (const auto& params : {VmxParams{}, everything()}) {
        VmxBench bench{params};
        bench.make_current();
        EXPECT_EQ(broken_rows(bench), std::set<std::string>{});
        EXPECT_EQ(bench.launch().kind, EntryResult::Kind::entered) << bench.vmx.last_failed_check();
    }
}

TEST(EntryChecks, FailOneByOneWithTheDocumentedResult) {
    for (const auto& test : all_cases()) {
        VmxBench bench{test.params};
        bench.make_current();
        test.breaks(bench);
        auto expected = test.also;
        expected.insert(test.id);
        EXPECT_EQ(broken_rows(bench), expected) << test.id;

        const u64 host_rip = bench.read(0x6c16);
        const auto result = bench.launch();
        if (test.also.empty()) {
            EXPECT_EQ(bench.vmx.last_failed_check(), test.id);
        }
        if (test.id.starts_with("guest")) {
            EXPECT_EQ(result.kind, EntryResult::Kind::failure_exit) << test.id;
            EXPECT_EQ(bench.read(0x4402), 0x8000'0021) << test.id;
            const u64 qualification = test.id.starts_with("guest.link") ? 4 : test.id == "guest.intr.nmi-sti" ? 3 : test.id.starts_with("guest.pdpte") ? 2 : 0;
            EXPECT_EQ(bench.read(0x6400), qualification) << test.id;
            EXPECT_EQ(bench.state.rip, host_rip);
            EXPECT_EQ(bench.vmx.current()->launch_state, LaunchState::clear);
        } else {
            const u8 error = test.id.starts_with("host") ? 8 : 7;
            EXPECT_EQ(result.kind, EntryResult::Kind::failed) << test.id;
            EXPECT_EQ(result.result, (VmxResult{VmxResult::Kind::fail_valid, error})) << test.id;
            EXPECT_EQ(bench.read(0x4400), error) << test.id;
            EXPECT_EQ(bench.state.cr3, 0x5000) << "nothing was loaded";
        }
    }
}

TEST(EntryChecks, HaveACaseForEveryRow) {
    std::set<std::string> tested, rows;
    for (const auto& test : all_cases()) tested.insert(test.id);
    for (const auto* table : tables)
        for (const auto& row : table->rows) rows.insert(std::string(row.id));
    EXPECT_EQ(rows, tested);
}

// Rows of the manual that the model does not have: their features are absent, so the controls' reserved bits or missing fields stand for them.
TEST(EntryChecks, CoverTheManualButForAbsentFeatures) {
    const std::set<std::string> absent{
        "ctl.proc3.reserved", "ctl.ipiv.table", "ctl.ipiv.last", "ctl.spp.addr", "ctl.pasid.dirs", "ctl.pt.trace-on", "ctl.pt.gpa", "ctl.hlat.ptr", "ctl.apic-timer", "ctl.seam",
        "ctl.exit2.reserved", "ctl.entry.smm-both",
        "host.cr4.cet-wp", "host.cet.s-cet", "host.cet.ssp", "host.pkrs", "host.fred", "host.spec-ctrl", "host.cet.ssp-table",
        "guest.cr4.cet-wp", "guest.cr4.fred", "guest.cet.canonical", "guest.bndcfgs", "guest.rtit", "guest.cet.s-cet", "guest.lbr-ctl", "guest.pkrs", "guest.uinv", "guest.fred", "guest.spec-ctrl",
        "guest.ss.dpl-fred", "guest.ssp", "guest.activity.smm", "guest.intr.smi-entry", "guest.link.not-executive"};
    std::set<std::string> have;
    for (const auto* table : tables)
        for (const auto& row : table->rows) have.insert(std::string(row.id));
    std::ifstream file(std::string(VTSIM_TEST_DATA) + "/vmx/entry_check_ids.txt");
    ASSERT_TRUE(file);
    std::string id;
    std::set<std::string> manual;
    while (std::getline(file, id)) manual.insert(id);
    for (const auto& name : have) EXPECT_TRUE(manual.contains(name)) << name;
    for (const auto& name : manual) {
        if (name.starts_with("basic") || name.starts_with("msrload")) continue;
        EXPECT_NE(have.contains(name), absent.contains(name)) << name;
    }
}

TEST(EntryChecks, AreSkippedOnlyWhereTheyCannotFail) {
    for (const auto& test : all_cases()) {
        auto params = test.params;
        params.check_everything = true;        // aborts the test program when a skipped row would have failed
        VmxBench bench{params};
        bench.make_current();
        ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
        bench.vmx.exit(ExitReason::cpuid, {.instruction_length = 2});
        ASSERT_EQ(bench.resume().kind, EntryResult::Kind::entered);
        bench.vmx.exit(ExitReason::cpuid, {.instruction_length = 2});
        test.breaks(bench);
        EXPECT_NE(bench.resume().kind, EntryResult::Kind::entered) << test.id;
    }
}

TEST(BasicChecks, ComeInTheirOrder) {
    VmxBench bench;
    bench.on();
    EXPECT_EQ(bench.launch().result, (VmxResult{VmxResult::Kind::fail_invalid, 0}));
    bench.make_current();
    EXPECT_EQ(bench.resume().result, (VmxResult{VmxResult::Kind::fail_valid, 5}));
    bench.state.blocked_by_mov_ss = true;
    EXPECT_EQ(bench.resume().result, (VmxResult{VmxResult::Kind::fail_valid, 26}));
    bench.state.blocked_by_mov_ss = false;
    ASSERT_EQ(bench.launch().kind, EntryResult::Kind::entered);
    bench.vmx.exit(ExitReason::vmcall, {});
    EXPECT_EQ(bench.launch().result, (VmxResult{VmxResult::Kind::fail_valid, 4}));
    EXPECT_EQ(bench.resume().kind, EntryResult::Kind::entered);
}

TEST(MsrLoadList, FailsWithTheNumberOfTheBadEntry) {
    struct Entry {
        u32 index, reserved;
        std::string_view check;
    };
    for (const auto& bad : {Entry{0xc000'0100, 0, "msrload.fs-gs-base"}, Entry{0xc000'0101, 0, "msrload.fs-gs-base"}, Entry{0x808, 0, "msrload.x2apic"}, Entry{0x9e, 0, "msrload.smm-only"},
                            Entry{0x79, 0, "msrload.model-specific"}, Entry{0x10, 1, "msrload.reserved"}, Entry{0x12345, 0, "msrload.wrmsr-ok"}}) {
        VmxBench bench;
        bench.make_current();
        bench.environment.msrs[0x10] = 0;
        bench.memory.write<u64>(PhysicalAddress{VmxBench::msr_area}, 0x10);
        bench.memory.write<u64>(PhysicalAddress{VmxBench::msr_area + 8}, 0x77);
        bench.memory.write<u32>(PhysicalAddress{VmxBench::msr_area + 16}, bad.index);
        bench.memory.write<u32>(PhysicalAddress{VmxBench::msr_area + 20}, bad.reserved);
        bench.write(0x200a, VmxBench::msr_area);
        bench.write(0x4014, 2);
        EXPECT_EQ(bench.launch().kind, EntryResult::Kind::failure_exit);
        EXPECT_EQ(bench.vmx.last_failed_check(), bad.check);
        EXPECT_EQ(bench.read(0x4402), 0x8000'0022);
        EXPECT_EQ(bench.read(0x6400), 2);
        EXPECT_EQ(bench.environment.msrs[0x10], 0x77) << "the entry before it was loaded";
        EXPECT_EQ(bench.state.rip, 0xffff'8000'0000'9999);
        EXPECT_FALSE(bench.vmx.non_root());
    }
}

// The recommended maximum is (IA32_VMX_MISC[27:25] + 1) * 512, which is 512 here; beyond it the manual promises nothing.
TEST(MsrLoadList, FailsWithTheFirstEntryBeyondTheRecommendedMaximum) {
    for (const unsigned count : {512U, 513U}) {
        VmxBench bench;
        bench.make_current();
        bench.environment.msrs[0x10] = 0;
        for (u64 i = 0; i < count; ++i) bench.memory.write<u64>(PhysicalAddress{VmxBench::msr_area + 16 * i}, 0x10);
        bench.write(0x200a, VmxBench::msr_area);
        bench.write(0x4014, count);
        EXPECT_EQ(bench.launch().kind, count == 512 ? EntryResult::Kind::entered : EntryResult::Kind::failure_exit);
        if (count == 513) { EXPECT_EQ(bench.read(0x6400), 513U); }
    }
}

}  // namespace vtsim::vmx::test
