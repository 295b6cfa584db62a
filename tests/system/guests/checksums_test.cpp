// SPDX-License-Identifier: Apache-2.0
// Every workload of the kernel, alone and under the VMM: the checksums are those that QEMU computes (guests/kernel/checksums-by-qemu), and the laws hold.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>

#include "support/guest_run.h"
#include "support/laws.h"

namespace vtsim::test {
namespace {

using testing::IsEmpty;

struct Workload {
    std::string arguments;
    std::uint64_t checksum;
    [[nodiscard]] bool native_only() const { return arguments == "workload=dma"; }      // the VMM passes no devices on
};

void PrintTo(const Workload& workload, std::ostream* out) { *out << workload.arguments; }

std::vector<Workload> workloads() {
    std::ifstream file(VTSIM_TEST_DATA "/guests/checksums.csv");
    std::vector<Workload> all;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        const auto comma = line.rfind(',');
        all.push_back({line.substr(0, comma), std::stoull(line.substr(comma + 1), nullptr, 0)});
    }
    return all;
}

struct Variant {
    Mode mode;
    const char* pages;
    const char* vmm;          // nullptr: alone
    const char* memory = "256M";
};

class Checksums : public testing::TestWithParam<Workload> {
protected:
    // How many instructions it took.
    std::uint64_t check(const Variant& variant) {
        const Workload& workload = GetParam();
        SCOPED_TRACE(fmt::format("mode {}, pages={}, {}", static_cast<int>(variant.mode), variant.pages, variant.vmm == nullptr ? "alone" : variant.vmm));
        GuestRun run{.workload = fmt::format("{} pages={}", workload.arguments, variant.pages), .vmm = std::nullopt, .settings = {{"memory.size", variant.memory}}, .mode = variant.mode, .elf32 = false};
        if (variant.vmm != nullptr) run.vmm = variant.vmm;
        const auto result = run_guest(run);
        EXPECT_TRUE(result.succeeded()) << result.end.message << '\n' << result.serial;
        EXPECT_EQ(result.printed("checksum"), workload.checksum) << result.serial;
        EXPECT_THAT(broken_laws(result.figures, variant.mode), IsEmpty());
        EXPECT_EQ(result.figures.count("cpu0.vmx.exits_total") > 0, variant.vmm != nullptr);
        return result.figures.count("sim.instructions");
    }
};

TEST_P(Checksums, AreRightInEveryConfiguration) {
    constexpr std::uint64_t cheap = 3'000'000;          // instructions: the larger sizes of a workload run in functional mode only
    const bool is_cheap = check({Mode::functional, "2m", nullptr}) < cheap;
    if (!GetParam().native_only())
        for (const char* vmm : {"ept=2m vpid=on", "mmu=shadow"}) check({Mode::functional, "2m", vmm});
    if (!is_cheap) return;
    for (const Variant variant : {Variant{Mode::warm, "4k", nullptr}, {Mode::timing, "4k", nullptr}, {Mode::timing, "1g", nullptr}, {Mode::functional, "4k", nullptr}}) check(variant);
    if (GetParam().native_only()) return;
    for (const Variant variant : {Variant{Mode::timing, "4k", "ept=4k vpid=on"}, {Mode::timing, "4k", "ept=4k vpid=off ad=off"}, {Mode::timing, "2m", "ept=2m lazy=off"},
                                  {Mode::timing, "4k", "ept=2m vpid=off"}, {Mode::timing, "1g", "ept=4k lazy=off"}, {Mode::warm, "2m", "ept=4k"},
                                  {Mode::timing, "4k", "mmu=shadow"}, {Mode::warm, "2m", "mmu=shadow vpid=off"}, {Mode::functional, "1g", "mmu=shadow roots=1 tables=64"},
                                  {Mode::timing, "2m", "ept=1g", "2G"}, {Mode::functional, "4k", "ept=1g vpid=off ad=off lazy=off", "2G"}})
        check(variant);
}

std::string test_name(const testing::TestParamInfo<Workload>& tested) {
    std::string name;
    for (const char c : tested.param.arguments.substr(tested.param.arguments.find('=') + 1)) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return name;
}
INSTANTIATE_TEST_SUITE_P(Workloads, Checksums, testing::ValuesIn(workloads()), test_name);

TEST(Formats, Elf32AndElf64AreTheSameProgram) {
    const auto wide = run_guest({.workload = "workload=selftest", .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = false});
    const auto narrow = run_guest({.workload = "workload=selftest", .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = true});
    EXPECT_TRUE(wide.succeeded());
    EXPECT_EQ(wide.serial, narrow.serial);
}

}  // namespace
}  // namespace vtsim::test
