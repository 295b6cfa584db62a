// SPDX-License-Identifier: Apache-2.0
#include "timing/cache/memory_port.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <string>

#include "base/error.h"
#include "unit/timing/cache/reference_cache.h"
#include "unit/timing/core_bench.h"

namespace vtsim::timing {
namespace {

CacheParams small_caches() {
    return {.l1i = {2 * KiB, 4, 4}, .l1d = {3 * KiB, 12, 4}, .l2 = {16 * KiB, 8, 12}, .l3 = {80 * KiB, 20, 50}};
}

struct Machine {
    explicit Machine(const CacheParams& caches = small_caches(), unsigned cores = 1) : hierarchy(caches, DramParams{}, root) {
        for (unsigned i = 0; i < cores; ++i) {
            groups.push_back(std::make_unique<stats::Group>(root, "cpu" + std::to_string(i)));
            ports.push_back(std::make_unique<MemoryPort>(hierarchy, *groups.back()));
        }
    }
    [[nodiscard]] u64 stat(const std::string& name) const { return std::get<u64>(root.find(name)->value()); }
    [[nodiscard]] std::map<std::string, u64> all() const {
        std::map<std::string, u64> values;
        root.visit([&](const std::string& name, const stats::Stat& stat) { values[name] = std::get<u64>(stat.value()); });
        return values;
    }
    MemoryPort& port(unsigned i = 0) { return *ports[i]; }

