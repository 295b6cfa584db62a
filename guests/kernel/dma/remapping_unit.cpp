// SPDX-License-Identifier: Apache-2.0
// Intel Virtualization Technology for Directed I/O, "Register Descriptions" and "Translation Structure Formats".
#include "dma/remapping_unit.h"

#include "common/cpu.h"

namespace guest {
namespace {

constexpr u64 base = 0xfed90000;
enum Register : u64 { version = 0x00, capability = 0x08, extended_capability = 0x10, global_command = 0x18, global_status = 0x1c, root_table = 0x20, context_command = 0x28, fault_status = 0x34 };
enum Command : u32 { translation_enable = 1u << 31, set_root_table = 1u << 30 };
constexpr u32 primary_pending = 1u << 1;
constexpr u64 command_busy = u64{1} << 63;  // ICC and IVT
constexpr u64 global_context = u64{1} << 61, global_iotlb = u64{1} << 60, drain = u64{3} << 48;
constexpr u64 record_valid = u64{1} << 63, record_is_read = u64{1} << 62;
constexpr u64 address_mask = 0x000f'ffff'ffff'f000;
constexpr TableFormat second_stage{RemappingUnit::readable | RemappingUnit::writable, 0};

template <class T>
volatile T& reg(u64 offset) {
    return *reinterpret_cast<volatile T*>(base + offset);
}

}  // namespace

bool RemappingUnit::find() {
    const u32 v = reg<u32>(version);
    if (v == 0 || v == ~u32{0}) return false;
    const u64 cap = reg<u64>(capability), extended = reg<u64>(extended_capability);
    levels_ = cap >> 10 & 1 ? 4 : cap >> 9 & 1 ? 3 : 0;  // SAGAW: 48 bits, 39 bits
    fault_records_ = (cap >> 24 & 0x3ff) * 16;
    iotlb_ = (extended >> 8 & 0x3ff) * 16 + 8;
    coherent_ = extended & 1;
    return levels_ != 0;
}

void RemappingUnit::flush(const void* data, u64 bytes) const {
    if (coherent_) return;
    for (u64 line = reinterpret_cast<u64>(data) & ~u64{63}; line < reinterpret_cast<u64>(data) + bytes; line += 64) asm volatile("clflush (%0)" ::"r"(line) : "memory");
    asm volatile("mfence" ::: "memory");
}

// "Global Command Register": every write repeats the bits that are on; the status register says when it is done.
void RemappingUnit::command(u32 bit, bool on, bool one_shot) {
    reg<u32>(global_command) = on ? enabled_ | bit : enabled_ & ~bit;
    if (!one_shot) enabled_ = on ? enabled_ | bit : enabled_ & ~bit;
    while (!(reg<u32>(global_status) & bit) == on) pause();
}

void RemappingUnit::attach(u16 source_id, u16 domain) {
    root_ = pool_.take_zeroed_page();
    context_ = pool_.take_zeroed_page();
    stage_ = pool_.take_zeroed_page();
    auto* const root_entry = reinterpret_cast<u64*>(root_) + (source_id >> 8) * 2;
    auto* const context_entry = reinterpret_cast<u64*>(context_) + (source_id & 0xff) * 2;
    root_entry[0] = context_ | 1;
    context_entry[1] = u64(levels_ - 2) | u64{domain} << 8;  // AW: 1 three levels, 2 four
    context_entry[0] = stage_ | 1;                           // P, TT = 0
    flush(reinterpret_cast<void*>(root_), 4096);
    flush(reinterpret_cast<void*>(context_), 4096);
    flush(reinterpret_cast<void*>(stage_), 4096);
}

void RemappingUnit::enable() {
    reg<u64>(root_table) = root_;
    command(set_root_table, true, true);
    invalidate_context_cache();
    invalidate_iotlb();
    command(translation_enable, true, false);
}

void RemappingUnit::disable() { command(translation_enable, false, false); }

void RemappingUnit::map(u64 address, u64 physical, u64 rights) {
    u64 table = stage_;
    for (int level = levels_;; --level) {
        u64* const slot = reinterpret_cast<u64*>(table) + (address >> (12 + 9 * (level - 1)) & 511);
        if (level == 1) {
            *slot = physical | rights;
            return flush(slot, 8);
        }
        if (!*slot) {
            const u64 page = pool_.take_zeroed_page();
            flush(reinterpret_cast<void*>(page), 4096);
            *slot = page | second_stage.table;
            flush(slot, 8);
        }
        table = *slot & address_mask;
    }
}

void RemappingUnit::unmap(u64 address) { map(address, 0, 0); }

void RemappingUnit::invalidate_context_cache() {
    reg<u64>(context_command) = command_busy | global_context;
    while (reg<u64>(context_command) & command_busy) pause();
}

void RemappingUnit::invalidate_iotlb() {
    reg<u64>(iotlb_) = command_busy | global_iotlb | drain;
    while (reg<u64>(iotlb_) & command_busy) pause();
}

bool RemappingUnit::fault_pending() const { return reg<u32>(fault_status) & primary_pending; }

DmaFault RemappingUnit::take_fault() {
    if (!fault_pending()) return {};
    const u64 record = fault_records_ + (reg<u32>(fault_status) >> 8 & 0xff) * 16;  // FRI
    const u64 low = reg<u64>(record), high = reg<u64>(record + 8);
    reg<u32>(record + 12) = u32(record_valid >> 32);  // F is cleared by writing one
    reg<u32>(fault_status) = 1;                       // and PFO, should it have been set
    return {.recorded = (high & record_valid) != 0, .source_id = u16(high), .reason = u8(high >> 32), .read = (high & record_is_read) != 0, .address = low};
}

}  // namespace guest
