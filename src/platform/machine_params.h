// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"
#include "base/types.h"
#include "iommu/params.h"
#include "platform/loader/loader.h"

namespace vtsim::platform {

struct KernelParams {
    unsigned cpus = 1;
    u64 frequency = 2'000'000'000;
    u64 quantum = 10'000;
    std::string mode = "functional";
};

struct MemoryParams {
    u64 size = 256 * MiB;
};

struct BusParams {
    bool dmi = true;
};

// Everything that makes a machine: the tables of a configuration file.
struct MachineParams {
    KernelParams machine;
    MemoryParams memory;
    BusParams bus;
    iommu::RemappingUnitParams iommu;
    LoaderParams loader;

    void validate() const;         // throws ConfigError
};

}  // namespace vtsim::platform

namespace vtsim::config {

template <>
inline constexpr auto schema<platform::KernelParams> = std::tuple{
    Param{"cpus", &platform::KernelParams::cpus, "number of logical processors, 1 to 64"},
    Param{"frequency", &platform::KernelParams::frequency, "core clock in Hz, 1 MHz to 100 GHz"},
    Param{"quantum", &platform::KernelParams::quantum, "cycles that a core may run ahead of the others and of devices"},
    Param{"mode", &platform::KernelParams::mode, "execution mode at start: functional, warm or timing"},
};
template <>
inline constexpr auto schema<platform::MemoryParams> = std::tuple{
    Param{"size", &platform::MemoryParams::size, "bytes of RAM, a multiple of 4096; what exceeds 3 GiB lies above 4 GiB"},
};
template <>
inline constexpr auto schema<platform::BusParams> = std::tuple{
    Param{"dmi", &platform::BusParams::dmi, "RAM by direct pointers (off: every access is a bus transaction; results are identical)"},
};
template <>
inline constexpr auto schema<platform::MachineParams> = std::tuple{
    Param{"machine", &platform::MachineParams::machine, "processors and time"},
    Param{"memory", &platform::MachineParams::memory, "RAM"},
    Param{"bus", &platform::MachineParams::bus, "interconnect"},
    Param{"iommu", &platform::MachineParams::iommu, "the DMA remapping unit at 0xfed90000"},
    Param{"loader", &platform::MachineParams::loader, "how images are started"},
};

}  // namespace vtsim::config
