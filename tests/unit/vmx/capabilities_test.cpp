// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/vmx/csv.h"
#include "vmx/capabilities.h"

namespace vtsim::vmx::test {

// Values that Broadwell processors report (public dumps of the capability MSRs), less what the model does not have.
TEST(CapabilityMsrs, ReportABroadwellWithoutTheFeaturesThatTheModelLacks) {
    const Capabilities c{{}, {}};
    EXPECT_EQ(c.msr(0x481), 0x7f'0000'0016);
    EXPECT_EQ(c.msr(0x482), 0xfff9'fffe'0401'e172);
    EXPECT_EQ(c.msr(0x483), (0x7f'ffff'0003'6dff & ~(u64{1} << 44)));                 // load IA32_PERF_GLOBAL_CTRL
    EXPECT_EQ(c.msr(0x484), (0xffff'0000'11ff & ~(u64{1} << 45 | u64{3} << 42)));     // that, and the two SMM controls
    EXPECT_EQ(c.msr(0x48d), 0x7f'0000'0016);
    EXPECT_EQ(c.msr(0x48e), 0xfff9'fffe'0400'6172);
    EXPECT_EQ(c.msr(0x48f), (0x7f'ffff'0003'6dfb & ~(u64{1} << 44)));
    EXPECT_EQ(c.msr(0x490), (0xffff'0000'11fb & ~(u64{1} << 45 | u64{3} << 42)));
    EXPECT_EQ(c.msr(0x486), 0x8000'0021);
    EXPECT_EQ(c.msr(0x487), 0xffff'ffff);
    EXPECT_EQ(c.msr(0x488), 0x2000);
    EXPECT_EQ(c.msr(0x48c), 0xf01'0633'4141);
    EXPECT_EQ(*c.msr(0x480), 0x00d8'1000'0000'0012);                                      // write-back, INS/OUTS information, TRUE MSRs; no SMM monitor bit 49
    EXPECT_FALSE(c.msr(0x491));
    EXPECT_FALSE(c.msr(0x492));
}

TEST(CapabilityMsrs, NeverAllowZeroWhereOneIsRequired) {
    for (const bool everything : {false, true}) {
        VmxParams params;
        params.posted_interrupts = params.virtual_interrupt_delivery = params.pml = params.vm_functions = params.tsc_scaling = everything;
        const Capabilities c{params, {}};
        for (u32 msr = 0x481; msr <= 0x484; ++msr) {
            EXPECT_EQ(*c.msr(msr) & 0xffff'ffff & ~(*c.msr(msr) >> 32), 0) << msr;
            const u64 true_msr = *c.msr(msr + 0xc);
            EXPECT_EQ(true_msr >> 32, *c.msr(msr) >> 32);
            EXPECT_EQ(true_msr & 0xffff'ffff & ~*c.msr(msr), 0) << "a TRUE MSR never demands more";
        }
    }
}

TEST(CapabilityMsrs, HaveAnEnumBoundThatCoversEveryField) {
    const Capabilities c{{}, {}};
    u64 highest = 0;
    for (const auto& field : vmcs_fields)
        if (field.exists(c.params)) highest = std::max<u64>(highest, field.encoding & 0x3fe);
    EXPECT_EQ(c.msr(0x48a), highest);
    EXPECT_EQ(highest, 0x2e) << "the preemption timer value, 482EH";
}

TEST(CapabilityMsrs, AreAbsentWithTheirFeatures) {
    VmxParams params;
    params.ept = params.vpid = params.unrestricted_guest = params.ept_accessed_dirty = params.secondary_controls = false;
    const Capabilities c{params, {}};
    EXPECT_FALSE(c.msr(0x48b));
    EXPECT_FALSE(c.msr(0x48c));
    EXPECT_FALSE(c.has_field(field_row(0x201a)));
}

TEST(VmxParams, AreRefusedWhenAFeatureLacksWhatItNeeds) {
    VmxParams params;
    params.ept = false;
    try {
        params.validate();
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("vmx.unrestricted_guest"), std::string::npos) << error.what();
    }
    EXPECT_THROW((VmxParams{.cr3_targets = 5}.validate()), ConfigError);
}

TEST(Eptp, IsValidExactlyWhenTheManualSaysSo) {
    const Capabilities c{{}, {}};
    for (u64 low = 0; low < 0x1000; ++low) {
        const bool type = (low & 7) == 0 || (low & 7) == 6;
        EXPECT_EQ(c.eptp_valid(0x12'3456'7000 | low), type && ((low >> 3) & 7) == 3 && (low >> 7) == 0) << std::hex << low;
    }
    EXPECT_FALSE(c.eptp_valid(u64{1} << 39 | 0x1e));
}

}  // namespace vtsim::vmx::test
