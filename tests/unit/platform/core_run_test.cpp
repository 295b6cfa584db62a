// SPDX-License-Identifier: Apache-2.0
// The machine with its real cores: guests of a few instructions.
#include <gtest/gtest.h>

#include <map>

#include "platform/machine_access.h"
#include "unit/platform/image_builder.h"

namespace vtsim::platform {
namespace {

using namespace test;

// 32-bit code at 0x10000c, behind the multiboot header: prints "hi", counts, walks over memory, leaves with 0x10.
const std::vector<u8> greeting{
    0x66, 0xba, 0xf8, 0x03,                     // mov dx, 0x3f8
    0xb0, 'h', 0xee, 0xb0, 'i', 0xee,           // mov al, 'h'; out dx, al; ...
    0xb9, 0x00, 0x00, 0x20, 0x00,               // mov ecx, 0x200000
    0x89, 0x09,                                 // mov [ecx], ecx
    0x03, 0x01,                                 // add eax, [ecx]
    0x83, 0xc1, 0x44,                           // add ecx, 0x44
    0x81, 0xf9, 0x00, 0x00, 0x22, 0x00,         // cmp ecx, 0x220000
    0x72, 0xf1,                                 // jb the store
    0xb0, 0x10, 0xe6, 0xf4, 0xf4,               // mov al, 0x10; out 0xf4, al; hlt
};
constexpr u64 rounds = (0x20000 + 0x43) / 0x44;
constexpr u64 greeting_instructions = 6 + 5 * rounds + 2;

struct Done {
    RunResult result;
    std::string serial;
    std::map<std::string, Statistic::Value> figures;      // without host.*
    u64 ram_transactions = 0;
    u32 last_word = 0;
};

// A machine with a guest, and what comes out of it.
class Runner {
public:
    Runner(const MachineParams& params, const std::vector<u8>& code) : machine_{MachineAccess::make(params)} {
        const TemporaryFile image(elf32({.memory_bytes = 0x4000, .entry = 0x10000c, .contents = code}));
        machine_.load({.path = image.path(), .command_line = "", .initrd = "", .modules = {}});
        machine_.on_serial([this](std::string_view text) { done_.serial += text; });
    }
    // Of so many instructions, 0 for no limit. Returns whether the guest goes on.
    bool run(u64 instructions) {
        done_.result = machine_.run({.instructions = instructions});
        return done_.result.reason == StopReason::limit;
    }
    const Done& finish() {
        for (const auto& figure : machine_.statistics())
            if (!figure.name.starts_with("host.")) done_.figures[figure.name] = figure.value;
        done_.ram_transactions = machine_.statistics().count("host.ram_transactions");
        std::memcpy(&done_.last_word, machine_.read_memory(0x200000 + 0x44 * (rounds - 1), 4).data(), 4);
        return done_;
    }

private:
    Done done_;
    Machine machine_;
};

Done run(const MachineParams& params, const std::vector<u8>& code, u64 slice = 0) {
    Runner runner{params, code};
    while (runner.run(slice) && slice != 0) {}
    return runner.finish();
}

MachineParams params_in(const std::string& mode) {
    MachineParams params;
    params.machine.mode = mode;
    params.machine.instruction_costs = "none";
    params.memory.size = 16 * MiB;
    return params;
}

class CoreRun : public testing::TestWithParam<std::string> {};

TEST_P(CoreRun, ExecutesAGuestToItsExit) {
    const auto done = run(params_in(GetParam()), greeting);
    EXPECT_EQ(done.result.reason, StopReason::guest_exit) << done.result.message << done.result.dump;
    EXPECT_EQ(done.result.status, 0x21);
    EXPECT_EQ(done.serial, "hi");
    EXPECT_EQ(std::get<u64>(done.figures.at("sim.instructions")), greeting_instructions);
    EXPECT_EQ(std::get<u64>(done.figures.at("cpu0.instructions")), greeting_instructions);
    EXPECT_EQ(done.last_word, 0x200000 + 0x44 * (rounds - 1));
}

TEST_P(CoreRun, GivesTheSameStatisticsWithoutDirectMemory) {
    const auto direct = run(params_in(GetParam()), greeting);
    auto params = params_in(GetParam());
    params.bus.dmi = false;
    const auto by_bus = run(params, greeting);
    EXPECT_EQ(direct.ram_transactions, 0U);
    EXPECT_GE(by_bus.ram_transactions, 2 * rounds);
    EXPECT_EQ(by_bus.serial, direct.serial);
    EXPECT_EQ(by_bus.last_word, direct.last_word);
    for (const auto& [name, value] : direct.figures) EXPECT_EQ(by_bus.figures.at(name), value) << name;
}

TEST_P(CoreRun, GivesTheSameStatisticsInSlices) {
    const auto whole = run(params_in(GetParam()), greeting);
    const auto sliced = run(params_in(GetParam()), greeting, 1237);
    EXPECT_EQ(sliced.serial, whole.serial);
    for (const auto* name : {"sim.instructions", "bus.writes", "cpu0.instructions"}) EXPECT_EQ(sliced.figures.at(name), whole.figures.at(name)) << name;
}

INSTANTIATE_TEST_SUITE_P(Modes, CoreRun, testing::Values("functional", "warm", "timing"), [](const auto& tested) { return tested.param; });

// Nothing of a machine stays in the process. The sanitizers watch for what is not given back.
TEST(CoreRun, TwentyMachinesOneAfterTheOtherEachRunAsTheFirst) {
    std::map<std::string, Done> first;
    for (unsigned i = 0; i < 20; ++i) {
        const std::string mode = i % 2 == 0 ? "functional" : "timing";
        const auto done = run(params_in(mode), greeting);
        const auto& expected = first.try_emplace(mode, done).first->second;
        EXPECT_EQ(done.result.status, 0x21) << i;
        EXPECT_EQ(done.serial, "hi") << i;
        EXPECT_EQ(done.figures, expected.figures) << i;
    }
    EXPECT_NE(std::get<u64>(first.at("timing").figures.at("cpu0.l1d.data.misses")), 0U);
}

TEST(CoreRun, TwoMachinesInTurnsRunAsEachAlone) {
    constexpr u64 slice = 997;
    std::map<std::string, Done> alone;
    for (const std::string mode : {"functional", "timing"}) alone[mode] = run(params_in(mode), greeting, slice);
    Runner functional{params_in("functional"), greeting}, timing{params_in("timing"), greeting};
    for (bool one = true, other = true; one || other;) {
        if (one) one = functional.run(slice);
        if (other) other = timing.run(slice);
    }
    for (const auto& [runner, expected] : {std::pair{&functional, &alone["functional"]}, std::pair{&timing, &alone["timing"]}}) {
        const auto& done = runner->finish();
        EXPECT_EQ(done.serial, "hi");
        EXPECT_EQ(done.last_word, expected->last_word);
        EXPECT_EQ(done.figures, expected->figures);
    }
}

TEST(CoreRun, HaltsForGoodWhenNothingCanWakeIt) {
    const auto done = run(params_in("functional"), {0xfa, 0xf4});       // cli; hlt
    EXPECT_EQ(done.result.reason, StopReason::halted);
    EXPECT_EQ(done.result.status, 8);
}

TEST(CoreRun, OtherProcessorsWaitUntilTheyAreStarted) {
    auto params = params_in("functional");
    params.machine.cpus = 3;
    const auto waiting = run(params, {0xfa, 0xf4});
    EXPECT_EQ(waiting.result.reason, StopReason::halted);
    EXPECT_EQ(std::get<u64>(waiting.figures.at("sim.instructions")), 2U);
    const std::vector<u8> starts_them{
        0xc7, 0x05, 0x00, 0x80, 0x00, 0x00, 0xb0, 0x10, 0xe6, 0xf4,      // mov dword [0x8000], what a started processor does: mov al, 0x10; out 0xf4, al
        0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x00, 0x45, 0x0c, 0x00,      // mov dword [0xfee00300], INIT for all but this one
        0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x08, 0x46, 0x0c, 0x00,      // mov dword [0xfee00300], start up at 0x8000
        0xfa, 0xf4,                                                      // cli; hlt
    };
    for (const std::string mode : {"functional", "timing"}) {
        params.machine.mode = mode;
        const auto started = run(params, starts_them);
        EXPECT_EQ(started.result.status, 0x21) << mode;
        EXPECT_GE(std::get<u64>(started.figures.at("sim.instructions")), 7U);
    }
}

// The interrupt line of a port wakes HLT by the 8259s and LINT0, once somebody has set them up: line 11 is vector 73H.
TEST(CoreRun, StartsWithTheInterruptControllersOfAFirmwareIfToldTo) {
    std::vector<u8> code{
        0x0f, 0x01, 0x15, 0x40, 0x02, 0x10, 0x00,                        // lgdt [0x100240]
        0x0f, 0x01, 0x1d, 0x00, 0x02, 0x10, 0x00,                        // lidt [0x100200]
        0xbc, 0x00, 0x30, 0x10, 0x00,                                    // mov esp, 0x103000
        0x66, 0xba, 0x0b, 0x20, 0xb0, 0x01, 0xee,                        // mov dx, 200BH; mov al, 1; out dx, al
        0xfb, 0xf4, 0xeb, 0xfd,                                          // sti; hlt; jmp the hlt
    };
    constexpr u64 base = 0x10'000c, table = 0x10'0200, handler = 0x10'0180;
    const auto put = [&](u64 address, std::initializer_list<u8> bytes) {
        code.resize(std::max<std::size_t>(code.size(), address - base + bytes.size()));
        std::copy(bytes.begin(), bytes.end(), code.begin() + static_cast<std::ptrdiff_t>(address - base));
    };
    put(handler, {0xb0, 0x10, 0xe6, 0xf4});                              // mov al, 0x10; out 0xf4, al
    put(table, {0xff, 0x07, 0x08, 0x02, 0x10, 0x00});                    // limit and base of the table behind it
    put(table + 8 + 8 * 0x73, {0x80, 0x01, 0x08, 0x00, 0x00, 0x8e, 0x10, 0x00});
    put(0x10'0240, {0xff, 0x00, 0x46, 0x02, 0x10, 0x00});
    put(0x10'0246 + 8, {0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xcf, 0x00});
    auto params = params_in("functional");
    EXPECT_EQ(run(params, code).result.reason, StopReason::halted);
    params.loader.firmware_interrupts = true;
    EXPECT_EQ(run(params, code).result.status, 0x21);
}

TEST(CoreRun, ReportsATripleFaultWithTheRegisters) {
    const auto done = run(params_in("functional"), {0x0f, 0x0b});       // ud2 without an IDT
    EXPECT_EQ(done.result.reason, StopReason::triple_fault);
    EXPECT_EQ(done.result.status, 4);
    EXPECT_NE(done.result.dump.find("10000c"), std::string::npos) << done.result.dump;
}

}  // namespace
}  // namespace vtsim::platform
