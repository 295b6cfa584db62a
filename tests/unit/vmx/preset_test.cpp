// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "vmx/vmx_params.h"

namespace vtsim::vmx::test {

namespace {

// The [vmx] table of a features preset, as text; a line without a comment has no source.
std::map<std::string, std::string> stated(const std::string& preset) {
    std::ifstream file(std::string(VTSIM_PRESET_DIR) + "/features/" + preset + ".toml");
    EXPECT_TRUE(file) << preset;
    std::map<std::string, std::string> values;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty() && line[0] == '[') inside = line == "[vmx]";
        const auto equals = line.find(" = ");
        if (!inside || line.empty() || line[0] == '#' || equals == std::string::npos) continue;
        const auto end = line.find_first_of(" #", equals + 3);
        EXPECT_TRUE(values.emplace(line.substr(0, equals), line.substr(equals + 3, end - equals - 3)).second) << line;
        EXPECT_NE(line.find('#'), std::string::npos) << "a source: " << line;
    }
    return values;
}

}  // namespace

TEST(FeaturePresets, StateEveryVmxParameterOnceWithItsSource) {
    for (const char* preset : {"haswell", "broadwell", "skylake-sp"}) {
        const auto values = stated(preset);
        std::size_t count = 0;
        std::apply(
            [&](const auto&... param) {
                const auto check = [&](const auto& row) {
                    ++count;
                    EXPECT_TRUE(values.contains(std::string(row.name))) << preset << ' ' << row.name;
                };
                (check(param), ...);
            },
            config::schema<VmxParams>);
        EXPECT_EQ(values.size(), count) << preset;
    }
}

TEST(BroadwellPreset, SaysWhatTheDefaultsSay) {
    auto values = stated("broadwell");
    const VmxParams defaults;
    std::apply(
        [&](const auto&... param) {
            const auto check = [&](const auto& row) {
                const auto& text = values[std::string(row.name)];
                const u64 value = text == "true" ? 1 : text == "false" ? 0 : text.empty() ? ~u64{0} : std::stoul(text, nullptr, 0);
                EXPECT_EQ(value, static_cast<u64>(defaults.*row.member)) << row.name;
            };
            (check(param), ...);
        },
        config::schema<VmxParams>);
}

}  // namespace vtsim::vmx::test
