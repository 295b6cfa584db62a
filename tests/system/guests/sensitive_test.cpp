// SPDX-License-Identifier: Apache-2.0
// guests/sensitive: what it observes on vtsim is what it observes on Bochs and on QEMU, and what the literature says of these instructions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "support/guest_run.h"

namespace vtsim::test {
namespace {

using testing::IsEmpty;
using testing::Not;
using Settings = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> split(const std::string& line, std::size_t most = 100) {
    std::vector<std::string> cells;
    std::size_t begin = 0;
    while (cells.size() + 1 < most) {
        const auto comma = line.find(',', begin);
        if (comma == std::string::npos) break;
        cells.push_back(line.substr(begin, comma - begin));
        begin = comma + 1;
    }
    cells.push_back(line.substr(begin));
    return cells;
}

struct Cell {
    std::string outcome, reads, writes, host;
    [[nodiscard]] bool done() const { return outcome == "done"; }
    [[nodiscard]] bool exits() const { return outcome.starts_with("exit "); }
    bool operator==(const Cell&) const = default;
};
void PrintTo(const Cell& cell, std::ostream* out) { *out << cell.outcome << ", reads " << cell.reads << ", writes " << cell.writes << ", host " << cell.host; }

// By instruction, then by mode.
using Observations = std::map<std::string, std::map<std::string, Cell>>;

Observations parse(const std::string& text) {
    Observations all;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.ends_with('\r')) line.pop_back();
        const auto cells = split(line);
        if (cells.size() == 7 && cells[0] != "instruction") all[cells[0]][cells[2]] = {cells[3], cells[4], cells[5], cells[6]};
    }
    return all;
}

GuestResult run_sensitive(const std::string& command_line, Mode mode = Mode::functional, const Settings& settings = {}) {
    auto result = run_guest({.workload = command_line, .vmm = std::nullopt, .settings = settings, .mode = mode, .elf32 = false, .preset = "broadwell", .program = "sensitive.elf"});
    EXPECT_TRUE(result.succeeded()) << result.end.message << '\n' << result.serial;
    return result;
}

const Observations& observed(const std::string& exits, bool umip = false) {
    static std::map<std::pair<std::string, bool>, Observations> known;
    const auto [at, is_new] = known.try_emplace({exits, umip});
    if (is_new) at->second = parse(run_sensitive("exits=" + exits, Mode::functional, umip ? Settings{{"features.umip", "true"}} : Settings{}).serial);
    return at->second;
}

std::set<std::string> words(const std::string& list) {
    std::istringstream in{list};
    std::set<std::string> all;
    for (std::string word; in >> word;) all.insert(word);
    return all;
}

// ---- oracles --------------------------------------------------------------------------------------------------------------------

std::map<std::string, std::string> explained_differences() {
    std::ifstream file(VTSIM_TEST_DATA "/guests/sensitive_differences.csv");
    std::map<std::string, std::string> all;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        const auto cells = split(line, 3);
        all[cells.at(0) + ',' + cells.at(1)] = cells.at(2);
    }
    return all;
}

TEST(Sensitive, BochsAndQemuObserveTheSameButForWhatIsExplained) {
    std::ifstream file(VTSIM_TEST_DATA "/guests/sensitive.csv");
    const auto explained = explained_differences();
    std::set<std::string> differing;
    std::string line;
    std::getline(file, line);
    unsigned compared = 0;
    while (std::getline(file, line)) {
        const auto cells = split(line);
        ASSERT_EQ(cells.size(), 8U) << line;
        const Cell theirs{cells[4], cells[5], cells[6], cells[7]}, ours = observed(cells[0] == "bochs-few" ? "few" : "all", cells[0] == "bochs-umip").at(cells[1]).at(cells[3]);
        ++compared;
        if (ours == theirs) continue;
        const auto key = cells[0] + ',' + cells[1];
        differing.insert(key);
        EXPECT_TRUE(explained.contains(key)) << line << "\nvtsim: " << testing::PrintToString(ours);
    }
    constexpr unsigned umip_instructions = 5;
    EXPECT_EQ(compared, observed("all").size() * (5 + 2 + 3) + umip_instructions * 5);      // Bochs: five modes, two once more; QEMU: three
    for (const auto& [key, why] : explained) {
        EXPECT_TRUE(differing.contains(key)) << key << " does not differ any more";
        EXPECT_THAT(why, Not(IsEmpty())) << key;
    }
}

// Robin and Irvine, "Analysis of the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor", 2000: sensitive register instructions, and
// instructions that refer to the protection system.
TEST(Sensitive, TheInstructionsOfRobinAndIrvineAreSensitiveAndDoNotTrap) {
    for (const std::string name : {"SGDT", "SIDT", "SLDT", "SMSW", "PUSHF", "POPF", "LAR", "LSL", "VERR", "VERW", "POP DS", "PUSH CS", "PUSH SS", "CALL far", "JMP far", "INT n", "RET far", "STR", "MOV from CS", "MOV to DS"}) {
        const auto& modes = observed("all").at(name);
        for (const std::string ring : {"ring1", "ring3"}) {
            const auto& cell = modes.at(ring);
            EXPECT_TRUE(cell.done()) << name << " at " << ring << ": " << cell.outcome;
            EXPECT_TRUE(!cell.reads.empty() || cell.writes != modes.at("ring0").writes) << name << " at " << ring << " has shown nothing";
        }
    }
}