    stats::Group root{nullptr, ""};
    MemoryHierarchy hierarchy;
    std::vector<std::unique_ptr<stats::Group>> groups;
    std::vector<std::unique_ptr<MemoryPort>> ports;
};

struct Reference {
    u64 address;
    int kind;
    bool write;
};

u32 perform(MemoryPort& port, const Reference& reference) {
    const PhysicalAddress address{reference.address};
    if (reference.kind == 1) return port.fetch(address);
    if (reference.kind == 2) return port.walk(address, reference.write);
    return reference.write ? port.store(address) : port.load(address);
}

// Streams, strides that collide, a hot and a cold region, random addresses of three sizes, all of it mixed.
std::vector<Reference> pattern(int number) {
    std::mt19937_64 random(static_cast<u64>(number) + 99);
    std::vector<Reference> result;
    for (u64 i = 0; i < 60'000; ++i) {
        u64 address = 0;
        switch (number) {
            case 0: address = i * 8 % (200 * KiB); break;
            case 1: address = i * 4 * KiB % (2 * MiB); break;
            case 2: address = random() % 4 != 0 ? random() % (2 * KiB) : random() % (4 * MiB); break;
            case 3: address = random() % (8 * KiB); break;
            case 4: address = random() % (64 * KiB); break;
            case 5: address = random() % (1 * MiB); break;
            default: address = (random() % 3 == 0 ? i * 64 : random()) % (100 * KiB); break;
        }
        const int kind = number == 0 ? 0 : static_cast<int>(random() % 8 == 0 ? 1 + random() % 2 : 0);
        result.push_back({0x1'0000'0000 + address, kind, kind != 1 && random() % 3 == 0});
    }
    return result;
}

void expect_same(const Machine& machine, const std::string& name, const ReferenceCache& oracle) {
    const char* kinds[] = {"data", "fetch", "walk"};
    for (int kind = 0; kind < 3; ++kind) {
        EXPECT_EQ(machine.stat(name + "." + kinds[kind] + ".hits"), oracle.hits[kind]) << name << kinds[kind];
        EXPECT_EQ(machine.stat(name + "." + kinds[kind] + ".misses"), oracle.misses[kind]) << name << kinds[kind];
        EXPECT_EQ(machine.stat(name + "." + kinds[kind] + ".lookups"), oracle.hits[kind] + oracle.misses[kind]);
    }
    EXPECT_EQ(machine.stat(name + ".evictions"), oracle.evictions) << name;
    EXPECT_EQ(machine.stat(name + ".writebacks"), oracle.writebacks) << name;
}

class Patterns : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(Patterns, CountAsListsDoAndAlikeWithAndWithoutFilters) {
    const auto [number, inclusive] = GetParam();
    CacheParams caches = small_caches();
    caches.l3_inclusive = inclusive;
    Machine filtered{caches};
    caches.filters = false;
    Machine searching{caches};
    ReferenceHierarchy oracle{caches};
    const u32 latency[] = {0, caches.l1d.latency, caches.l2.latency, caches.l3.latency, DramParams{}.latency};
    for (const auto& reference : pattern(number)) {
        const int level = oracle.access(reference.address >> line_log2, reference.kind, reference.write);
        ASSERT_EQ(perform(filtered.port(), reference), latency[level]);
        ASSERT_EQ(perform(searching.port(), reference), latency[level]);
    }
    expect_same(filtered, "cpu0.l1i", oracle.l1i);
    expect_same(filtered, "cpu0.l1d", oracle.l1d);
    expect_same(filtered, "cpu0.l2", oracle.l2);
    expect_same(filtered, "memory.l3", oracle.l3);
    EXPECT_EQ(filtered.stat("memory.dram.reads"), oracle.reads);
    EXPECT_EQ(filtered.stat("memory.dram.writes"), oracle.writes);
    EXPECT_EQ(filtered.all(), searching.all());
}
INSTANTIATE_TEST_SUITE_P(MemoryPort, Patterns, testing::Combine(testing::Range(0, 7), testing::Bool()));

TEST(MemoryPort, DoesNotCacheAddressesAboveTheReachOfItsTags) {
    Machine machine;
    const PhysicalAddress high{u64{1} << 51}, alias{(u64{1} << 51) & 0xffff'ffff};
    static_cast<void>(machine.port().load(alias));
    EXPECT_EQ(machine.port().load(high), DramParams{}.latency);
    EXPECT_EQ(machine.port().load(high), DramParams{}.latency);
    EXPECT_EQ(machine.port().load(alias), 4U);
}

TEST(MemoryPort, TakesTheLineFromACoreThatModifiedIt) {
    Machine machine{small_caches(), 2};
    const PhysicalAddress line{0x4000};
    static_cast<void>(machine.port(0).store(line));
    EXPECT_EQ(machine.port(1).load(line), 50U + 20) << "modified elsewhere: third level and a snoop";
    EXPECT_EQ(machine.port(0).load(line), 4U) << "the owner keeps a clean copy";
    EXPECT_EQ(machine.port(0).store(line), 4U + 20) << "and must remove the other's to write again";
    EXPECT_EQ(machine.port(0).store(line), 4U);
    EXPECT_EQ(machine.port(1).load(line), 50U + 20);
    EXPECT_EQ(machine.stat("memory.dram.writes"), 0U);
}

TEST(MemoryPort, KeepsLinesThatAllCoresOnlyRead) {
    Machine machine{small_caches(), 2};
    const PhysicalAddress line{0x4000};
    static_cast<void>(machine.port(0).load(line));
    EXPECT_EQ(machine.port(1).load(line), 50U);
    EXPECT_EQ(machine.port(0).load(line), 4U);
    EXPECT_EQ(machine.port(1).load(line), 4U);
}

TEST(MemoryHierarchy, LosesALineThatADeviceWrites) {
    Machine machine;
    static_cast<void>(machine.port().store(PhysicalAddress{0x1000}));
    static_cast<void>(machine.port().load(PhysicalAddress{0x1040}));
    machine.hierarchy.snoop(PhysicalAddress{0x1020}, 0x20, true);
    EXPECT_EQ(machine.port().load(PhysicalAddress{0x1000}), DramParams{}.latency);
    EXPECT_EQ(machine.port().load(PhysicalAddress{0x1040}), 4U);
    EXPECT_EQ(machine.stat("memory.dram.writes"), 1U);
}

TEST(MemoryHierarchy, CleansALineThatADeviceReads) {
    Machine machine;
    static_cast<void>(machine.port().store(PhysicalAddress{0x1000}));
    machine.hierarchy.snoop(PhysicalAddress{0x1000}, 1, false);
    EXPECT_EQ(machine.stat("memory.dram.writes"), 1U);
    machine.hierarchy.snoop(PhysicalAddress{0x1000}, 1, false);
    EXPECT_EQ(machine.stat("memory.dram.writes"), 1U) << "clean by now";
    EXPECT_EQ(machine.port().load(PhysicalAddress{0x1000}), 4U);
}

TEST(MemoryHierarchy, WritesEveryModifiedLineBackOnceWhenAllIsFlushed) {
    Machine machine;
    for (u64 line = 0; line < 100; ++line) static_cast<void>(machine.port().store(PhysicalAddress{line * 64}));
    for (u64 line = 0; line < 10; ++line) static_cast<void>(machine.port().store(PhysicalAddress{line * 64}));    // modified in two levels
    machine.hierarchy.flush_all();
    EXPECT_EQ(machine.stat("memory.dram.writes"), 100U);
    EXPECT_EQ(machine.port().load(PhysicalAddress{0}), DramParams{}.latency);
    static_cast<void>(machine.port().store(PhysicalAddress{0}));
    machine.hierarchy.flush(PhysicalAddress{0x10});
    EXPECT_EQ(machine.stat("memory.dram.writes"), 101U);
    EXPECT_EQ(machine.port().load(PhysicalAddress{0}), DramParams{}.latency);
}

TEST(CacheParams, RefusesGeometriesThatAreNoPowerOfTwoOfSets) {
    CacheParams caches;
    caches.l2.size = 200 * KiB;
    EXPECT_THROW(caches.validate(), ConfigError);
    caches = {};
    caches.l1d.ways = 0;
    EXPECT_THROW(caches.validate(), ConfigError);
    caches = {};
    caches.l3.latency = 5;
    EXPECT_THROW(caches.validate(), ConfigError);
}

// Loads through the caches of the preset drive the core; cycles per load in steady state.
double cycles_per_load(u64 bytes, bool dependent, u64 loads, const DramParams& dram = {}, const CoreModelParams& core = {}) {
    stats::Group root{nullptr, ""};
    stats::Group cpu{root, "cpu0"};
    const CacheParams caches{.l1i = {32 * KiB, 8, 4}, .l1d = {32 * KiB, 8, 4}, .l2 = {256 * KiB, 8, 12}, .l3 = {1536 * KiB, 12, 50}};
    MemoryHierarchy hierarchy{caches, dram, root};
    MemoryPort port{hierarchy, cpu};
    CoreBench bench{core, &hierarchy.dram()};
    std::vector<InstructionShape> shapes;
    for (u8 i = 0; i < 10; ++i) shapes.push_back(CoreBench::load(dependent ? 0 : 1, 0, i));
    const auto& block = bench.block(shapes);
    u64 line = 0, start = 0;
    const auto run = [&](u64 count) {
        for (u64 i = 0; i < count; i += 10) {
            for (u8 k = 0; k < 10; ++k) {
                const u32 latency = port.load(PhysicalAddress{line * 64});
                line = (line + 1) % (bytes / 64);
                if (latency > port.load_hit_latency()) bench.model.note_miss(k, latency, {.data_cache = latency - port.load_hit_latency()});
            }
            bench.model.retire(block);
        }
        bench.model.serialise();
    };
    run(2 * bytes / 64);
    start = bench.model.cycles();
    run(loads);
    return static_cast<double>(bench.model.cycles() - start) / static_cast<double>(loads);
}

TEST(MemoryPort, MakesAPointerChaseCostTheLatencyOfTheLevelThatHoldsIt) {
    EXPECT_NEAR(cycles_per_load(16 * KiB, true, 10000), 4, 0.01);
    EXPECT_NEAR(cycles_per_load(128 * KiB, true, 10000), 12, 0.01);
    EXPECT_NEAR(cycles_per_load(1 * MiB, true, 10000), 50, 0.01);
    EXPECT_NEAR(cycles_per_load(8 * MiB, true, 10000), 230, 0.01);
}

TEST(MemoryPort, StreamsAtTheRateOfTheLineFillBuffers) {
    EXPECT_NEAR(cycles_per_load(8 * MiB, false, 100000), 230.0 / 10, 0.5);
}

TEST(Dram, BoundsTheStreamByTheChannel) {
    EXPECT_NEAR(cycles_per_load(8 * MiB, false, 100000, {.latency = 230, .line_transfer = 32}), 32, 0.7);
    EXPECT_NEAR(cycles_per_load(8 * MiB, false, 100000, {.latency = 230, .line_transfer = 128}), 128, 2.6);
}

TEST(Dram, GivesLinesTheFirstWindowWithRoom) {
    stats::Group root{nullptr, ""};
    Dram dram{{.latency = 100, .line_transfer = 64}, root};        // 4 lines per 256 cycles
    EXPECT_EQ(dram.occupy(1000, 1), 0U);
    EXPECT_EQ(dram.occupy(1000, 3), 0U) << "the window from 768 is full now";
    EXPECT_EQ(dram.occupy(1000, 1), 24U);
    EXPECT_EQ(dram.occupy(900, 3), 124U) << "so is the one from 1024";
    EXPECT_EQ(dram.occupy(900, 5), 636U) << "four in the window from 1280, the last in that from 1536";
    EXPECT_EQ(dram.occupy(10, 1), 0U) << "an earlier window still has room";
}

}  // namespace
}  // namespace vtsim::timing
