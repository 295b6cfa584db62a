// SPDX-License-Identifier: Apache-2.0
#include "platform/bus/address_map.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace vtsim::platform {
namespace {

TEST(AddressMap, FindsTheSameRangeAsALinearSearch) {
    AddressMap map;
    for (u64 i = 0; i < 40; ++i) map.add({i * 100, i * 100 + i, static_cast<unsigned>(i), 0, "r"});       // i + 1 addresses each, gaps between
    std::mt19937_64 random{2};
    for (int i = 0; i < 20000; ++i) {
        const u64 address = random() % 4200;
        const bool inside = address / 100 < 40 && address % 100 <= address / 100;
        const auto* found = map.find(address);
        ASSERT_EQ(found != nullptr, inside) << address;
        if (inside) {
            ASSERT_EQ(found->target, address / 100);
        }
    }
}

TEST(AddressMap, RefusesRangesThatOverlapAndNamesBoth) {
    for (const auto& [first, last] : {std::pair<u64, u64>{0, 0x100}, {0x1ff, 0x300}, {0x120, 0x130}, {0, 0x1000}}) {
        AddressMap map;
        map.add({0x100, 0x1ff, 0, 0, "uart"});
        try {
            map.add({first, last, 1, 0, "timer"});
            FAIL() << "accepted " << first;
        } catch (const ConfigError& error) {
            EXPECT_NE(std::string(error.what()).find("uart"), std::string::npos);
            EXPECT_NE(std::string(error.what()).find("timer"), std::string::npos);
        }
    }
    AddressMap map;
    map.add({0x100, 0x1ff, 0, 0, "uart"});
    EXPECT_NO_THROW(map.add({0x200, 0x2ff, 1, 0, "above"}));
    EXPECT_NO_THROW(map.add({0, 0xff, 2, 0, "below"}));
    EXPECT_THROW(map.add({5, 4, 3, 0, "wrapped"}), ConfigError);
}

}  // namespace
}  // namespace vtsim::platform
