// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/config/schema.h"
#include "base/types.h"
#include "cpu/core_params.h"
#include "iommu/params.h"
#include "platform/loader/loader.h"
#include "timing/cache/params.h"
#include "timing/dram.h"

namespace vtsim::platform {

struct KernelParams {
    unsigned cpus = 1;
    u64 quantum = 10'000;
    std::string mode = "functional";
    std::string roi_mode;
    bool roi_stats = false;
    std::string instruction_costs = "broadwell";
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
    LoaderParams loader;
    cpu::EngineParams engine;
    cpu::FeatureParams features;
    vmx::VmxParams vmx;
    mmu::MmuParams mmu;
    timing::CoreModelParams core;
    timing::VmxCostParams vmx_cost;
    timing::CacheParams cache;
    timing::DramParams dram;
    apic::LocalApicParams apic;
    iommu::RemappingUnitParams iommu;

    void validate() const;         // throws ConfigError
    [[nodiscard]] cpu::CoreParams core_params() const;
};

}  // namespace vtsim::platform

namespace vtsim::config {

template <>
inline constexpr auto schema<platform::KernelParams> = std::tuple{
    Param{"cpus", &platform::KernelParams::cpus, "number of logical processors, 1 to 64"},
    Param{"quantum", &platform::KernelParams::quantum, "cycles that a core may run ahead of the others and of devices"},
    Param{"mode", &platform::KernelParams::mode, "execution mode at start: functional, warm or timing"},
    Param{"roi_mode", &platform::KernelParams::roi_mode, "execution mode while the guest is in its region of interest: functional, warm or timing; empty: no change"},
    Param{"roi_stats", &platform::KernelParams::roi_stats, "statistics cover the guest's latest region of interest only; without one, the whole run"},
    Param{"instruction_costs", &platform::KernelParams::instruction_costs, "timing preset with the table of instruction costs: a name, a path (with a slash), or none"},
};
template <>
inline constexpr auto schema<platform::MemoryParams> = std::tuple{
    Param{"size", &platform::MemoryParams::size, "bytes of RAM, a multiple of 4096, at most 255 GiB; what exceeds 3 GiB lies above 4 GiB"},
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
    Param{"loader", &platform::MachineParams::loader, "how images are started"},
    Param{"engine", &platform::MachineParams::engine, "the execution engine"},
    Param{"features", &platform::MachineParams::features, "what CPUID advertises"},
    Param{"vmx", &platform::MachineParams::vmx, "what the VMX capability MSRs advertise"},
    Param{"mmu", &platform::MachineParams::mmu, "translation: TLBs, paging-structure caches, walker"},
    Param{"core", &platform::MachineParams::core, "timing of the core"},
    Param{"vmx_cost", &platform::MachineParams::vmx_cost, "timing of VMX instructions and transitions"},
    Param{"cache", &platform::MachineParams::cache, "caches"},
    Param{"dram", &platform::MachineParams::dram, "main memory"},
    Param{"apic", &platform::MachineParams::apic, "local APICs"},
    Param{"iommu", &platform::MachineParams::iommu, "the DMA remapping unit at 0xfed90000"},
};

}  // namespace vtsim::config
