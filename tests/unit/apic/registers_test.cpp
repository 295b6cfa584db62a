// SPDX-License-Identifier: Apache-2.0
#include "apic/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "bench.h"

namespace vtsim::apic {
namespace {

// Transcribed from the SDM's tables "Local APIC Register Address Map" and "Local APIC Register Address Map Supported by x2APIC", for
// APIC ID 5: r read, w write, - absent.
struct Expected {
    u32 offset;
    const char* xapic;
    const char* x2apic;
    u32 reset;
    u32 settable;       // bits that read back as 1 after all ones were written in xAPIC mode
    u32 reserved;       // bits whose WRMSR is #GP
};
constexpr Expected manual[] = {
    {0x020, "r-", "r-", 0x05000000, 0x05000000, 0}, {0x030, "r-", "r-", 0x01060015, 0x01060015, 0},
    {0x080, "rw", "rw", 0, 0xff, 0xffffff00},       {0x090, "r-", "--", 0, 0, 0},
    {0x0a0, "r-", "r-", 0, 0, 0},                   {0x0b0, "-w", "-w", 0, 0, 0xffffffff},
    {0x0c0, "r-", "--", 0, 0, 0},                   {0x0d0, "rw", "r-", 0, 0xff000000, 0},
    {0x0e0, "rw", "--", 0xffffffff, 0xffffffff, 0}, {0x0f0, "rw", "rw", 0xff, 0x13ff, 0xffffec00},
    {0x280, "rw", "rw", 0, 0, 0xffffffff},          {0x2f0, "rw", "rw", 0x10000, 0x107ff, 0xfffee800},
    {0x300, "rw", "rw", 0, 0xccfff, 0xfff32000},    {0x310, "rw", "--", 0, 0xff000000, 0},
    {0x320, "rw", "rw", 0x10000, 0x700ff, 0xfff8ef00}, {0x330, "rw", "rw", 0x10000, 0x107ff, 0xfffee800},
    {0x340, "rw", "rw", 0x10000, 0x107ff, 0xfffee800}, {0x350, "rw", "rw", 0x10000, 0x1a7ff, 0xfffe0800},
    {0x360, "rw", "rw", 0x10000, 0x1a7ff, 0xfffe0800}, {0x370, "rw", "rw", 0x10000, 0x100ff, 0xfffeef00},
    {0x380, "rw", "rw", 0, 0xffffffff, 0},          {0x390, "r-", "r-", 0, 0, 0},
    {0x3e0, "rw", "rw", 0, 0xb, 0xfffffff4},        {0x3f0, "--", "-w", 0, 0, 0xffffff00},
};

std::map<u32, Expected> with_vector_registers() {
    std::map<u32, Expected> all;
    for (const auto& row : manual) all.emplace(row.offset, row);
    for (u32 where = 0x100; where <= 0x270; where += 16) all.emplace(where, Expected{where, "r-", "r-", 0, 0, 0});
    return all;
}

TEST(RegisterMapTest, HasTheManualsRegistersAndNoOther) {
    const auto expected = with_vector_registers();
    for (u32 where = 0; where < 0x1000; where += 16) {
        const auto* row = find_register(where);
        ASSERT_EQ(row != nullptr, expected.contains(where)) << std::hex << where;
        if (row == nullptr) continue;
        const auto& wanted = expected.at(where);
        EXPECT_EQ(readable(row->xapic), wanted.xapic[0] == 'r') << std::hex << where;
        EXPECT_EQ(writable(row->xapic), wanted.xapic[1] == 'w') << std::hex << where;
        EXPECT_EQ(readable(row->x2apic), wanted.x2apic[0] == 'r') << std::hex << where;
        EXPECT_EQ(writable(row->x2apic), wanted.x2apic[1] == 'w') << std::hex << where;
    }
}

TEST(RegisterMapTest, NumbersMsrsByTheOffset) {
    EXPECT_EQ(x2apic_msr(offset::id), 0x802U);
    EXPECT_EQ(x2apic_msr(offset::icr), 0x830U);
    EXPECT_EQ(x2apic_msr(offset::self_ipi), 0x83fU);
}

TEST(XapicRegisters, HaveTheirResetValues) {
    for (const auto& [where, row] : with_vector_registers()) {
        Bench bench;
        EXPECT_EQ(bench.read(where), row.reset) << std::hex << where;
    }
}

TEST(XapicRegisters, KeepExactlyTheirWritableBits) {
    for (const auto& [where, row] : with_vector_registers()) {
        if (where == offset::eoi || where == offset::self_ipi) continue;
        Bench bench;
        bench.enabled();
        if (where == offset::icr) bench.write(offset::svr, 0xff);       // nobody receives what is sent
        const u32 before = bench.read(where);
        bench.write(where, 0xffffffff);
        EXPECT_EQ(bench.read(where), where == offset::svr ? 0x13ff : row.xapic[1] == 'w' ? row.settable : before) << std::hex << where;
    }
}

TEST(XapicRegisters, OfReservedAddressesRecordAnIllegalRegisterAddress) {
    const auto known = with_vector_registers();
    for (u32 where = 0; where < 0x1000; where += 16) {
        Bench bench;
        EXPECT_EQ(bench.errors(), 0U);
        const u32 value = bench.read(where);
        EXPECT_TRUE(value == 0 || known.contains(where));
        const bool reserved = !known.contains(where) || where == offset::self_ipi;
        EXPECT_EQ(bench.errors(), reserved ? 0x80U : 0U) << "read " << std::hex << where;
        if (where == offset::esr) continue;
        bench.write(where, 0);
        const u32 after_write = bench.errors();
        const u32 vectorless_ipi = where == offset::icr ? 0x20 : 0;     // vector 0 in fixed mode
        EXPECT_EQ(after_write, reserved ? 0x80U : vectorless_ipi) << "write " << std::hex << where;
    }
}

TEST(XapicRegisters, GivePartsOfTheirFirstFourBytesAndDropOddWrites) {
    Bench bench;
    bench.enabled();
    EXPECT_EQ(bench.apic.read_mmio(0x030, 1, 0), 0x15U);
    EXPECT_EQ(bench.apic.read_mmio(0x032, 1, 0), 0x06U);
    EXPECT_EQ(bench.apic.read_mmio(0x032, 2, 0), 0x0106U);
    EXPECT_EQ(bench.apic.read_mmio(0x034, 4, 0), 0U);
    EXPECT_EQ(bench.apic.read_mmio(0x030, 8, 0), 0x01060015U);
    bench.apic.write_mmio(0x080, 1, 0x40, 0);
    bench.apic.write_mmio(0x084, 4, 0x40, 0);
    bench.apic.write_mmio(0x080, 8, 0x40, 0);
    EXPECT_EQ(bench.read(offset::tpr), 0U);
    EXPECT_EQ(bench.apic.stats().undefined_accesses, 8U);
}

TEST(X2apicMsrs, AllowWhatTheManualAllows) {
    const auto known = with_vector_registers();
    for (u32 msr = 0x800; msr <= 0x8ff; ++msr) {
        const u32 where = (msr - 0x800) << 4;
        Bench bench;
        bench.enabled().x2apic();
        const auto row = known.find(where);
        const bool reads = row != known.end() && row->second.x2apic[0] == 'r';
        const bool writes = row != known.end() && row->second.x2apic[1] == 'w';
        EXPECT_EQ(bench.apic.read_msr(msr, 0).ok(), reads) << std::hex << msr;
        EXPECT_EQ(!bench.apic.write_msr(msr, 0, 0), writes) << std::hex << msr;
    }
}

TEST(X2apicMsrs, FaultOnEachReservedBitAlone) {
    for (const auto& row : manual) {
        if (row.x2apic[1] != 'w') continue;
        for (unsigned i = 0; i < 64; ++i) {
            Bench bench;
            bench.enabled().x2apic();
            const bool reserved = i < 32 ? (row.reserved >> i & 1) != 0 : row.offset != offset::icr;
            const auto event = bench.apic.write_msr(x2apic_msr(static_cast<u16>(row.offset)), bit(i), 0);
            EXPECT_EQ(static_cast<bool>(event), reserved) << std::hex << row.offset << " bit " << std::dec << i;
            EXPECT_TRUE(!event || event.number == static_cast<u16>(arch::Vector::gp));
        }
    }
}

TEST(X2apicMsrs, FaultOutsideX2apicMode) {
    Bench bench;
    EXPECT_FALSE(bench.apic.read_msr(0x802, 0).ok());
    EXPECT_TRUE(bench.apic.write_msr(0x808, 0, 0));
    EXPECT_FALSE(bench.apic.write_base(0, 0));
    EXPECT_FALSE(bench.apic.read_msr(0x802, 0).ok());
}

TEST(X2apicMsrs, DeriveTheLogicalIdFromTheId) {
    Bench bench{{}, 0x12345};
    bench.x2apic();
    EXPECT_EQ(bench.apic.read_msr(0x802, 0).value, 0x12345U);
    EXPECT_EQ(bench.apic.read_msr(0x80d, 0).value, 0x1234U << 16 | 1U << 5);
}

TEST(X2apicMsrs, HoldTheIcrAsOneRegisterOf64Bits) {
    Bench bench;
    bench.x2apic();
    EXPECT_FALSE(bench.apic.write_msr(0x830, 0x89abcdef'00000440, 0));
    EXPECT_EQ(bench.apic.read_msr(0x830, 0).value, 0x89abcdef'00000440U);
    ASSERT_EQ(bench.sent.size(), 1U);
    EXPECT_EQ(bench.sent[0].second.destination, 0x89abcdefU);
}

TEST(LocalApicFeatures, RemoveTheirBits) {
    Bench bench{{.tsc_deadline = false, .suppress_eoi_broadcast = false, .cmci = false}};
    bench.enabled();
    EXPECT_EQ(bench.read(offset::version), 0x00050015U);
    bench.write(offset::lvt_timer, 0x40020);
    EXPECT_EQ(bench.read(offset::lvt_timer), 0x20U);
    bench.write(offset::svr, 0x11ff);
    EXPECT_EQ(bench.read(offset::svr), 0x1ffU);
    EXPECT_EQ(bench.read(offset::lvt_cmci), 0U);
    EXPECT_EQ(bench.errors(), 0x80U);
}

TEST(LocalApicParamsTest, RefuseWhatCannotBeBuilt) {
    EXPECT_THROW((LocalApicParams{.version = 0x20}.validate()), std::exception);
    EXPECT_THROW((LocalApicParams{.timer_hz = 0}.validate()), std::exception);
    EXPECT_NO_THROW(LocalApicParams{}.validate());
}

}  // namespace
}  // namespace vtsim::apic
