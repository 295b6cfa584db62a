// SPDX-License-Identifier: Apache-2.0
#include "base/config/nearest.h"

#include <gtest/gtest.h>

namespace vtsim::config {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);       // Levenshtein's own example in most textbooks
    EXPECT_EQ(edit_distance("flaw", "lawn"), 2U);
}

TEST(Nearest, IsTheLeastDistantName) {
    EXPECT_EQ(nearest("brodwell", {"haswell", "broadwell"}), "broadwell");
    EXPECT_EQ(nearest("entries", {"mmu.stlb.entries", "enter"}), "mmu.stlb.entries");
}

TEST(Nearest, IsEmptyWhenNothingIsNear) {
    EXPECT_EQ(nearest("zzzzzz", {"haswell", "broadwell"}), "");
    EXPECT_EQ(suggestion("x", {}), "");
}

}  // namespace
}  // namespace vtsim::config
