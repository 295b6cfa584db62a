// SPDX-License-Identifier: Apache-2.0
#include <Zydis/Mnemonic.h>
#include <gtest/gtest.h>
#include <toml++/toml.h>

#include <tuple>

#include "base/error.h"
#include "timing/cache/params.h"
#include "timing/core_params.h"
#include "timing/dram.h"
#include "timing/instruction_costs.h"
#include "timing/vm_transition.h"

namespace vtsim::timing {
namespace {

constexpr const char* preset = VTSIM_PRESET_DIR "/timing/broadwell.toml";

template <class Params>
void expect_defaults(const toml::table& table, const Params& params = {}) {
    std::apply(
        [&](const auto&... row) {
            const auto check = [&](const auto& one) {
                const auto& value = params.*one.member;
                if constexpr (config::HasSchema<std::remove_cvref_t<decltype(value)>>)
                    expect_defaults(*table[one.name].as_table(), value);
                else
                    EXPECT_EQ(table[one.name].template value<i64>().value_or(i64{table[one.name].value_or(false)}), static_cast<i64>(value)) << one.name;
            };
            (check(row), ...);
        },
        config::schema<Params>);
}

TEST(BroadwellPreset, SaysWhatTheDefaultsSay) {
    const auto file = toml::parse_file(preset);
    expect_defaults<CacheParams>(*file["cache"].as_table());
    expect_defaults<DramParams>(*file["dram"].as_table());
    expect_defaults<CoreModelParams>(*file["core"].as_table());
    expect_defaults<VmxCostParams>(*file["vmx_cost"].as_table());
    CacheParams{}.validate();
}

template <class Params>
void expect_all_stated(const toml::table& table, const std::string& where) {
    std::apply(
        [&](const auto&... row) {
            const auto check = [&](const auto& one) {
                using Value = std::remove_cvref_t<decltype(std::declval<Params>().*one.member)>;
                ASSERT_TRUE(table.contains(one.name)) << where << '.' << one.name;
                if constexpr (config::HasSchema<Value>) expect_all_stated<Value>(*table[one.name].as_table(), where + '.' + std::string(one.name));
            };
            (check(row), ...);
        },
        config::schema<Params>);
}

// A preset of a processor inherits nothing from the defaults, which are another processor's.
TEST(TimingPresets, OfProcessorsStateEveryParameter) {
    for (const std::string name : {"haswell", "broadwell", "skylake-sp"}) {
        const auto file = toml::parse_file(VTSIM_PRESET_DIR "/timing/" + name + ".toml");
        expect_all_stated<CacheParams>(*file["cache"].as_table(), name + " cache");
        expect_all_stated<DramParams>(*file["dram"].as_table(), name + " dram");
        expect_all_stated<CoreModelParams>(*file["core"].as_table(), name + " core");
        expect_all_stated<VmxCostParams>(*file["vmx_cost"].as_table(), name + " vmx_cost");
        const auto costs = InstructionCosts::load(VTSIM_PRESET_DIR "/timing/" + name + ".toml");
        for (u16 mnemonic = 1; mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE; ++mnemonic) EXPECT_FALSE(costs[costs.class_of(mnemonic, OperandForm::reg, 64)].name.empty()) << name << ' ' << mnemonic;
    }
}

const InstructionCost& cost(const InstructionCosts& costs, ZydisMnemonic mnemonic, bool memory, unsigned width) {
    return costs[costs.class_of(static_cast<u16>(mnemonic), memory ? OperandForm::memory : OperandForm::reg, width)];
}

TEST(BroadwellPreset, TellsFormsAndWidthsApart) {
    const auto costs = InstructionCosts::load(preset);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_MOV, true, 64).uops, 0U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_MOV, false, 64).uops, 1U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_DIV, false, 32).latency, 26U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_DIV, true, 64).latency, 36U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_IDIV, false, 64).latency, 42U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_ADD, false, 8).fuse, InstructionCost::Fuse::first);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_JNZ, false, 64).fuse, InstructionCost::Fuse::second);
}

TEST(BroadwellPreset, GivesVexFormsTheCostOfTheLegacyForms) {
    const auto costs = InstructionCosts::load(preset);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_VADDPS, false, 256).name, cost(costs, ZYDIS_MNEMONIC_ADDPS, false, 128).name);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_VDIVPD, false, 256).busy, 16U);
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_VFMADD213PS, false, 256).latency, 5U) << "longest prefix";
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_PADDD, false, 128).name, "p*");
    EXPECT_EQ(cost(costs, ZYDIS_MNEMONIC_TLBSYNC, false, 64).name, "*");
}

