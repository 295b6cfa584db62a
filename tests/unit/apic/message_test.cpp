// SPDX-License-Identifier: Apache-2.0
#include "apic/message.h"

#include <gtest/gtest.h>

#include <array>

namespace vtsim::apic {
namespace {

constexpr auto fixed = DeliveryMode::fixed;
constexpr auto lowest = DeliveryMode::lowest_priority;

u64 to(u32 destination, bool logical, std::span<const Identity> apics, bool wide = false, DeliveryMode mode = fixed) {
    return destinations({.vector = 0x40, .mode = mode, .logical = logical, .wide = wide, .destination = destination}, apics);
}

std::array<Identity, 4> xapics(bool flat, std::array<u8, 4> logical) {
    std::array<Identity, 4> all;
    for (u32 i = 0; i < 4; ++i) all[i] = {.id = i, .logical = u32{logical[i]} << 24, .flat = flat};
    return all;
}

TEST(PhysicalDestination, IsOneIdOrAll) {
    const auto apics = xapics(true, {1, 2, 4, 8});
    for (u32 i = 0; i < 4; ++i) EXPECT_EQ(to(i, false, apics), 1U << i);
    EXPECT_EQ(to(4, false, apics), 0U);
    EXPECT_EQ(to(0xff, false, apics), 0xfU);
    EXPECT_EQ(to(0xff, false, apics, true), 0U);            // 32 bits: not the broadcast
    EXPECT_EQ(to(0xffffffff, false, apics, true), 0xfU);
}

TEST(FlatDestination, IsEverySetBit) {
    const auto apics = xapics(true, {1, 2, 4, 8});
    for (u32 mda = 0; mda < 255; ++mda) EXPECT_EQ(to(mda, true, apics), mda & 0xf) << mda;
    EXPECT_EQ(to(0xff, true, apics), 0xfU);
    EXPECT_EQ(to(0x80, true, xapics(true, {0x81, 0, 0x80, 1})), 0b0101U);
}

TEST(ClusterDestination, IsTheSetBitsOfOneCluster) {
    const auto apics = xapics(false, {0x11, 0x12, 0x21, 0x24});
    EXPECT_EQ(to(0x11, true, apics), 0b0001U);
    EXPECT_EQ(to(0x13, true, apics), 0b0011U);
    EXPECT_EQ(to(0x1c, true, apics), 0U);
    EXPECT_EQ(to(0x2f, true, apics), 0b1100U);
    EXPECT_EQ(to(0x3f, true, apics), 0U);
    EXPECT_EQ(to(0xff, true, apics), 0xfU);
}

TEST(X2apicLogicalDestination, IsTheSetBitsOfOneClusterOfSixteen) {
    std::array<Identity, 4> apics;
    constexpr u32 ids[] = {0, 3, 0x10, 0x1f};
    for (u32 i = 0; i < 4; ++i) apics[i] = {.id = ids[i], .logical = (ids[i] >> 4) << 16 | 1U << (ids[i] & 15), .x2apic = true};
    EXPECT_EQ(to(0x0000'0009, true, apics, true), 0b0011U);
    EXPECT_EQ(to(0x0001'8001, true, apics, true), 0b1100U);
    EXPECT_EQ(to(0x0002'ffff, true, apics, true), 0U);
    EXPECT_EQ(to(0xffff'ffff, true, apics, true), 0xfU);
    EXPECT_EQ(to(0x1f, false, apics, true), 0b1000U);
}

TEST(Destinations, LeaveOutDisabledApics) {
    auto apics = xapics(true, {1, 2, 4, 8});
    apics[1].accepts = false;
    apics[2].present = false;
    EXPECT_EQ(to(0xff, false, apics), 0b1001U);
    EXPECT_EQ(to(0xff, false, apics, false, DeliveryMode::nmi), 0b1011U);      // software-disabled APICs take NMIs
}

TEST(LowestPriority, ChoosesTheSmallestArbitrationPriority) {
    auto apics = xapics(true, {1, 2, 4, 8});
    for (u32 i = 0; i < 4; ++i) apics[i].arbitration = static_cast<u8>(0x50 - 0x10 * i);
    EXPECT_EQ(to(0x0f, true, apics, false, lowest), 0b1000U);
    EXPECT_EQ(to(0x03, true, apics, false, lowest), 0b0010U);
    apics[1].arbitration = apics[3].arbitration;
    EXPECT_EQ(to(0x0f, true, apics, false, lowest), 0b0010U);
    EXPECT_EQ(to(0x30, true, apics, false, lowest), 0U);
}

TEST(Shorthand, NeedsNoDestination) {
    const auto apics = xapics(true, {1, 2, 4, 8});
    const auto with = [&](Shorthand shorthand) { return destinations({.vector = 0x40, .shorthand = shorthand, .destination = 1}, apics, 2); };
    EXPECT_EQ(with(Shorthand::none), 0b0010U);
    EXPECT_EQ(with(Shorthand::self), 0b0100U);
    EXPECT_EQ(with(Shorthand::all_including_self), 0b1111U);
    EXPECT_EQ(with(Shorthand::all_excluding_self), 0b1011U);
}

TEST(MessageSignalledInterrupt, IsDecodedFromAddressAndData) {
    const auto physical = decode_msi(0xfee05000, 0x0041);
    EXPECT_EQ(physical, (Message{.vector = 0x41, .destination = 5}));
    const auto level = decode_msi(0xfee0300c, 0xc142);
    EXPECT_EQ(level, (Message{.vector = 0x42, .mode = lowest, .logical = true, .level = true, .destination = 3}));
    EXPECT_EQ(decode_msi(0xfee0300c, 0x0042).mode, lowest);         // redirection hint in logical mode
    EXPECT_EQ(decode_msi(0xfee03000, 0x0400).mode, DeliveryMode::nmi);
    EXPECT_FALSE(decode_msi(0xfee03000, 0x8500).assert);
}

}  // namespace
}  // namespace vtsim::apic
