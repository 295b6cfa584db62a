// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "base/types.h"

namespace vtsim::platform {

// QEMU, "Firmware Configuration (fw_cfg) Device": a 16-bit selector (offset 0) and a byte stream (offset 1). Without DMA.
class FwCfg {
public:
    static constexpr unsigned access_size = 2;
    enum Key : u16 { signature = 0x00, id = 0x01, ram_size = 0x03, cpu_count = 0x05, boot_cpu_count = 0x0f, max_ram = 0x11 };

    FwCfg(u64 ram_bytes, unsigned cpus);
    // Little-endian integers are what every item here is.
    void set(u16 key, u64 value, unsigned bytes);

    u64 read(u64 offset, unsigned size);
    void write(u64 offset, unsigned size, u64 value);

private:
    u8 next_byte();

    std::map<u16, std::string> items_;
    u16 selected_ = 0;
    std::size_t position_ = 0;
};

}  // namespace vtsim::platform
