// SPDX-License-Identifier: Apache-2.0
#include "timing/vm_transition.h"

#include <gtest/gtest.h>

namespace vtsim::timing {
namespace {

// Bugnion, Nieh, Tsafrir, "Hardware and Software Support for Virtualization", table 4.3, column Broadwell.
TEST(VmTransition, CostsWhatIsPublishedForBroadwell) {
    const VmTransition cost{VmxCostParams{}};
    EXPECT_EQ(cost.exit_cycles(18, {}), 265U) << "VMCALL";
    EXPECT_EQ(cost.exit_cycles(10, {}), 332U) << "CPUID";
    EXPECT_EQ(cost.exit_cycles(0, {}), 531U) << "#PF";
    EXPECT_EQ(cost.exit_cycles(30, {}), 397U) << "I/O bitmap";
    EXPECT_EQ(cost.exit_cycles(48, {}), 656U) << "EPT violation";
    EXPECT_EQ(cost.entry_cycles(false, {}), 348U) << "VMRESUME";
    EXPECT_EQ(cost.entry_cycles(true, {}), 528U) << "VMLAUNCH";
}

TEST(VmTransition, GrowsByTheMsrListsAndTheFlushAndTheInjection) {
    const VmxCostParams params;
    const VmTransition cost{params};
    EXPECT_EQ(cost.exit_cycles(18, {.msr_entries = 3, .tlb_flush = true}), 265 + 3 * params.exit_per_msr + params.exit_tlb_flush);
    EXPECT_EQ(cost.entry_cycles(false, {.msr_entries = 2, .injection = true, .pdptes = true}),
              348 + 2 * params.entry_per_msr + params.entry_injection + params.entry_pdptes);
}

}  // namespace
}  // namespace vtsim::timing
