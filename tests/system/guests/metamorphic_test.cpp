// SPDX-License-Identifier: Apache-2.0
// What is only there for speed changes no figure: each switch off, and the same run again.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

const std::vector<std::string> kernels{"workload=compute iters=2000", "workload=branchy iters=2000",  "workload=copy iters=4",       "workload=copyalias iters=4", "workload=random mb=1 count=2000 pages=4k",
                                       "workload=stream mb=1 iters=1", "workload=chase bytes=65536 stride=64 count=2000 pages=4k", "workload=cpuid count=50",    "workload=vmcall count=50", "workload=footprint blocks=300 iters=3",
                                       "workload=selftest",             "workload=gups mb=1 count=2000 pages=4k", "workload=churn set=40 batch=20 iters=2",  "workload=churn set=40 batch=40 iters=2", "workload=switch spaces=3 touch=4 iters=50",
                                       "workload=switch spaces=3 touch=4 iters=50 pcid=on",        "workload=fork set=20 children=2 dirty=8", "workload=build jobs=1 heap=10 files=2", "workload=syscall count=100",
                                       "workload=interrupt count=101"};
// Under shadow paging those in which the VMM has work to do.
const std::vector<std::string> shadowed{"workload=selftest", "workload=churn set=40 batch=20 iters=2", "workload=switch spaces=3 touch=4 iters=50", "workload=fork set=20 children=2 dirty=8",
                                        "workload=build jobs=1 heap=10 files=2"};

struct Switch {
    const char* name;
    const char* key;
    const char* value;
};
const Switch switches[] = {
    {"Again", "machine.mode", ""},                 // nothing: the run repeated
    {"MmuFilters", "mmu.filters", "false"},        {"CacheFilters", "cache.filters", "false"}, {"Dmi", "bus.dmi", "false"},       {"BlockCache", "engine.block_cache", "false"},
    {"Chaining", "engine.chaining", "false"},      {"Fusion", "engine.fusion", "false"},
};

std::string first_difference(const std::string& left, const std::string& right) {
    std::istringstream a(left), b(right);
    std::string line_a, line_b;
    while (std::getline(a, line_a) && std::getline(b, line_b))
        if (line_a != line_b) return line_a + " against " + line_b;
    return left == right ? "" : "one has more figures";
}

// Each run as it is, kept for all switches of this process.
const GuestResult& baseline(const GuestRun& run) {
    static std::map<std::string, GuestResult> results;
    const auto key = run.workload + "+" + run.vmm.value_or("") + std::to_string(static_cast<int>(run.mode));
    const auto found = results.find(key);
    return found != results.end() ? found->second : results.emplace(key, run_guest(run)).first->second;
}

class Metamorphic : public testing::TestWithParam<std::tuple<Switch, Mode>> {};

TEST_P(Metamorphic, ChangesNoFigure) {
    const auto& [off, mode] = GetParam();
    for (const std::optional<std::string>& vmm : {std::optional<std::string>{}, {"ept=4k"}, {"mmu=shadow"}}) {
        for (const auto& kernel : vmm == "mmu=shadow" ? shadowed : kernels) {
            const GuestRun plain{.workload = kernel, .vmm = vmm, .settings = {}, .mode = mode, .elf32 = false};
            GuestRun run = plain;
            const auto& with = baseline(plain);
            if (*off.value != '\0') run.settings.emplace_back(off.key, off.value);
            const auto without = run_guest(run);
            EXPECT_TRUE(with.succeeded()) << kernel;
            EXPECT_EQ(with.serial, without.serial) << kernel;
            EXPECT_EQ(first_difference(as_text(with.figures), as_text(without.figures)), "") << kernel << ": " << vmm.value_or("alone");
        }
    }
}

std::string test_name(const testing::TestParamInfo<std::tuple<Switch, Mode>>& tested) {
    const Mode mode = std::get<Mode>(tested.param);
    return std::string{std::get<Switch>(tested.param).name} + (mode == Mode::functional ? "Functional" : mode == Mode::warm ? "Warm" : "Timing");
}
INSTANTIATE_TEST_SUITE_P(Switches, Metamorphic, testing::Combine(testing::ValuesIn(switches), testing::Values(Mode::functional, Mode::warm, Mode::timing)), test_name);

}  // namespace
}  // namespace vtsim::test
