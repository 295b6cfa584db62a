// SPDX-License-Identifier: Apache-2.0
#include "platform/bus/bus_module.h"

#include <gtest/gtest.h>

#include <memory>

#include "platform/bus/bus_initiator.h"
#include "platform/devices/device_module.h"
#include "platform/kernel/context.h"
#include "platform/memory/memory_module.h"

namespace vtsim::platform {
namespace {

// Remembers what it was asked; reads give the offset.
struct Recorder {
    static constexpr unsigned access_size = 4;
    struct Call { bool write; u64 offset; unsigned size; u64 value; bool operator==(const Call&) const = default; };
    std::vector<Call> calls;
    u64 read(u64 offset, unsigned size) { calls.push_back({false, offset, size, 0}); return 0xa0 + offset; }
    void write(u64 offset, unsigned size, u64 value) { calls.push_back({true, offset, size, value}); }
};

// A target that keeps the description of the last transaction.
struct Listener : sc_core::sc_module {
    tlm_utils::simple_target_socket<Listener> socket{"socket"};
    TransactionInfo last;
    explicit Listener(const sc_core::sc_module_name& name) : sc_module(name) { socket.register_b_transport(this, &Listener::transport); }
    void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
        last = info_of(payload);
        payload.set_response_status(tlm::TLM_OK_RESPONSE);
    }
};

struct Bench {
    stats::Group statistics{nullptr, ""};
    PhysicalMemory memory{4 * GiB};
    BusModule bus{"bus", statistics};
    MemoryModule ram{"ram", memory, true};
    DeviceModule<Recorder> first{"first"}, second{"second"};
    Listener listener{"listener"};
    BusInitiator initiator{"initiator", 7};
    std::vector<std::string> log;

    Bench() {
        initiator.socket.bind(bus.initiators);
        const unsigned target = bus.attach(ram.socket, false);
        bus.map(Space::memory, 0, memory.low_end(), target, "low");
        bus.map(Space::memory, PhysicalMemory::hole_end, memory.high_end() - PhysicalMemory::hole_end, target, "high", PhysicalMemory::hole_end);
        const unsigned one = bus.attach(first.socket);
        bus.map(Space::memory, 0xd0000000, 0x100, one, "first");
        bus.map(Space::io, 0x60, 4, one, "first ports", 0x20);
        bus.map(Space::memory, 0xd0000100, 0x100, bus.attach(second.socket), "second");
        bus.map(Space::memory, 0xfee00000, MiB, bus.attach(listener.socket), "messages");
        bus.on_unassigned([this](const std::string& line) { log.push_back(line); });
        sc_core::sc_start(sc_core::SC_ZERO_TIME);
    }
    u64 figure(const char* name) { return std::get<u64>(statistics.find(name)->value()); }
};

class Bus : public testing::Test {
protected:
    std::unique_ptr<sc_core::sc_simcontext> context_ = make_context();
    ContextScope scope_{*context_};
    std::unique_ptr<Bench> bench_ = std::make_unique<Bench>();
};

TEST_F(Bus, GivesTargetsTheirOwnOffsets) {
    EXPECT_EQ(bench_->initiator.read(PhysicalAddress{0xd0000010}, 4), 0xb0U);
    bench_->initiator.write(PhysicalAddress{0xd0000104}, 2, 0x1234);
    EXPECT_EQ(bench_->initiator.in(0x61, 1), 0xc1U);
    EXPECT_EQ(bench_->first.model.calls, (std::vector<Recorder::Call>{{false, 0x10, 4, 0}, {false, 0x21, 1, 0}}));
    EXPECT_EQ(bench_->second.model.calls, (std::vector<Recorder::Call>{{true, 4, 2, 0x1234}}));
    EXPECT_EQ(bench_->figure("bus.reads"), 2U);
    EXPECT_EQ(bench_->figure("bus.writes"), 1U);
}

TEST_F(Bus, KeepsTheSpacesApart) {
    EXPECT_EQ(bench_->initiator.in(0xf000, 4), 0xffffffffU);
    EXPECT_EQ(bench_->initiator.read(PhysicalAddress{0x60}, 1), 0U);          // RAM
    EXPECT_TRUE(bench_->first.model.calls.empty());
}

TEST_F(Bus, ReadsOnesWhereNobodyAnswersAndSaysSoOncePerAddress) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(bench_->initiator.read(PhysicalAddress{0xd0001000}, 8), ~u64{0});
    EXPECT_EQ(bench_->initiator.in(0x2e9, 2), 0xffffU);
    bench_->initiator.out(0x2e9, 1, 5);
    ASSERT_EQ(bench_->log.size(), 3U);
    EXPECT_EQ(bench_->log[0], "read of unassigned address 0xd0001000 (8 bytes): all ones");
    EXPECT_EQ(bench_->log[1], "read of unassigned port 0x2e9 (2 bytes): all ones");
    EXPECT_EQ(bench_->log[2], "write of unassigned port 0x2e9 (1 bytes): dropped");
    EXPECT_EQ(bench_->figure("bus.unassigned"), 5U);
}

