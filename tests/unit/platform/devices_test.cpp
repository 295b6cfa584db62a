// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>

#include "platform/devices/cmos.h"
#include "platform/devices/fw_cfg.h"
#include "platform/devices/pic8259.h"
#include "platform/devices/simple_ports.h"
#include "platform/devices/test_dma.h"
#include "platform/devices/test_ports.h"
#include "platform/devices/uart16550.h"

namespace vtsim::platform {
namespace {

class Serial : public testing::Test {
protected:
    Serial() {
        uart_.on_transmit([this](std::string_view text) { sent_ += text; });
        uart_.on_interrupt([this](bool level) { line_ = level; });
    }
    void write(unsigned offset, u64 value) { uart_.write(offset, 1, value); }
    u64 read(unsigned offset) { return uart_.read(offset, 1); }
    Uart16550 uart_;
    std::string sent_;
    bool line_ = false;
};

TEST_F(Serial, SendsWhatIsWrittenAndIsAlwaysReadyForMore) {
    for (const char c : std::string("hello")) {
        EXPECT_EQ(read(5) & 0x60, 0x60U);
        write(0, static_cast<u8>(c));
    }
    EXPECT_EQ(sent_, "hello");
}

TEST_F(Serial, HidesTheDivisorBehindTheDataRegisters) {
    write(3, 0x80);
    write(0, 0x34);
    write(1, 0x12);
    EXPECT_EQ(read(0), 0x34U);
    EXPECT_EQ(read(1), 0x12U);
    write(3, 0x03);
    EXPECT_EQ(read(1), 0U);          // the interrupt enable register, untouched
    EXPECT_EQ(sent_, "");
    EXPECT_EQ(read(3), 3U);
}

TEST_F(Serial, ReceivesInOrder) {
    EXPECT_EQ(read(5) & 1, 0U);
    uart_.receive("ab");
    EXPECT_EQ(read(5) & 1, 1U);
    EXPECT_EQ(read(0), u64{'a'});
    EXPECT_EQ(read(0), u64{'b'});
    EXPECT_EQ(read(5) & 1, 0U);
}

TEST_F(Serial, InterruptsOnlyWithOut2AndAnEnabledSource) {
    uart_.receive("x");
    EXPECT_FALSE(line_);
    write(1, 1);
    EXPECT_FALSE(line_);             // OUT2 is the gate on a PC
    write(4, 8);
    EXPECT_TRUE(line_);
    EXPECT_EQ(read(2) & 0xf, 4U);    // received data
    read(0);
    EXPECT_FALSE(line_);
    EXPECT_EQ(read(2) & 0xf, 1U);    // nothing pending
}

TEST_F(Serial, ReportsAnEmptyTransmitterOnceUntilItIsUsedAgain) {
    write(4, 8);
    write(1, 2);
    EXPECT_TRUE(line_);              // enabling it while empty raises it
    EXPECT_EQ(read(2) & 0xf, 2U);
    EXPECT_FALSE(line_);             // reading the identification acknowledges
    EXPECT_EQ(read(2) & 0xf, 1U);
    write(0, 'x');
    EXPECT_TRUE(line_);
}

TEST_F(Serial, WaitsForTheTriggerLevelOfTheFifo) {
    write(1, 1);
    write(2, 0x81);                  // FIFO on, 8 bytes
    EXPECT_EQ(read(2) & 0xc0, 0xc0U);
    uart_.receive("1234567");
    EXPECT_EQ(read(2) & 0xf, 0xcU);  // character timeout
    uart_.receive("8");
    EXPECT_EQ(read(2) & 0xf, 4U);
    write(2, 0x83);                  // clear the receiver
    EXPECT_EQ(read(5) & 1, 0U);
}

TEST_F(Serial, LoopsBackDataAndModemLines) {
    write(4, 0x1b);                  // loopback, DTR, RTS, OUT2
    write(0, 'z');
    EXPECT_EQ(sent_, "");
    EXPECT_EQ(read(0), u64{'z'});
    EXPECT_EQ(read(6) & 0xf0, 0xb0U);       // DCD (OUT2), DSR (DTR), CTS (RTS)
    write(7, 0x5a);
    EXPECT_EQ(read(7), 0x5aU);
}

TEST(DebugExit, ShiftsAndSetsTheLowestBit) {
    for (const auto& [value, status] : {std::pair<u64, int>{0, 1}, {1, 3}, {0x10, 0x21}, {0x7f, 0xff}}) {
        int seen = -1;
        DebugExit device{[&](int s) { seen = s; }};
        device.write(0, 4, value);
        EXPECT_EQ(seen, status);
    }
}

TEST(DebugConsole, PrintsAndIsFoundByItsNumber) {
    DebugConsole console;
    std::string text;
    console.on_text([&](std::string_view piece) { text += piece; });
    for (const char c : std::string("ok\n")) console.write(0, 1, static_cast<u8>(c));
    EXPECT_EQ(text, "ok\n");
    EXPECT_EQ(console.read(0, 1), 0xe9U);
}

TEST(FwCfg, StreamsItemsByteByByteFromTheSelector) {
    FwCfg device{3 * GiB, 4};
    const auto read = [&](u16 key, unsigned count) {
        device.write(0, 2, key);
        std::string bytes;
        for (unsigned i = 0; i < count; ++i) bytes.push_back(static_cast<char>(device.read(1, 1)));
        return bytes;
    };
    EXPECT_EQ(read(0, 4), "QEMU");
    EXPECT_EQ(read(5, 2), std::string("\4\0", 2));
    EXPECT_EQ(read(3, 8), std::string("\0\0\0\xc0\0\0\0\0", 8));
    EXPECT_EQ(read(0x11, 8), std::string(8, '\0'));
    EXPECT_EQ(read(0, 6), std::string("QEMU\0\0", 6));       // zeros past the end
}

TEST(Cmos, TellsTheSizeOfMemoryAndAValidClock) {
    Cmos cmos{64 * MiB};
    const auto cell = [&](u64 index) { cmos.write(0, 1, index); return cmos.read(1, 1); };
    EXPECT_EQ(cell(0x15) | cell(0x16) << 8, 640U);
    EXPECT_EQ(cell(0x34) | cell(0x35) << 8, 48 * MiB / (64 * KiB));
    EXPECT_EQ(cell(0xa) & 0x80, 0U);
    EXPECT_EQ(cell(0xd), 0x80U);
    cmos.write(0, 1, 0x8f);
    EXPECT_TRUE(cmos.nmi_masked());
    cmos.write(1, 1, 0x42);
    EXPECT_EQ(cell(0x0f), 0x42U);
}

class Pics : public testing::Test {
protected:
    Pics() {
        pair_.on_output([this](bool level) { output_ = level; });
        for (auto* pic : {&pair_.first, &pair_.second}) {
            pic->write(0, 1, 0x11);
            pic->write(1, 1, pic == &pair_.first ? 0x20 : 0x28);
            pic->write(1, 1, pic == &pair_.first ? 4 : 2);
            pic->write(1, 1, 1);
        }
    }
    PicPair pair_;
    bool output_ = false;
};

TEST_F(Pics, KeepTheirMasksAndHoldMaskedRequestsBack) {
    pair_.first.write(1, 1, 0xff);
    pair_.second.write(1, 1, 0xa5);
    EXPECT_EQ(pair_.first.read(1, 1), 0xffU);
    EXPECT_EQ(pair_.second.read(1, 1), 0xa5U);
    pair_.set_line(4, true);
    EXPECT_FALSE(output_);
    EXPECT_EQ(pair_.first.read(0, 1), 0x10U);                // requested all the same
    pair_.first.write(1, 1, 0xef);
    EXPECT_TRUE(output_);
}

TEST_F(Pics, DeliverByPriorityAndWaitForTheEndOfInterrupt) {
    pair_.set_line(6, true);
    pair_.set_line(4, true);
    EXPECT_EQ(pair_.acknowledge(), 0x24U);
    EXPECT_FALSE(output_);                                   // 6 is below what is in service
    pair_.first.write(0, 1, 0x0b);
    EXPECT_EQ(pair_.first.read(0, 1), 0x10U);
    pair_.first.write(0, 1, 0x20);
    EXPECT_TRUE(output_);
    EXPECT_EQ(pair_.acknowledge(), 0x26U);
}

TEST_F(Pics, CascadeTheSecondThroughInputTwo) {
    pair_.set_line(11, true);
    EXPECT_TRUE(output_);
    EXPECT_EQ(pair_.acknowledge(), 0x2bU);
    EXPECT_FALSE(output_);
    EXPECT_EQ(pair_.acknowledge(), 0x27U);                   // nothing left: spurious
}

TEST_F(Pics, KeepARequestWhoseLineHasFallen) {
    for (const unsigned line : {5U, 11U}) {
        pair_.set_line(line, true);
        pair_.set_line(line, false);
        EXPECT_TRUE(output_);
        EXPECT_EQ(pair_.acknowledge(), 0x20 + line);
        EXPECT_FALSE(output_);
        pair_.first.write(0, 1, 0x20);
        pair_.second.write(0, 1, 0x20);
        EXPECT_FALSE(output_);                               // one edge, one interrupt
    }
}

TEST(TestPorts, KeepBytesAndDriveLines) {
    TestStorage<4> storage;
    storage.write(0, 4, 0x1122'3344);
    storage.write(1, 1, 0xff);
    EXPECT_EQ(storage.read(0, 4), 0x1122'ff44U);
    EXPECT_EQ(storage.read(2, 2), 0x1122U);
    std::vector<std::pair<unsigned, bool>> changes;
    TestInterrupts interrupts{[&](unsigned line, bool level) { changes.emplace_back(line, level); }};
    interrupts.write(11, 4, 1);
    interrupts.write(11, 4, 0);
    EXPECT_EQ(changes, (std::vector<std::pair<unsigned, bool>>{{11, true}, {11, false}}));
}

// Memory with a hole that refuses.
struct FlatMemory : DmaPort {
    std::vector<u8> bytes = std::vector<u8>(0x10000);
    u64 refused_above = 0x8000;
    bool dma_read(u64 address, void* to, unsigned count) override {
        if (address + count > refused_above) return false;
        std::memcpy(to, bytes.data() + address, count);
        return true;
    }
    bool dma_write(u64 address, const void* from, unsigned count) override {
        if (address + count > refused_above) return false;
        std::memcpy(bytes.data() + address, from, count);
        return true;
    }
};

class Dma : public testing::Test {
protected:
    void transfer(u64 source, u64 destination, u64 count, u64 command) {
        device_.write(0x80, 8, source);
        device_.write(0x88, 4, destination);                 // in halves, as 32-bit guests do
        device_.write(0x8c, 4, destination >> 32);
        device_.write(0x90, 8, count);
        device_.write(0x98, 8, command);
    }
    FlatMemory memory_;
    TestDma device_{memory_};
};

TEST_F(Dma, IdentifiesItself) {
    EXPECT_EQ(device_.read(0, 4), 0x010000edU);
    device_.write(4, 4, 0x12345678);
    EXPECT_EQ(device_.read(4, 4), 0xedcba987U);
}

TEST_F(Dma, CopiesToItsBufferAndBack) {
    std::iota(memory_.bytes.begin() + 0x1000, memory_.bytes.begin() + 0x1100, u8{1});
    transfer(0x1000, TestDma::buffer_address + 0x10, 0x100, 1);
    EXPECT_EQ(device_.read(0x98, 8) & 1, 0U);                // done
    transfer(TestDma::buffer_address + 0x10, 0x3000, 0x100, 3);
    EXPECT_TRUE(std::equal(memory_.bytes.begin() + 0x1000, memory_.bytes.begin() + 0x1100, memory_.bytes.begin() + 0x3000));
    EXPECT_EQ(device_.read(0x20, 4), 0U);
}

TEST_F(Dma, TouchesNothingOutsideItsBuffer) {
    const u64 end = TestDma::buffer_address + 4 * KiB;
    for (const auto& [inside, count] : {std::pair<u64, u64>{end, 1}, {end - 1, 2}, {TestDma::buffer_address - 1, 1}, {end - 8, ~u64{0}}, {0, 0x10}}) {
        transfer(0x1000, inside, count, 1);
        EXPECT_EQ(device_.read(0x20, 4), 2U) << inside;
        transfer(inside, 0x1000, count, 3);
        EXPECT_EQ(device_.read(0x20, 4), 2U) << inside;
    }
    transfer(0x1000, end - 1, 1, 1);
    EXPECT_EQ(device_.read(0x20, 4), 0U);
}

TEST_F(Dma, ReportsRefusedTransfersAndInterruptsWhenAsked) {
    bool line = false;
    device_.on_interrupt([&](bool level) { line = level; });
    transfer(0x9000, TestDma::buffer_address, 16, 1 | 4);
    EXPECT_EQ(device_.read(0x20, 4), 2U);
    EXPECT_TRUE(line);
    EXPECT_EQ(device_.read(0x24, 4), 0x100U);
    device_.write(0x64, 4, 0x100);
    EXPECT_FALSE(line);
    EXPECT_EQ(device_.read(0x24, 4), 0U);
    device_.write(0x60, 4, 2);
    EXPECT_TRUE(line);
}

}  // namespace
}  // namespace vtsim::platform
