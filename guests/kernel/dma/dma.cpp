// SPDX-License-Identifier: Apache-2.0
// dma: a device's view of memory, without and with a remapping unit. Only native: the VMM does not pass the devices on.
#include "common/print.h"
#include "dma/remapping_unit.h"
#include "dma/test_device.h"
#include "selftest/checks.h"

namespace guest {
namespace {

constexpr u64 bytes = 2048;  // a transfer: half the device's buffer, as "edu" refuses one that ends at the buffer's end
constexpr u16 domain = 7;
constexpr u64 io_source = 0x00345000, io_target = 0x00346000, io_read_only = 0x00347000, io_unmapped = 0x00747000;
constexpr u8 reason_no_write = 5, reason_no_read = 6;

void fill(u64* words, u64 seed) {
    Xorshift random{seed};
    for (u64 i = 0; i < bytes / 8; ++i) words[i] = random.next();
}
bool same(const u64* a, const u64* b) {
    for (u64 i = 0; i < bytes / 8; ++i)
        if (a[i] != b[i]) return false;
    return true;
}
u64 digest(const u64* words) {
    u64 checksum = 0;
    for (u64 i = 0; i < bytes / 8; ++i) checksum = mix(checksum, words[i]);
    return checksum;
}

struct Bench {
    Checks checks;
    TestDevice device;
    RemappingUnit unit;
    u64 *source, *target, *other;

    explicit Bench(MemoryPool& pool) : unit(pool), source(take(pool)), target(take(pool)), other(take(pool)) {}
    static u64* take(MemoryPool& pool) { return reinterpret_cast<u64*>(pool.take_zeroed_page()); }
    static u64 address(const u64* p) { return reinterpret_cast<u64>(p); }

    void transfer(u64 from, u64 to) {
        device.read_memory(from, 0, bytes);
        device.write_memory(to, 0, bytes);
    }

    void check_untranslated() {
        fill(source, 1);
        transfer(address(source), address(target));
        checks.check("DMA without translation", same(source, target));
    }

    void check_translated() {
        unit.attach(TestDevice::source_id, domain);
        unit.map(io_source, address(source), RemappingUnit::readable);
        unit.map(io_target, address(target), RemappingUnit::readable | RemappingUnit::writable);
        unit.map(io_read_only, address(other), RemappingUnit::readable);
        unit.enable();
        fill(source, 2);
        transfer(io_source, io_target);
        checks.check("DMA lands where the tables say", same(source, target));
        checks.check("no fault so far", !unit.fault_pending());
    }

    bool fault_is(u64 where, u8 reason, bool read) {
        const DmaFault fault = unit.take_fault();
        return fault.recorded && fault.source_id == TestDevice::source_id && fault.reason == reason && fault.read == read && fault.address == where;
    }

    void check_faults() {
        fill(source, 3);
        device.read_memory(io_source, 0, bytes);  // new data in the device
        const u64 before = digest(target) ^ digest(source) ^ digest(other);
        device.write_memory(io_unmapped, 0, bytes);
        checks.check("write to an unmapped address is recorded", fault_is(io_unmapped, reason_no_write, false));
        device.write_memory(io_read_only, 0, bytes);
        checks.check("write to a read-only address is recorded", fault_is(io_read_only, reason_no_write, false));
        checks.check("no memory changed", (digest(target) ^ digest(source) ^ digest(other)) == before);
        device.read_memory(io_unmapped, 0, bytes);
        checks.check("read of an unmapped address is recorded", fault_is(io_unmapped, reason_no_read, true));
        checks.check("the record is cleared", !unit.fault_pending());
    }

    // What the device sees between the change and the invalidation is the cache's affair: nothing is checked there.
    void check_remapping() {
        fill(source, 4);
        unit.map(io_target, address(other), RemappingUnit::readable | RemappingUnit::writable);
        unit.invalidate_iotlb();
        const u64 before = digest(target);
        transfer(io_source, io_target);
        checks.check("after remapping and IOTLB invalidation DMA lands in the new page", same(source, other) && digest(target) == before);
        unit.unmap(io_target);
        unit.invalidate_iotlb();
        device.write_memory(io_target, 0, bytes);
        checks.check("after unmapping and IOTLB invalidation the address faults", fault_is(io_target, reason_no_write, false));
    }

    void check_disabled() {
        unit.disable();
        fill(source, 5);
        transfer(address(source), address(target));
        checks.check("DMA after translation is off again", same(source, target));
        checks.check("every transfer came to its end", device.finished_in_time());
    }
};

}  // namespace

Outcome run_dma(Context& context) {
    Bench bench{context.memory};
    if (!bench.device.find()) {
        print("dma: no test device at 0xfea00000\n");
        return {.checksum = 0, .passed = false};
    }
    if (!bench.unit.find()) {
        print("dma: no remapping unit at 0xfed90000 with 39 or 48 bits\n");
        return {.checksum = 0, .passed = false};
    }
    print("dma: remapping unit with ", u32(bench.unit.levels()), " levels\n");
    const Region region;
    bench.check_untranslated();
    bench.check_translated();
    bench.check_faults();
    bench.check_remapping();
    bench.check_disabled();
    const u64 cycles = region.end();
    print("dma: ", bench.checks.passed(), " passed, ", bench.checks.failed(), " failed\n");
    return {.checksum = mix(digest(bench.target), bench.checks.passed()), .cycles = cycles, .count = 12, .unit = "transfer", .passed = bench.checks.failed() == 0};
}

}  // namespace guest
