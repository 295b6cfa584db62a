// SPDX-License-Identifier: Apache-2.0
// The comparison of examples/shadow_vs_ept and benchmarks/suite: its parts add up, and what the field knows about the two ways to virtualize page tables is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vtsim/error.h>

#include <set>
#include <string>

#include "comparison.h"

namespace vtsim::test {
namespace {

using namespace vtsim::comparison;
using testing::HasSubstr;

const Setup& setup(const std::string& key) {
    for (const auto& each : setups())
        if (each.key == key) return each;
    throw InputError("no setup " + key);
}

TEST(Comparison, NamesEachSetupAndWorkloadOnce) {
    std::set<std::string> keys;
    for (const auto& each : setups()) EXPECT_TRUE(keys.insert(each.key).second) << each.key;
    for (const auto& each : shadow_variants()) EXPECT_TRUE(keys.insert(each.key).second) << each.key;
    for (const auto& each : workloads()) EXPECT_TRUE(keys.insert(each.key).second) << each.key;
    EXPECT_EQ(native().vmm, nullptr);
}

TEST(Comparison, AddsUpForEveryWorkloadAndSetup) {
    for (const std::string workload : {"churn iters=5 pages=4k", "fork children=2", "switch iters=300", "interrupt count=500", "gups mb=8 count=20000 pages=4k"}) {
        std::string checksum;
        for (const auto& each : setups()) {
            const auto m = measure(workload, each);
            SCOPED_TRACE(workload + ", " + each.name);
            EXPECT_EQ(m.issue + m.branch + m.caches + m.translation + m.transitions + m.interrupts, m.cycles);
            EXPECT_LE(m.handlers + m.transitions, m.cycles);
            if (checksum.empty()) checksum = m.checksum;
            EXPECT_EQ(m.checksum, checksum);
            EXPECT_GT(m.operations, 0U);
            EXPECT_FALSE(m.operation.empty());
            EXPECT_EQ(m.table_kib != 0, each.vmm != nullptr);
            EXPECT_EQ(m.exits, m.figures.count("cpu0.vmx.exits_total"));
            EXPECT_GT(m.seconds, 0);
        }
    }
}

TEST(Comparison, ShadowPagingWinsWhereTablesStayAndEptWhereTheyChange) {
    const auto ratio = [](const std::string& workload, const std::string& key) {
        return static_cast<double>(measure(workload, setup(key)).cycles) / static_cast<double>(measure(workload, native()).cycles);
    };
    const std::string misses = "gups mb=64 count=50000 pages=4k", changes = "churn iters=100 pages=4k";
    EXPECT_LT(ratio(misses, "shadow"), 1.01);
    EXPECT_GT(ratio(misses, "ept_4k"), 1.2);
    EXPECT_GT(ratio(changes, "shadow") / ratio(changes, "ept_4k"), 5);
}

TEST(Comparison, SaysWhyAWorkloadFailed) {
    try {
        measure("churn sets=1", setup("shadow"));
        FAIL() << "no error";
    } catch (const InputError& error) {
        EXPECT_THAT(error.what(), HasSubstr("churn sets=1, shadow: ended with status 3"));
        EXPECT_THAT(error.what(), HasSubstr("'sets=1': churn has no such key")) << "the kernel's own line";
    }
}

TEST(Comparison, RunsGuestsTogether) {
    const auto one = measure_together("random mb=1 count=20000 pages=4k", setup("ept_4k"), 1, 100'000), two = measure_together("random mb=1 count=20000 pages=4k", setup("ept_4k"), 2, 100'000);
    EXPECT_EQ(one.figures.count("cpu0.vmx.exits.preemption_timer"), 0U);
    EXPECT_GT(two.figures.count("cpu0.vmx.exits.preemption_timer"), 10U);
    EXPECT_GT(two.cycles, one.cycles * 3 / 2);
}

}  // namespace
}  // namespace vtsim::test
