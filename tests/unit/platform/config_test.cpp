// SPDX-License-Identifier: Apache-2.0
#include <vtsim/config.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "platform/config_access.h"
#include "platform/machine_access.h"

namespace vtsim {
namespace {

using platform::ConfigAccess;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string error_of(auto&& action) {
    try {
        action();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

// The dotted names of all parameters.
std::vector<std::string> parameters_of(const Config& config) {
    std::vector<std::string> names;
    std::istringstream lines{config.listing()};
    for (std::string line; std::getline(lines, line);)
        if (const auto end = line.find(" = "); end != std::string::npos) names.push_back(line.substr(0, line.find(' ')));
    return names;
}

// A directory of presets of its own, found through the environment.
class OwnPresets : public testing::Test {
protected:
    OwnPresets() {
        std::filesystem::create_directories(root_ / "features");
        std::filesystem::create_directories(root_ / "timing");
        ::setenv("VTSIM_PRESETS", ("/nonexistent::" + root_.string()).c_str(), 1);
    }
    ~OwnPresets() override {
        ::unsetenv("VTSIM_PRESETS");
        std::filesystem::remove_all(root_);
    }
    std::filesystem::path write(const std::string& name, const std::string& text) const {
        std::ofstream(root_ / name) << text;
        return root_ / name;
    }
    std::filesystem::path root_ = std::filesystem::path(testing::TempDir()) / ("vtsim_presets_" + std::to_string(::getpid()));
};

TEST(Configuration, BeginsWithBothHalvesOfBroadwell) {
    const Config config;
    EXPECT_EQ(config.preset_name(), "broadwell");
    EXPECT_EQ(config.get("features.signature"), 0x306d4);                   // features/broadwell.toml
    EXPECT_EQ(config.get("cache.l2.size"), 262144);                         // timing/broadwell.toml
    EXPECT_EQ(config.get("machine.instruction_costs"), "broadwell");
    EXPECT_NO_THROW(config.validate());
}

TEST(Configuration, BuildsMachines) {
    Config config;
    config.set("machine.cpus=2");
    config.set("memory.size", "16M");
    const Machine machine{config};
    EXPECT_EQ(machine.core_count(), 2U);
    EXPECT_EQ(machine.read_memory(15 << 20, 4), std::string(4, '\0'));
    config.set("machine.cpus=65");
    EXPECT_THAT(error_of([&] { const Machine impossible{config}; }), AllOf(HasSubstr("machine.cpus"), HasSubstr("65")));
}

TEST(Configuration, SettingsChangeOneParameterOrAreRejected) {
    Config config;
    config.set("memory.size=1G");
    EXPECT_EQ(config.get("memory.size"), 1 << 30);
    EXPECT_THAT(error_of([&] { config.set("memory.sice=1G"); }), HasSubstr("did you mean 'memory.size'?"));
    EXPECT_THAT(error_of([&] { config.set("memory.size"); }), HasSubstr("expected key=value"));
    EXPECT_THAT(error_of([&] { config.set("=3"); }), HasSubstr("expected key=value"));
    EXPECT_THAT(error_of([&] { config.set("memory.size=much"); }), AllOf(HasSubstr("'memory.size'"), HasSubstr("\"much\""), HasSubstr("expected")));
    EXPECT_THAT(error_of([&] { (void)config.get("memory.sice"); }), HasSubstr("did you mean 'memory.size'?"));
}

// Whatever a parameter is set to, there is a machine of it or one line that says what was expected.
TEST(Configuration, EveryParameterTakesAnyValueOrRefusesIt) {
    const Config preset;
    unsigned taken = 0, refused = 0;
    for (const auto& parameter : parameters_of(preset)) {
        for (const char* value : {"0", "1", "255", "3221225472", "18446744073709551615", "-1", "off", "?"}) {
            Config config = preset;
            try {
                config.set(parameter, value);
                config.validate();
                const Machine machine{config};
                ++taken;
            } catch (const InputError& error) {
                const std::string text = error.what();
                EXPECT_THAT(text, HasSubstr("expected")) << parameter << '=' << value;
                EXPECT_EQ(text.find('\n'), std::string::npos) << text;
                ++refused;
            }
        }
    }
    EXPECT_GT(taken, 200U);
    EXPECT_GT(refused, 200U);
}

TEST(Configuration, AliasesReachTheParametersBehindThem) {
    Config config;
    config.set("tlb.stale=retain");
    config.set("core.filters=off");
    const auto& params = ConfigAccess::params(config);
    EXPECT_EQ(params.mmu.stale, "retain");
    EXPECT_FALSE(params.mmu.filters);
    EXPECT_FALSE(params.cache.filters);
}

TEST(Configuration, CopiesAreIndependent) {
    Config one;
    Config other = one;
    other.set("machine.cpus=3");
    EXPECT_EQ(one.get("machine.cpus"), 1);
    one = other;
    EXPECT_EQ(one.get("machine.cpus"), 3);
}

TEST(Configuration, ListingIsAFileWithTheSameMeaning) {
    Config config;
    config.set("mmu.stlb.latency=11");
    const auto path = std::filesystem::path(testing::TempDir()) / ("vtsim_listing_" + std::to_string(::getpid()) + ".toml");
    std::ofstream(path) << config.listing();
    Config again;
    again.load_file(path);
    std::filesystem::remove(path);
    EXPECT_EQ(boost::json::serialize(again.json()), boost::json::serialize(config.json()));
    EXPECT_EQ(again.get("mmu.stlb.latency"), 11);
}

TEST(Presets, UnknownOnesNameTheNearest) {
    EXPECT_THAT(error_of([] { (void)Config::preset("brodwell"); }), AllOf(HasSubstr("unknown features preset 'brodwell'"), HasSubstr("did you mean 'broadwell'?")));
    EXPECT_THAT(error_of([] { (void)Config::preset("broadwell:brodwell"); }), HasSubstr("unknown timing preset 'brodwell'"));
    for (const char* name : {"", ":", "broadwell:", "../x", "a:b:c"}) EXPECT_THAT(error_of([&] { (void)Config::preset(name); }), HasSubstr("expected a name")) << name;
}

TEST_F(OwnPresets, AreFoundFirstAndTheOwnOnesStillAreFound) {
    write("timing/slow.toml", "[dram]\nlatency = 999\n");
    EXPECT_THAT(preset_names().timing, AllOf(Contains("slow"), Contains("broadwell")));
    EXPECT_THAT(preset_names().features, Not(Contains("slow")));
    const auto config = Config::preset("broadwell:slow");
    EXPECT_EQ(config.preset_name(), "broadwell:slow");
    EXPECT_EQ(config.get("dram.latency"), 999);
    EXPECT_EQ(config.get("features.signature"), 0x306d4);
    EXPECT_EQ(config.get("machine.instruction_costs"), "none");             // it brings no table of its own
    EXPECT_NO_THROW(Machine{config});
}

TEST_F(OwnPresets, BringTheirTableOfInstructionCosts) {
    write("timing/own.toml", "[core]\ninstructions = [{name = \"add\", latency = 3}]\n");
    const auto config = Config::preset("broadwell:own");
    EXPECT_EQ(config.get("machine.instruction_costs"), "own");
    EXPECT_NO_THROW(Machine{config});
    Config from_file;
    const auto path = write("mine.toml", "[core]\ninstructions = [{name = \"add\", latency = 3}]\n");
    from_file.load_file(path);
    EXPECT_EQ(from_file.get("machine.instruction_costs").as_string(), path.string());
}

TEST_F(OwnPresets, ErrorsNameFileAndLine) {
    write("timing/bad.toml", "[dram]\nlatenzy = 1\n");
    EXPECT_THAT(error_of([] { (void)Config::preset("broadwell:bad"); }), AllOf(HasSubstr("timing/bad.toml:2:"), HasSubstr("did you mean 'dram.latency'?")));
}

}  // namespace
}  // namespace vtsim
