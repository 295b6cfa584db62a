// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "iommu/register_fields.h"
#include "iommu/remapping_unit.h"

namespace vtsim::iommu {

// Memory for tables and a driver that programs the unit as software does, one page at a time.
class Bench {
public:
    static constexpr u64 root = 0x10000, contexts = 0x11000, second_level = 0x20000;    // first table; more follow
    static constexpr u64 r = 1, w = 2, rw = 3, large = 0x80;
    static constexpr SourceId device = SourceId::of(3, 2, 1);
    static constexpr u16 domain = 0x1234;

    explicit Bench(const RemappingUnitParams& params = {})
        : unit{params, TablePort{[](void* self, PhysicalAddress address) { return static_cast<Bench*>(self)->read_table(address); }, this}, nullptr} {
        unit.attach(MessagePort{[](void* self, u64 address, u32 data) { static_cast<Bench*>(self)->messages.emplace_back(address, data); }, this});
        connect(device, domain, 2, second_level);
        next_table = second_level + 0x1000;
    }

    // The valid baseline: root entry, context entry, remapping on.
    void connect(SourceId source, u16 domain_id, unsigned width, u64 tables, unsigned type = 0, bool fault_disable = false) {
        memory[root + source.bus() * 16] = contexts | 1;
        context(source) = tables | type << 2 | (fault_disable ? 2U : 0U) | 1;
        memory[contexts + source.device_function() * 16 + 8] = u64{domain_id} << 8 | width;
    }
    u64& context(SourceId source) { return memory[contexts + source.device_function() * 16]; }
    u64& context_high(SourceId source) { return memory[contexts + source.device_function() * 16 + 8]; }
    u64& root_entry(SourceId source) { return memory[root + source.bus() * 16]; }

    // The slot of the entry at `level` for the address, with readable and writable tables above it.
    u64& entry(u64 address, unsigned level, unsigned levels = 4, u64 top = second_level) {
        u64 table = top;
        for (unsigned at = levels; at > level; --at) {
            auto& upper = memory[table + ((address >> (12 + 9 * (at - 1))) & 511) * 8];
            if (upper == 0) {
                upper = next_table | rw;
                next_table += 0x1000;
            }
            table = upper & 0xffffffffff000;
        }
        return memory[table + ((address >> (12 + 9 * (level - 1))) & 511) * 8];
    }

    void start() {
        unit.write_mmio(0x020, 8, root);
        unit.write_mmio(0x018, 4, 0x40000000);
        unit.write_mmio(0x018, 4, 0x80000000);
    }
    void invalidate_contexts(Granularity granularity, u16 domain_id = 0, SourceId source = {}, unsigned mask = 0) {
        unit.write_mmio(0x028, 8, bit(63) | static_cast<u64>(granularity) << 61 | u64{mask} << 32 | u64{source.value} << 16 | domain_id);
    }
    void invalidate_iotlb(Granularity granularity, u16 domain_id = 0, u64 address_and_mask = 0) {
        unit.write_mmio(RemappingUnit::iotlb_registers, 8, address_and_mask);
        unit.write_mmio(RemappingUnit::iotlb_registers + 8, 8, bit(63) | static_cast<u64>(granularity) << 60 | u64{domain_id} << 32);
    }

    DmaResult dma(u64 address, bool write = false, SourceId source = device, u32 size = 4) {
        return unit.translate({.source = source, .address = address, .size = size, .write = write});
    }
    u64 read(u32 where, unsigned size = 4) { return unit.read_mmio(where, size); }
    u64 stat(const char* name) {
        const auto* found = unit.stats().find(name);
        EXPECT_NE(found, nullptr) << name;
        return found == nullptr ? 0 : std::get<u64>(found->value());
    }

    std::map<u64, u64> memory;          // 8-byte words; others read 0
    std::set<u64> unreadable;
    std::vector<std::pair<u64, u32>> messages;
    u64 next_table = 0;
    u32 latency = 0;
    RemappingUnit unit;

private:
    TableRead read_table(PhysicalAddress address) {
        if (unreadable.contains(address.value())) return {.ok = false};
        const auto word = memory.find(address.value());
        return {.value = word == memory.end() ? 0 : word->second, .cycles = latency};
    }
};

}  // namespace vtsim::iommu
