// SPDX-License-Identifier: Apache-2.0
#include "platform/devices/fw_cfg.h"

namespace vtsim::platform {

FwCfg::FwCfg(u64 ram_bytes, unsigned cpus) {
    items_[signature] = "QEMU";
    set(id, 1, 4);                       // bit 0: the traditional interface
    set(ram_size, ram_bytes, 8);
    set(cpu_count, cpus, 2);
    set(boot_cpu_count, cpus, 2);
}

void FwCfg::set(u16 key, u64 value, unsigned bytes) {
    auto& item = items_[key];
    item.clear();
    for (unsigned i = 0; i < bytes; ++i) item.push_back(static_cast<char>(value >> (8 * i)));
}

// Past the end of an item, and in items that do not exist, every byte is zero.
u8 FwCfg::next_byte() {
    const auto item = items_.find(selected_);
    if (item == items_.end() || position_ >= item->second.size()) return 0;
    return static_cast<u8>(item->second[position_++]);
}

u64 FwCfg::read(u64 offset, unsigned size) {
    if (offset == 1) return next_byte();
    return size == 2 ? selected_ : selected_ & 0xff;
}

void FwCfg::write(u64 offset, unsigned size, u64 value) {
    if (offset != 0 || size != 2) return;        // items are read-only, and the selector takes only 16-bit writes
    selected_ = static_cast<u16>(value);
    position_ = 0;
}

}  // namespace vtsim::platform