TEST_F(Bus, SplitsAnAccessThatLeavesItsRange) {
    // Two bytes belong to the first device, two to the second.
    EXPECT_EQ(bench_->initiator.read(PhysicalAddress{0xd00000fe}, 4), 0x00a0'019eU);
    EXPECT_EQ(bench_->first.model.calls, (std::vector<Recorder::Call>{{false, 0xfe, 2, 0}}));
    EXPECT_EQ(bench_->second.model.calls, (std::vector<Recorder::Call>{{false, 0, 2, 0}}));
    // The last byte of a port range and one byte of nobody.
    EXPECT_EQ(bench_->initiator.in(0x63, 2), 0xffc3U);
}

TEST_F(Bus, CutsWideAccessesToTheWidthOfTheDevice) {
    bench_->initiator.write(PhysicalAddress{0xd0000000}, 8, 0x1111'2222'3333'4444);
    EXPECT_EQ(bench_->first.model.calls, (std::vector<Recorder::Call>{{true, 0, 4, 0x3333'4444}, {true, 4, 4, 0x1111'2222}}));
}

TEST_F(Bus, CarriesTheDescriptionOfATransaction) {
    bench_->initiator.info().requester_id = 0x1234;
    bench_->initiator.info().pasid = 77;
    bench_->initiator.info().address_type = AddressType::translated;
    bench_->initiator.write(PhysicalAddress{0xfee01000}, 4, 0);
    EXPECT_EQ(bench_->listener.last.initiator, 7U);
    EXPECT_EQ(bench_->listener.last.requester_id, 0x1234);
    EXPECT_EQ(bench_->listener.last.pasid, 77U);
    EXPECT_EQ(bench_->listener.last.address_type, AddressType::translated);
    EXPECT_EQ(bench_->listener.last.kind, TransactionKind::interrupt_message);
    bench_->initiator.read(PhysicalAddress{0xfee01000}, 4);
    EXPECT_EQ(bench_->listener.last.kind, TransactionKind::data);
    EXPECT_EQ(bench_->figure("bus.interrupt_messages"), 1U);
}

TEST_F(Bus, GrantsMemoryDirectlyInBothWindowsAndNowhereElse) {
    auto& memory = bench_->memory;
    const auto low = bench_->initiator.direct(0x5000);
    EXPECT_EQ(low.pointer, memory.host(PhysicalAddress{0x5000}));
    EXPECT_EQ(low.bytes, memory.low_end() - 0x5000);
    const auto high = bench_->initiator.direct(PhysicalMemory::hole_end + 0x123);
    EXPECT_EQ(high.pointer, memory.host(PhysicalAddress{PhysicalMemory::hole_end + 0x123}));
    EXPECT_EQ(high.bytes, memory.high_end() - PhysicalMemory::hole_end - 0x123);
    EXPECT_EQ(bench_->initiator.direct(0xd0000000).pointer, nullptr);
    EXPECT_EQ(bench_->initiator.direct(0xe0000000).pointer, nullptr);
}

TEST_F(Bus, TellsEveryInitiatorWhenMemoryIsWithdrawn) {
    std::vector<std::pair<u64, u64>> dropped;
    bench_->initiator.on_invalidate([&](u64 first, u64 last) { dropped.emplace_back(first, last); });
    bench_->ram.set_direct(false);
    const auto& memory = bench_->memory;
    EXPECT_EQ(dropped, (std::vector<std::pair<u64, u64>>{{0, memory.low_end() - 1}, {PhysicalMemory::hole_end, memory.high_end() - 1}}));
    EXPECT_EQ(bench_->initiator.direct(0x5000).pointer, nullptr);
}

TEST_F(Bus, ReachesTheSameMemoryWithAndWithoutDirectPointers) {
    auto& memory = bench_->memory;
    memory.attach(&bench_->initiator);
    for (const u64 address : {u64{0x1000}, u64{0x1ffd}, PhysicalMemory::hole_end + 0x2ffc}) {
        memory.set_direct(true);
        memory.write<u64>(PhysicalAddress{address}, 0x0102030405060708);
        memory.set_direct(false);
        EXPECT_EQ(memory.read<u64>(PhysicalAddress{address}), 0x0102030405060708U);
        memory.write<u32>(PhysicalAddress{address + 1}, 0xcafef00d);
        memory.set_direct(true);
        EXPECT_EQ(memory.read<u64>(PhysicalAddress{address}), 0x010203cafef00d08U);
    }
    EXPECT_EQ(bench_->figure("bus.reads") + bench_->figure("bus.writes"), 0U);      // statistics do not depend on the way
}

TEST_F(Bus, WritesToCodePagesAreNotedOnBothWays) {
    struct Watch : CodeListener {
        std::vector<std::pair<u64, unsigned>> written;
        void code_written(PhysicalAddress address, unsigned size) override { written.emplace_back(address.value(), size); }
        void page_becomes_code(PhysicalAddress) override {}
    } watch;
    auto& memory = bench_->memory;
    memory.attach(&bench_->initiator);
    memory.add_listener(&watch);
    memory.mark_code(PhysicalAddress{0x3000});
    for (const bool direct : {true, false}) {
        memory.set_direct(direct);
        memory.write<u16>(PhysicalAddress{0x3010}, 1);
        memory.write<u16>(PhysicalAddress{0x4010}, 1);
    }
    EXPECT_EQ(watch.written, (std::vector<std::pair<u64, unsigned>>{{0x3010, 2}, {0x3010, 2}}));
}

}  // namespace
}  // namespace vtsim::platform