// SDM vol. 3, "Privileged Instructions": a #GP when the CPL is not 0.
TEST(Sensitive, TheManualsPrivilegedInstructionsTrapOutsideRing0) {
    for (const std::string name : {"LGDT", "LLDT", "LTR", "LIDT", "MOV to CR0", "MOV from CR0", "LMSW", "CLTS", "MOV to DR0", "MOV from DR0", "INVD", "WBINVD", "INVLPG", "HLT", "RDMSR", "WRMSR", "RDPMC", "RDTSC (CR4.TSD=1)"}) {
        const auto& modes = observed("all").at(name);
        for (const std::string ring : {"ring1", "ring3"}) EXPECT_EQ(modes.at(ring).outcome, "#GP(0x0)") << name << " at " << ring;
    }
}

// SDM vol. 3, "Control Registers", CR4.UMIP: SGDT, SIDT, SLDT, SMSW and STR raise #GP when the CPL is above 0.
TEST(Sensitive, WithUmipFiveOfThemArePrivileged) {
    const auto& observations = observed("few", true);
    for (const std::string name : {"SGDT", "SIDT", "SLDT", "SMSW", "STR"}) {
        const auto &with = observations.at(name + " (CR4.UMIP=1)"), &without = observations.at(name);
        for (const std::string ring : {"ring1", "ring3"}) EXPECT_EQ(with.at(ring).outcome, "#GP(0x0)") << name;
        for (const std::string mode : {"ring0", "vmx0"}) EXPECT_EQ(with.at(mode), without.at(mode)) << name;
        EXPECT_EQ(with.at("vmx3").outcome, "exit 0 #GP(0x0)") << name;
        EXPECT_FALSE(observed("all").contains(name + " (CR4.UMIP=1)")) << "a Broadwell has no UMIP";
    }
}

// ---- virtualizability -----------------------------------------------------------------------------------------------------------

TEST(Sensitive, InNonRootOperationNothingOfTheHostIsSeenOrChanged) {
    for (const std::string exits : {"all", "few"})
        for (const auto& [name, modes] : observed(exits))
            for (const std::string mode : {"vmx0", "vmx3"}) EXPECT_THAT(modes.at(mode).host, IsEmpty()) << name << ' ' << mode << ", exits=" << exits;
}

TEST(Sensitive, WhatDoesNotExitActsOnTheGuestsStateAsNativelyOnTheProcessors) {
    unsigned own = 0;
    for (const auto& [name, modes] : observed("few")) {
        for (const auto& [cpl, ring] : {std::pair{"vmx0", "ring0"}, {"vmx3", "ring3"}}) {
            const auto &guest = modes.at(cpl), &native = modes.at(ring);
            if (!guest.done() || !native.done()) continue;
            EXPECT_EQ(words(guest.reads), words(native.reads)) << name << ' ' << cpl;
            EXPECT_EQ(words(guest.writes), words(native.writes)) << name << ' ' << cpl;
            own += guest.reads.empty() && guest.writes.empty() ? 0 : 1;
        }
    }
    EXPECT_GT(own, 40U);
}

TEST(Sensitive, DescriptorTableExitingMakesTheTableRegistersExit) {
    for (const std::string name : {"SGDT", "SIDT", "SLDT", "STR"}) {
        EXPECT_TRUE(observed("all").at(name).at("vmx3").exits()) << name;
        EXPECT_TRUE(observed("few").at(name).at("vmx3").done()) << name;
    }
}

// ---- the program ----------------------------------------------------------------------------------------------------------------

TEST(Sensitive, TheObservationsDoNotDependOnTheExecutionMode) {
    const auto functional = run_sensitive(""), timing = run_sensitive("", Mode::timing);
    EXPECT_NE(functional.printed("checksum"), 0U);
    EXPECT_EQ(functional.printed("checksum"), timing.printed("checksum"));
    EXPECT_EQ(functional.serial, timing.serial);
}

TEST(Sensitive, WithoutVmxOnlyTheRingsAreTried) {
    const auto observations = parse(run_sensitive("", Mode::functional, {{"features.vmx", "false"}}).serial);
    EXPECT_EQ(observations.size(), observed("all").size());
    for (const auto& [name, modes] : observations) EXPECT_EQ(modes.size(), 3U) << name;
    for (const std::string ring : {"ring0", "ring1", "ring3"}) EXPECT_EQ(observations.at("VMXON").at(ring).outcome, "#UD");
}

TEST(Sensitive, AWordWithoutMeaningIsAFailure) {
    const auto refusal = [](const std::string& command_line) {
        const auto result = run_guest({.workload = command_line, .vmm = std::nullopt, .settings = {}, .mode = Mode::functional, .elf32 = false, .preset = "broadwell", .program = "sensitive.elf"});
        EXPECT_EQ(result.end.status, 3) << command_line;
        return result.serial;
    };
    EXPECT_EQ(refusal("few"), "sensitive: 'few': key=value expected, with this key: exits\r\nexit: 0x01\r\n");
    EXPECT_EQ(refusal("exit=few"), "sensitive: 'exit=few': there is no such key, only: exits\r\nexit: 0x01\r\n");
    EXPECT_EQ(refusal("exits=none"), "sensitive: exits=all or few expected, not none\r\nexit: 0x01\r\n");
}

}  // namespace
}  // namespace vtsim::test
