// SPDX-License-Identifier: Apache-2.0
#include "platform/machine_params.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/physical_memory.h"

namespace vtsim::platform {

void MachineParams::validate() const {
    const auto expect = [](bool good, const char* key, u64 value, const char* expected) {
        if (!good) throw ConfigError(key, std::to_string(value), expected);
    };
    expect(machine.cpus >= 1 && machine.cpus <= 64, "machine.cpus", machine.cpus, "1 to 64");
    expect(core.frequency_hz >= 1'000'000 && core.frequency_hz <= 100'000'000'000, "core.frequency_hz", core.frequency_hz, "1000000 to 100000000000 Hz");
    expect(machine.quantum >= 1 && machine.quantum <= 1'000'000'000, "machine.quantum", machine.quantum, "1 to 1000000000 cycles");
    const auto is_mode = [](const std::string& name) { return name == "functional" || name == "warm" || name == "timing"; };
    if (!is_mode(machine.mode)) throw ConfigError("machine.mode", "\"" + machine.mode + "\"", "functional, warm or timing");
    if (!machine.roi_mode.empty() && !is_mode(machine.roi_mode)) throw ConfigError("machine.roi_mode", "\"" + machine.roi_mode + "\"", "functional, warm, timing, or nothing for no change");
    expect(memory.size >= MiB && memory.size % page_size == 0, "memory.size", memory.size, "a multiple of 4096, at least 1048576");
    mmu.validate();
    const u64 above_hole = low_bits(mmu.physical_address_bits) - (PhysicalMemory::hole_end - 1);        // RAM that finds room there
    if (memory.size > PhysicalMemory::hole_start + above_hole)
        throw ConfigError("memory.size", std::to_string(memory.size), "at most " + std::to_string(PhysicalMemory::hole_start + above_hole) + ", what mmu.physical_address_bits = " +
                                                                          std::to_string(mmu.physical_address_bits) + " can address");
    // The caches' tags (timing::CacheLevel::cacheable) are 32 bits of line number.
    expect(memory.size <= 255 * GiB, "memory.size", memory.size, "at most 255 GiB (273804165120 bytes): the caches tag addresses below 256 GiB");
    expect(loader.flat_address < MiB, "loader.flat_address", loader.flat_address, "an address below 1048576");
    if (loader.format != "auto" && loader.format != "multiboot" && loader.format != "flat")
        throw ConfigError("loader.format", "\"" + loader.format + "\"", "auto, multiboot or flat");
    features.validate();
    vmx.validate();
    core.validate();
    cache.validate();
    dram.validate();
    apic.validate();
    iommu.validate();
}

cpu::CoreParams MachineParams::core_params() const {
    cpu::CoreParams params{engine, features, mmu, core, vmx_cost, vmx, apic};
    if (params.features.logical_processors == 0) params.features.logical_processors = machine.cpus;
    return params;
}

}  // namespace vtsim::platform
