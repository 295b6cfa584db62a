// SPDX-License-Identifier: Apache-2.0
#include "mmu/context.h"

#include <array>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace {

using vtsim::mmu::ContextKey;
using vtsim::mmu::ContextTable;

ContextKey random_key(std::mt19937_64& random) {
    ContextKey key;
    key.space.bits = random() & 0xffff'ffff;
    key.rules = random() & 0x3ff;
    return key;
}

// A host and three guests: were two of them to take each other's number, all that is cached would be lost at every change between them.
TEST(ContextTable, ContextsInUseKeepTheirNumbers) {
    std::mt19937_64 random{1};
    for (int round = 0; round < 1000; ++round) {
        ContextTable table;
        std::array<ContextKey, 4> keys;
        std::array<vtsim::u32, 4> numbers{};
        for (std::size_t i = 0; i < keys.size(); ++i) {
            keys[i] = random_key(random);
            numbers[i] = table.intern(keys[i]);
        }
        for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(table.intern(keys[i]), numbers[i]) << "round " << round << ", context " << i;
    }
}

TEST(ContextTable, NumbersOfDifferentContextsDiffer) {
    std::mt19937_64 random{2};
    ContextTable table;
    std::set<vtsim::u32> numbers;
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(numbers.insert(table.intern(random_key(random))).second);
}

// A dropped context gets a new number, the others keep theirs.
TEST(ContextTable, DroppedContextsGetNewNumbers) {
    std::mt19937_64 random{3};
    ContextTable table;
    const auto first = random_key(random), second = random_key(random);
    const auto number_of_first = table.intern(first), number_of_second = table.intern(second);
    table.drop_if([&](vtsim::tlb::Space space) { return space == first.space; });
    EXPECT_NE(table.intern(first), number_of_first);
    EXPECT_EQ(table.intern(second), number_of_second);
}

TEST(ContextTable, SaysWhenNumbersRunOut) {
    std::mt19937_64 random{4};
    ContextTable table;
    vtsim::u32 number = 0;
    for (vtsim::u32 i = 0; i <= ContextTable::limit && number != ContextTable::exhausted; ++i) number = table.intern(random_key(random));
    EXPECT_EQ(number, ContextTable::exhausted);
    table.restart();
    EXPECT_NE(table.intern(random_key(random)), ContextTable::exhausted);
}

}  // namespace
