// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/cmos.h"

#include <algorithm>

#include "base/physical_memory.h"

namespace vtsim::platform {
namespace {

enum Cell : u8 { seconds = 0, minutes = 2, hours = 4, weekday = 6, day = 7, month = 8, year = 9, status_a = 0xa, status_b = 0xb, status_c = 0xc, status_d = 0xd,
                 base_memory = 0x15, extended_memory = 0x17, memory_above_16mib = 0x34, century = 0x32 };

}  // namespace

Cmos::Cmos(u64 ram_bytes) {
    cells_[weekday] = 5;                 // Thursday, 1 January 2026, 00:00:00, in BCD
    cells_[day] = cells_[month] = 0x01;
    cells_[year] = 0x26;
    cells_[century] = 0x20;
    cells_[status_a] = 0x26;             // 32768 Hz time base, periodic rate 1024 Hz; no update in progress
    cells_[status_b] = 0x02;             // 24 hours, BCD
    cells_[status_d] = 0x80;             // the battery is good
    const u64 low = std::min(ram_bytes, PhysicalMemory::hole_start);
    set16(base_memory, 640);
    set16(extended_memory, low > MiB ? std::min<u64>((low - MiB) / KiB, 0xffff) : 0);
    set16(extended_memory + 0x19, low > MiB ? std::min<u64>((low - MiB) / KiB, 0xffff) : 0);
    set16(memory_above_16mib, low > 16 * MiB ? std::min<u64>((low - 16 * MiB) / (64 * KiB), 0xffff) : 0);
}

void Cmos::set16(u8 index, u64 value) {
    cells_[index] = static_cast<u8>(value);
    cells_[index + 1] = static_cast<u8>(value >> 8);
}

u64 Cmos::read(u64 offset, unsigned /*size*/) { return (offset & 1) != 0 ? cells_[index_] : 0xff; }

void Cmos::write(u64 offset, unsigned /*size*/, u64 value) {
    if ((offset & 1) == 0) {
        index_ = value & 0x7f;
        nmi_masked_ = (value & 0x80) != 0;
    } else if (index_ != status_c && index_ != status_d) {
        cells_[index_] = static_cast<u8>(value);
    }
}

}  // namespace vtsim::platform