// Moves with control registers share MOV's mnemonic, not its cost; a table without rows for them takes the one of registers.
TEST(BroadwellPreset, TellsControlRegistersApart) {
    const auto costs = InstructionCosts::load(preset);
    const auto move = [](const InstructionCosts& table, OperandForm form) { return table[table.class_of(ZYDIS_MNEMONIC_MOV, form, 64)]; };
    EXPECT_EQ(move(costs, OperandForm::to_control).latency, 186U);
    EXPECT_EQ(move(costs, OperandForm::from_control).latency, 4U);
    EXPECT_EQ(move(costs, OperandForm::from_control).uops, 4U);
    EXPECT_EQ(move(costs, OperandForm::reg).uops, 1U);
    const auto plain = InstructionCosts::parse("[core]\ninstructions = [{name = \"mov\", form = \"register\", latency = 7}, {name = \"mov\", form = \"memory\", latency = 9}]", "plain");
    EXPECT_EQ(move(plain, OperandForm::to_control).latency, 7U);
    EXPECT_EQ(move(plain, OperandForm::memory).latency, 9U);
}

// Where the cores differ, by LLVM's machine models: HWWriteResPair and SKXWriteResPair of WriteADC, WriteFMul, WriteFAdd, WriteAESDecEnc.
TEST(TimingPresets, TellTheCoresApart) {
    const auto of = [](const char* name, ZydisMnemonic mnemonic) {
        const auto costs = InstructionCosts::load(std::string(VTSIM_PRESET_DIR "/timing/") + name + ".toml");
        return cost(costs, mnemonic, false, 128);
    };
    EXPECT_EQ(of("haswell", ZYDIS_MNEMONIC_ADC).uops, 2U);
    EXPECT_EQ(of("broadwell", ZYDIS_MNEMONIC_ADC).uops, 1U);
    EXPECT_EQ(of("haswell", ZYDIS_MNEMONIC_MULPD).latency, 5U);
    EXPECT_EQ(of("broadwell", ZYDIS_MNEMONIC_MULPD).latency, 3U);
    EXPECT_EQ(of("skylake-sp", ZYDIS_MNEMONIC_MULPD).latency, 4U);
    EXPECT_EQ(of("skylake-sp", ZYDIS_MNEMONIC_ADDPD).ports[0].mask, 0b11);
    EXPECT_EQ(of("skylake-sp", ZYDIS_MNEMONIC_AESENC).latency, 4U);
    EXPECT_EQ(of("skylake-sp", ZYDIS_MNEMONIC_PAUSE).latency, 140U);
}

TEST(InstructionCosts, ReadsPorts) {
    const auto costs = InstructionCosts::parse(R"(core.instructions = [{name = "add", uops = 3, ports = "2p0156 p5"}])", "test");
    const auto& add = cost(costs, ZYDIS_MNEMONIC_ADD, false, 32);
    EXPECT_EQ(add.ports[0].mask, 0b0110'0011);
    EXPECT_EQ(add.ports[0].uops, 2);
    EXPECT_EQ(add.ports[1].mask, 0b0010'0000);
    EXPECT_EQ(add.ports[1].uops, 1);
}

TEST(InstructionCosts, NamesTheRowThatIsWrong) {
    for (const char* text : {R"(core.instructions = [{name = "add", ports = "p9"}])", R"(core.instructions = [{name = "ad"}])",
                             R"(core.instructions = [{latency = 1}])", R"(core.instructions = [{name = "add", latency = -1}])",
                             R"(core.instructions = [{name = "add", letency = 1}])", R"(core.instructions = [{name = "add", form = "mem"}])",
                             R"(core.instructions = [{name = "add", ports = "2"}])", R"(core.instructions = [3])"})
        EXPECT_THROW(InstructionCosts::parse(text, "test"), ConfigError) << text;
    EXPECT_THROW(InstructionCosts::parse("core.instructions = [", "test"), InputError);
    EXPECT_THROW(InstructionCosts::load("/nonexistent"), InputError);
}

}  // namespace
}  // namespace vtsim::timing
