// SPDX-License-Identifier: Apache-2.0
#include "base/bits.h"

#include <gtest/gtest.h>

namespace vtsim {
namespace {

TEST(FieldTest, NumbersBitsAsTheManualsDo) {
    using Walk = Field<5, 3>;
    EXPECT_EQ(Walk::get(0x1e), 3U);
    EXPECT_EQ(Walk::set(~u64{0}, 0), ~u64{0x38});
    EXPECT_EQ((Field<63, 0>::mask), ~u64{0});
}

TEST(SignExtendTest, RepeatsTheTopmostBit) {
    EXPECT_EQ(sign_extend(0x8000'0000'0000, 48), 0xffff'8000'0000'0000U);
    EXPECT_EQ(sign_extend(0x7fff'ffff'ffff, 48), 0x7fff'ffff'ffffU);
}

}  // namespace
}  // namespace vtsim
